# SPDX-License-Identifier: GPL-2.0
"""A scratch directory with a cache of its own, captured messages, and a kernel tree of a few files."""

import contextlib
import difflib
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

TOOLS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOOLS), str(TOOLS / "kernel")]

from kbuild import packages, series, source  # noqa: E402

GUP = [f"/* line {number} of the file */\n" for number in range(1, 81)]


class Scratch(unittest.TestCase):
    """Gives each test its own cache and puts nothing into the user's."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.top = Path(holder.name)
        self.set_env(CACHE=str(self.top / "cache"))
        # Logs of a run that is going on beside the tests are not theirs to overwrite.
        for module in (packages, source):
            self.replace(module, "LOGS", self.top / "log")

    def set_env(self, **values):
        """Environment variables for this test."""
        patch = mock.patch.dict(os.environ, values)
        patch.start()
        self.addCleanup(patch.stop)

    def replace(self, target, name, value):
        """A module's name for this test."""
        patch = mock.patch.object(target, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def command(self, name, script):
        """A shell script that is found in place of a command of the host."""
        place = self.top / "bin"
        place.mkdir(exist_ok=True)
        path = place / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        if not os.environ["PATH"].startswith(str(place)):
            self.set_env(PATH=f"{place}:{os.environ['PATH']}")
        return path

    @contextlib.contextmanager
    def told(self):
        """The messages printed inside the block."""
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream):
            yield stream

    def refused(self, call, *words):
        """Run something that has to end the tool; return what it printed, whose last line is the error."""
        with self.told() as stream, self.assertRaises(SystemExit) as ended:
            call(*words)
        self.assertEqual(ended.exception.code, 1)
        last = stream.getvalue().splitlines()[-1]
        self.assertTrue(last.startswith("error: "), last)
        self.assertIn(" \N{EM DASH} ", last, "an error says what to do")
        return stream.getvalue()

    def kernel_tree(self, name="linux", gup=None):
        """A directory that looks like a kernel tree."""
        tree = self.top / name
        (tree / "mm").mkdir(parents=True)
        (tree / "Kbuild").write_text("# kernel\n")
        (tree / "MAINTAINERS").write_text("THE REST\n")
        (tree / "mm" / "gup.c").write_text("".join(gup or GUP))
        return tree

    def series(self, **patches):
        """A series: name = (old lines, new lines) of mm/gup.c, or a whole patch as text."""
        place = self.top / "patches"
        place.mkdir(exist_ok=True)
        for path in place.iterdir():
            path.unlink()
        for name, change in patches.items():
            if not isinstance(change, str):
                diff = difflib.unified_diff(*change, "a/mm/gup.c", "b/mm/gup.c")
                change = "Subject: change mm/gup.c\n\n---\n" + "".join(diff)
            (place / f"{name[1:]}.patch").write_text(change)
        self.replace(series, "PATCHES", place)


def changed(lines, at, text):
    """The lines with one of them replaced."""
    copy = list(lines)
    copy[at] = text
    return copy
