# SPDX-License-Identifier: GPL-2.0
"""KSRC= in its three forms, the join of this repository, and what the cache keeps."""

import os
import subprocess

from .common import GUP, Scratch, changed

from kbuild import join, source, tree


class Sources(Scratch):
    """Trees given by the user: copied, never written to."""

    def setUp(self):
        super().setUp()
        self.series()

    def prepare(self, path):
        """Prepare from KSRC=path."""
        self.set_env(KSRC=str(path))
        with self.told():
            return tree.prepare()

    def test_tree_is_copied_and_left_alone(self):
        given = self.kernel_tree()
        self.series(_0001=(GUP, changed(GUP, 3, "/* patched */\n")))
        made = self.prepare(given)
        self.assertIn("patched", (made.path / "mm/gup.c").read_text())
        self.assertEqual((given / "mm/gup.c").read_text(), "".join(GUP))
        self.assertFalse((given / "mm/fast_gup").exists())
        self.assertIsNone(made.tarball)

    def test_changed_tree_is_another_key(self):
        given = self.kernel_tree()
        before = self.prepare(given).key
        self.assertEqual(before, self.prepare(given).key)
        (given / "mm/gup.c").write_text("/* changed */\n")
        self.assertNotEqual(before, self.prepare(given).key)

    def test_git_checkout_without_what_it_ignores(self):
        given = self.kernel_tree()
        (given / ".gitignore").write_text("*.o\n")
        git = ["git", "-C", str(given), "-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "base"], check=True)
        clean = self.prepare(given).key
        (given / "mm/gup.o").write_text("object")
        self.assertEqual(clean, self.prepare(given).key, "an ignored file is no change")
        (given / "mm/gup.c").write_text("/* uncommitted */\n")
        (given / "mm/new.c").write_text("/* not added */\n")
        made = self.prepare(given)
        self.assertNotEqual(clean, made.key)
        self.assertEqual((made.path / "mm/gup.c").read_text(), "/* uncommitted */\n")
        self.assertTrue((made.path / "mm/new.c").exists())
        self.assertFalse((made.path / "mm/gup.o").exists())

    def test_tarball(self):
        self.kernel_tree()
        archive = self.top / "linux-7.3.99.tar.xz"
        subprocess.run(["tar", "-cJf", str(archive), "-C", str(self.top), "linux"], check=True)
        made = self.prepare(archive)
        self.assertTrue((made.path / "MAINTAINERS").exists())
        self.assertEqual(made.tarball, archive)

    def test_neither(self):
        self.set_env(KSRC=str(self.top))
        self.assertIn("neither a kernel tree nor a tarball", self.refused(source.choose))

    def test_joined(self):
        made = self.prepare(self.kernel_tree())
        self.assertEqual(os.path.realpath(made.path / "mm/fast_gup"), str(join.REPO))
        for name, target in join.links().items():
            self.assertEqual(os.readlink(made.path / name), target)

    def test_other_checkout_takes_over(self):
        made = self.prepare(self.kernel_tree())
        other = self.top / "other"
        (other / "include/linux").mkdir(parents=True)
        (other / "include/linux/extra.h").write_text("/* extra */\n")
        self.replace(join, "REPO", other)
        with self.told() as stream:
            join.join(made.path)
        self.assertIn("switching it", stream.getvalue())
        self.assertEqual(os.readlink(made.path / "mm/fast_gup"), str(other))
        self.assertTrue((made.path / "include/linux/extra.h").exists())
        self.assertFalse((made.path / "include/uapi/linux/fast_gup.h").is_symlink(), "links of the first are gone")

    def test_keeps_two_trees(self):
        given = self.kernel_tree()
        keys = []
        for number in range(3):
            self.series(_0001=(GUP, changed(GUP, 3, f"/* {number} */\n")))
            keys.append(self.prepare(given).key)
        kept = {path.name for path in (self.top / "cache/source").iterdir()}
        self.assertEqual(kept, set(keys[1:]))
