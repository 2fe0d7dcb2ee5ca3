# SPDX-License-Identifier: GPL-2.0
"""The table of tools/testing/mutate: what it names is there, so that a run does not end in its middle."""

import importlib.util
import sys
import unittest

from .common import TOOLS

from lib import mutation

sys.path.append(str(TOOLS / "testing"))

from driver import plan, soak  # noqa: E402

REPO = TOOLS.parent


def table(name):
    """A mutations.py, of which there are two."""
    spec = importlib.util.spec_from_file_location(f"{name}_mutations", TOOLS / name / "mutations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Mutations(unittest.TestCase):
    """Both tables, and the classes of bugs."""

    def setUp(self):
        self.classes = table("testing").CLASSES
        self.on_host = {one.name for one in table("host").MUTATIONS}

    def test_mistakes_fit_the_sources(self):
        for one in [mistake for each in self.classes for mistake in each.mutations] + table("host").MUTATIONS:
            source = (REPO / "src" / one.file).read_text()
            self.assertNotEqual(mutation.mutated(source, one, "the table"), source, one.name)

    def test_classes_are_noticed_by_somebody(self):
        for each in self.classes:
            self.assertTrue(each.mutations or each.others, f"{each.name}: nobody would notice")
        numbers = [each.number for each in self.classes if each.number]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_who_notices_is_there(self):
        for each in self.classes:
            boots = {one.name: one.programs for one in plan.BOOTS[each.arch]}
            self.assertIn(each.boot, boots)
            for one in each.mutations:
                for test in one.tests:
                    self.assertIn(test.partition(":")[0], boots[each.boot_of(one)], one.name)
            for kind, name in (other.split(" ", 1) for other in each.others):
                if kind == "host":
                    self.assertIn(name, self.on_host)
                elif kind == "litmus":
                    self.assertTrue((REPO / f"Documentation/litmus-tests/{name}.litmus").exists(), name)
                else:
                    self.assertEqual(kind, "model")
                    self.assertTrue((TOOLS / f"host/models/src/{name}.rs").exists(), name)

    def test_lines_may_be_broken_elsewhere(self):
        one = table("testing").Mutation("a name", "file.rs", "if a && b {", "if a {", ())
        self.assertEqual(mutation.mutated("x;\nif a\n    && b\n{\n}\n", one, "t"), "x;\nif a {\n}\n")


class Soak(unittest.TestCase):
    """What the guest says, and what is made of it."""

    def test_iterations_of_each_class(self):
        told = soak.Told()
        for line in ("#  RUN           races.munmap.content ...", "# 12 turns against 345 calls: 1 pages, 2 fast",
                     "ok 1 races.munmap.content", "#  RUN           fork_race.anon.content ...",
                     "# 20 forks beside 40 pins: 3 pages fast", "ok 2 fork_race.anon.content"):
            told.line(line)
        self.assertEqual((told.turns["races.munmap"], told.calls["races.munmap"]), (12, 345))
        self.assertEqual(told.turns["fork_race.anon"], 20)
        self.assertEqual(told.bad, [])

    def test_failures_are_heard(self):
        for line in ("not ok 3 races.free.content", "@@soak bad 7 pins are left"):
            told = soak.Told()
            told.line(line)
            self.assertTrue(told.bad, line)
