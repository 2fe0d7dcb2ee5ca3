# SPDX-License-Identifier: GPL-2.0
"""The series: what fits, what fits after moving, what stops, and what is left behind then."""

from .common import GUP, Scratch, changed

from kbuild import series, tree


class Series(Scratch):
    """Patches on a tree of a few files, through the same path that a kernel takes."""

    def prepare(self, gup=None):
        """Prepare the tree given as KSRC."""
        self.set_env(KSRC=str(self.kernel_tree(gup=gup)))
        with self.told() as stream:
            made = tree.prepare()
        return made, stream.getvalue()

    def test_applies_in_order(self):
        one = changed(GUP, 40, "/* one */\n")
        self.series(_0001=(GUP, one), _0002=(one, changed(one, 40, "/* two */\n")))
        made, told = self.prepare()
        self.assertIn("/* two */", (made.path / "mm/gup.c").read_text())
        self.assertNotIn("applied at line", told, "a patch that fits exactly is not worth a notice")

    def test_offset_is_told(self):
        self.series(_0001=(GUP, changed(GUP, 40, "/* one */\n")))
        made, told = self.prepare(["/* pushed down */\n"] * 3 + GUP)
        self.assertEqual((made.path / "mm/gup.c").read_text().splitlines()[43], "/* one */")
        self.assertRegex(told, r"0001.patch: mm/gup.c hunk 1 applied at line 41 \(offset 3\)")

    def test_fuzz_is_told(self):
        self.series(_0001=(GUP, changed(GUP, 40, "/* one */\n")))
        made, told = self.prepare(changed(GUP, 37, "/* context that changed */\n"))
        self.assertIn("/* one */", (made.path / "mm/gup.c").read_text())
        self.assertIn("fuzz 1", told)

    def test_misfit_names_patch_file_and_hunk(self):
        fits = changed(GUP, 5, "/* fits */\n")
        self.series(_0001=(GUP, fits), _0002=(GUP, changed(changed(GUP, 20, "/* a */\n"), 60, "/* b */\n")))
        self.set_env(KSRC=str(self.kernel_tree(gup=changed(GUP, 60, "/* someone else's */\n"))))
        told = self.refused(tree.prepare)
        self.assertRegex(told, r"0002.patch does not fit linux: mm/gup.c, hunk 2 at line \d+")
        self.assertEqual(list((self.top / "cache/source").iterdir()), [], "nothing half applied stays")

    def test_change_that_is_there_already(self):
        after = changed(GUP, 40, "/* one */\n")
        self.series(_0001=(GUP, after))
        self.set_env(KSRC=str(self.kernel_tree(gup=after)))
        self.assertIn("has this change already", self.refused(tree.prepare))

    def test_missing_file_is_named(self):
        self.series(_0001="---\n--- a/mm/gone.c\n+++ b/mm/gone.c\n@@ -1 +1 @@\n-old\n+new\n")
        self.set_env(KSRC=str(self.kernel_tree()))
        self.assertIn("0001.patch does not fit", self.refused(tree.prepare))

    def test_key_follows_content(self):
        self.series(_0001=(GUP, changed(GUP, 40, "/* one */\n")))
        before = series.key()
        path = series.patches()[0]
        path.write_text(path.read_text().replace("Subject: change", "Subject: improve") + "-- \n2.50.1\n")
        self.assertEqual(before, series.key(), "the mail around a change is not the change")
        self.series(_0001=(GUP, changed(GUP, 40, "/* other */\n")))
        self.assertNotEqual(before, series.key())
