# SPDX-License-Identifier: GPL-2.0
"""The checks of `make check`: each finds what it is for, and nothing in a file that is right."""

import shutil
import unittest
from types import SimpleNamespace

from .common import Scratch

from lib.checks import Context, Skipped, context, docs, litmus, rust, scripts

TAG = "SPDX-License-Identifier: GPL-2.0"


class Checks(Scratch):
    """A repository of a few files."""

    def setUp(self):
        super().setUp()
        self.repo = self.top / "repo"
        self.repo.mkdir()
        for module in (context, docs, litmus, rust, scripts):
            self.replace(module, "REPO", self.repo)

    def check(self, check, **files):
        """What a check says about files given as name_suffix = text."""
        for name, text in files.items():
            (self.repo / name.replace("_", ".")).write_text(text)
        tree = self.top / "tree"
        tree.mkdir(exist_ok=True)
        (tree / ".rustfmt.toml").write_text('edition = "2021"\n')
        return check(Context(SimpleNamespace(tree=SimpleNamespace(path=tree), path=self.top)))

    def test_spdx(self):
        self.assertEqual(self.check(scripts.spdx, good_c=f"// {TAG}\n"), [])
        self.assertIn("bad.c", self.check(scripts.spdx, bad_c="int x;\n")[0])

    def test_python_of_39(self):
        self.assertEqual(self.check(scripts.python, good_py="x = 1\n"), [])
        self.assertIn("bad.py:", self.check(scripts.python, bad_py="match 1:\n    case 1:\n        pass\n")[0])

    @unittest.skipUnless(shutil.which("rustfmt"), "rustfmt is not installed")
    def test_rustfmt(self):
        self.assertEqual(self.check(rust.rustfmt, good_rs="fn main() {}\n"), [])
        self.assertIn("bad.rs:1", self.check(rust.rustfmt, bad_rs="fn main( ) { }\n")[0])

    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is not installed")
    def test_shell(self):
        self.assertEqual(self.check(scripts.shell, good_sh="#!/bin/sh\necho ok\n"), [])
        self.assertIn("bad.sh:2", self.check(scripts.shell, bad_sh="#!/bin/sh\ncd x\nread y\n")[0])

    @unittest.skipUnless(shutil.which("rst2html"), "docutils is not installed")
    def test_rst(self):
        helper = self.repo / "tools/lib/checks"
        helper.mkdir(parents=True)
        shutil.copy(rust.__file__.replace("rust.py", "rst_syntax.py"), helper)
        good = "Title\n=====\n\n.. kernel-doc:: include/linux/fast_gup.h\n   :internal:\n\nSee :c:func:`fast_gup`.\n"
        self.assertEqual(self.check(docs.rst, good_rst=good), [])
        self.assertIn("bad.rst:", self.check(docs.rst, bad_rst="Title\n===\n\n.. no-such-thing::\n")[0])

    def test_litmus(self):
        herd7 = self.top / "herd7"
        herd7.write_text('#!/bin/sh\necho "Observation ${3##*/} Never 0 3" | sed "s/[.]litmus//"\n')
        herd7.chmod(0o755)
        (self.top / "tree/tools/memory-model").mkdir(parents=True)
        self.replace(litmus.kbuild.herd7, "find", lambda: (str(herd7), None))
        self.assertEqual(self.check(litmus.litmus, good_litmus="C good\n\n(*\n * Result: Never\n *)\n"), [])
        wrong = self.check(litmus.litmus, good_litmus="C good\n\n(*\n * Result: Sometimes\n *)\n")
        self.assertEqual(wrong, ["good.litmus: herd7 says Never, the file says Sometimes"])
        self.assertIn("is wanted", self.check(litmus.litmus, good_litmus="C good\n")[0])
        herd7.write_text("#!/bin/sh\necho syntax error\n")
        self.assertIn("no answer", self.check(litmus.litmus, good_litmus="(*\n * Result: Never\n *)\n")[0])
        self.replace(litmus.kbuild.herd7, "find", lambda: (None, "no herd7"))
        with self.assertRaisesRegex(Skipped, "no herd7"):
            self.check(litmus.litmus)
