# SPDX-License-Identifier: GPL-2.0
"""Samples become rows, rows become verdicts, tables and plots."""

import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path
from unittest import mock

from benchlib import document, hold, kinds, locked, plots, report, rows, targets, walk_flag
from benchlib.boot import Sample, sample

CLOCK = 44
PAGES = 16384


def samples(get, put=10 * PAGES, n=512, memory="4K", caller="C", pin=True, rounds=3, **more):
    """The same in each round, with a first round that must not count."""
    made = [Sample(0, pin, n, memory, caller, PAGES, PAGES, 1, 1, 0, **more)]
    return made + [Sample(number, pin, n, memory, caller, PAGES, PAGES, get + CLOCK, put + CLOCK, 0, **more)
                   for number in range(1, rounds + 1)]


def nothing(loop=7):
    """The caller that calls nothing."""
    return [Sample(number, True, 1, "4K", "nothing", PAGES, PAGES, loop * PAGES + CLOCK, CLOCK, 0) for number in range(4)]


def find(made, op, caller):
    """The one row of them."""
    found = [row for row in made if row["op"] == op and row["impl"] == caller]
    assert len(found) == 1, found
    return found[0]


class Rows(unittest.TestCase):
    """rows.py"""

    def test_the_clock_is_subtracted_and_round_0_is_not_counted(self):
        made, differing = rows.make(nothing() + samples(100 * PAGES))
        self.assertEqual(find(made, "PIN", "C")["instructions_per_page"], 100)
        self.assertEqual(find(made, "PIN", "C")["instructions_per_call"], 51200)
        self.assertEqual(find(made, "unpin", "C")["instructions_per_page"], 10)
        self.assertEqual(differing, [])

    def test_the_least_of_the_rounds(self):
        some = samples(100 * PAGES)
        some[2].get += 3000
        made, differing = rows.make(nothing() + some)
        self.assertEqual(find(made, "PIN", "C")["instructions_per_page"], 100)
        self.assertEqual(differing, [])

    def test_rounds_that_do_not_agree_are_told(self):
        some = samples(100 * PAGES)
        for one in some[2:]:
            one.get += 5 * PAGES
        _, differing = rows.make(nothing() + some)
        self.assertEqual(len(differing), 1)
        self.assertIn("PIN 4K n=512 C", differing[0])

    def test_what_releases_alike_has_one_row(self):
        made, _ = rows.make(nothing() + samples(1) + samples(1, caller="provided") + samples(1, caller="ours")
                            + samples(1, caller="ours", pin=False))
        self.assertEqual([row["impl"] for row in made if row["op"] == "unpin"], ["C", "ours"])
        self.assertEqual([row["impl"] for row in made if row["op"] == "put"], [])

    def test_other_sections_and_timers_are_no_rows(self):
        made, _ = rows.make(nothing() + samples(100 * PAGES) + samples(1, section=64) + samples(1, timer=True))
        self.assertEqual(find(made, "PIN", "C")["instructions_per_page"], 100)

    def test_loop(self):
        self.assertEqual(rows.loop(nothing(7)), 7)

    def test_lateness_is_the_worst_round(self):
        some = samples(1, n="whole", timer=True) + samples(1, n="whole", caller="ours", timer=True)
        some[1].late, some[2].late, some[0].late = 900, 1000, 5000
        self.assertEqual(rows.lateness(some), {"PIN": {"C": 1000, "ours": 0}})

    def test_cost_of_sections(self):
        def whole(length, **more):
            return samples(50 * PAGES + 200 * PAGES // length, n="whole", caller="ours", **more)

        some = nothing() + whole(512)
        for length in (256, 128, 64):
            some += whole(length, section=length)
        made, _ = rows.make(some)
        cost = rows.section_cost(some, made, "4K")["PIN"]["ours"]
        self.assertAlmostEqual(cost["instructions"], 200, places=0)
        self.assertAlmostEqual(cost["share"], 200 / 512 / 50, places=4)
        self.assertLess(cost["disagreement"], 1e-4)

    def test_a_line_of_the_guest(self):
        one = sample("3 pin 0 2M ranges 100 5 700 80 9".split())
        self.assertEqual(one, Sample(3, True, "whole", "2M", "ranges", 100, 5, 700, 80, 9))


class Locked(unittest.TestCase):
    """locked.py"""

    def test_they_go_into_their_rows(self):
        made, _ = rows.make(nothing() + samples(100 * PAGES))
        locked.add(made, [{"op": "PIN", "n": 512, "memory": "4K", "impl": "C", "locked_per_page": 2}])
        self.assertEqual(find(made, "PIN", "C")["locked_per_page"], 2)
        self.assertNotIn("locked_per_page", find(made, "unpin", "C"))


def collapse(number, flag, walkers=0, kilobytes=64, nanoseconds=1000, interrupts=0, **more):
    """A line of the guest, as words."""
    counts = {"calls": 8, "broadcast": 0, "targeted": 0, "skipped": 8, "interrupted": 0, **more}
    return walk_flag.Collapse(number, flag, kilobytes, walkers, 0, 8, nanoseconds, interrupts, *counts.values(), 50, 0)


class WalkFlag(unittest.TestCase):
    """walk_flag.py"""

    def test_the_middle_of_the_rounds_for_a_gigabyte(self):
        found = [collapse(number, 1, interrupts=count) for number, count in ((1, 90), (2, 4), (3, 3))]
        made = walk_flag.rows(found, {64: 128})
        self.assertEqual(len(made), 1)
        self.assertEqual((made[0]["interrupts"], made[0]["collapses"], made[0]["nanoseconds"]), (32, 64, 8000))

    def test_settings_and_walkers_are_rows_of_their_own(self):
        found = [collapse(1, flag, walkers) for flag in (0, 1) for walkers in (0, 4)]
        self.assertEqual([(row["published"], row["walkers"]) for row in walk_flag.rows(found, {64: 128})],
                         [(False, 0), (False, 4), (True, 0), (True, 4)])

    def test_what_is_collapsed(self):
        self.assertEqual(walk_flag.sizes(kinds.guest("x86_64", None, "release")), [(2048, 1024), (64, 128)])
        self.assertEqual(walk_flag.sizes(kinds.guest("ppc64le", "power8", "release")), [(16384, 1024), (1024, 128)])

    def test_cost_is_of_the_two_settings_alone(self):
        some = nothing() + samples(100 * PAGES, n=8, caller="ours")
        for published, more in ((False, 0), (True, 8 * PAGES // 8)):
            some += samples(100 * PAGES + more, n=8, caller="ours", published=published)
        cost = walk_flag.cost(some)["PIN"]["ours"][8]
        self.assertAlmostEqual(cost["instructions"], 8)
        self.assertAlmostEqual(cost["share"], 0.01, places=5)
        made, _ = rows.make(some)
        self.assertEqual(find(made, "PIN", "ours")["instructions_per_page"], 100, "these are rows of their own")

    def test_verdicts(self):
        made = results(40)
        made["walk_flag"] = {"cost": {"GET": {"ours": {"8": {"share": 0.031, "instructions": 9.0}}}},
                             "rows": walk_flag.rows([collapse(1, 1), collapse(1, 1, 4, targeted=1, interrupted=3)], {64: 1024})}
        found = {one["name"]: one for one in targets.judge(made)}
        self.assertFalse(found["published walk, GET n=8"]["reached"])
        self.assertTrue(found["interrupted for nothing"]["reached"])
        made["walk_flag"]["rows"][0]["interrupted"] = 1
        self.assertFalse({one["name"]: one for one in targets.judge(made)}["interrupted for nothing"]["reached"])

    def test_table(self):
        found = [collapse(1, flag, walkers, 2048, interrupts=7 * (1 - flag)) for flag in (0, 1) for walkers in (4, 0)]
        head, lines = report.collapses({"walk_flag": {"rows": walk_flag.rows(found, {2048: 1024})}})
        self.assertEqual([line[:5] for line in lines], [["2M", "0", "0", "7", "0"], ["2M", "4", "0", "7", "0"]])
        self.assertEqual(len(head), len(lines[0]))


def results(ours):
    """As much as a verdict, a table and a plot need."""
    made, _ = rows.make(nothing() + samples(100 * PAGES) + samples(ours * PAGES, caller="ours")
                        + samples(100 * PAGES, n="whole") + samples(ours * PAGES, n="whole", caller="ours"))
    return {"rows": made, "sections": {"late": {"PIN": {"C": 1000, "ours": 11}}, "cost": {}}, "targets": [], "page": "4K",
            "release": "7.3", "guest": "x86_64"}


class Hold(unittest.TestCase):
    """hold.py"""

    def test_a_line_of_the_guest(self):
        row = hold.row(["file", "no-retry", "256", "256512000", "1005000", "256"])
        self.assertEqual((row["held_per_call"], row["longest"], row["slept_per_call"]), (1002000, 1005000, 1))
        head, lines = report.hold({"hold": {"rows": [row]}})
        self.assertEqual(lines, [["file", "no-retry", "1002000", "1005000", "1.00"]])
        self.assertEqual(len(head), len(lines[0]))


class Verdicts(unittest.TestCase):
    """targets.py"""

    def test_reached_and_missed(self):
        for ours, reached in ((35, True), (36, False)):
            verdict = {one["name"]: one for one in targets.judge(results(ours))}
            self.assertEqual(verdict["4K PIN"]["reached"], reached)
            self.assertFalse(verdict["longest section, PIN"]["reached"])
            self.assertNotIn("4K GET", verdict)

    def test_by_how_much(self):
        self.assertIn("missed, 2.00 times as much", targets.show(targets.judge(results(70))))


class Shown(unittest.TestCase):
    """report.py, plots.py, document.py"""

    def test_table(self):
        head, lines = report.instructions(results(40), ("PIN",), (512,))
        self.assertEqual(lines, [["4K", "PIN", "512", "100", "40.0", "", "", "0.400", ""]])
        self.assertEqual(len(head), len(lines[0]))

    def test_plot_is_well_formed(self):
        picture = xml.dom.minidom.parseString(plots.draw(results(40), "PIN"))
        self.assertEqual(len(picture.getElementsByTagName("polyline")), 2)
        self.assertEqual(len(picture.getElementsByTagName("circle")), 4)

    def test_document_replaces_its_own_tables_only(self):
        with tempfile.TemporaryDirectory() as scratch:
            page = Path(scratch, "page.rst")
            other = ".. bench i386 get\n\nkeep\n\n.. bench end\n"
            page.write_text(f"before\n\n.. bench x86_64 get\n\nold\n\n.. bench end\n\n{other}")
            with mock.patch.object(document, "PAGE", page), mock.patch.object(document, "REPO", Path(scratch)):
                document.write(results(40))
                once = page.read_text()
                document.write(results(40))
            self.assertEqual(page.read_text(), once)
            self.assertIn(other, once)
            self.assertIn("0.400", once)
            self.assertNotIn("old", once)
