# SPDX-License-Identifier: GPL-2.0
"""What publishing walks saves (CONFIG_LOCKLESS_PGTABLE_WALK), and what it costs the walk.

Saved are interrupts of those who collapse memory into huge pages: a boot with eight CPUs, collapses with walks
published and with everybody interrupted as before, in turn. The cost is in the boot under -icount, see boot.py.
"""

from dataclasses import dataclass
from statistics import median

from lib.console import say

from . import boot
from .rows import OPS

CPUS = 8
WALKERS = (0, 1, 4)
# Threads of the process that sleep, each on a CPU, while memory is collapsed and unmapped.
SLEEPERS = 64
# Numbers of pages of a call, and by how much a call may be dearer.
NUMBERS = (1, 8, 64, 512)
CALLERS = ("C", "ours")
MOST = {8: 0.03, 64: 0.005}
GIGABYTE = 1024
# khugepaged takes its time: a part of a gigabyte, whose figures are scaled.
DAEMON_MEGABYTES = 128


@dataclass
class Collapse:
    """A line of guest/collapse.c."""

    round: int
    flag: int
    kilobytes: int
    walkers: int
    sleepers: int
    collapses: int
    nanoseconds: int
    interrupts: int
    calls: int
    broadcast: int
    targeted: int
    skipped: int
    interrupted: int
    unmap_nanoseconds: int
    unmap_interrupts: int


def sizes(guest):
    """Kilobytes of a folio, and MiB that are collapsed: huge pages, and folios of sixteen base pages."""
    base = guest.kinds[0].kilobytes
    huge = next((kind.kilobytes for kind in guest.kinds if kind.kind == "anon" and kind.kilobytes >= 2048), None)
    found = [(huge, GIGABYTE)] if huge else []
    return found + [(16 * base, DAEMON_MEGABYTES)]


def measure(options, guest, programs, rounds):
    """Rows of collapses, and why there is none."""
    cases = [(kilobytes, megabytes, walkers, 0) for kilobytes, megabytes in sizes(guest) for walkers in WALKERS]
    cases += [(kilobytes, megabytes, 0, SLEEPERS) for kilobytes, megabytes in sizes(guest)]
    command = ["sh", "/bench/walk_flag.sh", str(rounds), *(":".join(map(str, case)) for case in cases)]
    found, cpu, why = [], "unknown", None
    for words in boot.lines(options, "transparent_hugepage=madvise", "3G", programs, command, "collapses",
                            ("--smp", str(CPUS)), rounds * 2 * len(cases) + 1):
        if words[0] == "@skip":
            why = " ".join(words[1:])
        elif words[0] == "@cpu":
            cpu = " ".join(words[1:])
        elif words[0] == "@collapse":
            found.append(Collapse(*map(int, words[1:])))
    if why:
        return {"why": why}
    say(f"collapses: {CPUS} CPUs ({cpu}), {rounds} rounds")
    return {"cpus": CPUS, "cpu": cpu, "rows": rows(found, dict(sizes(guest)))}


def rows(found, megabytes):
    """A row for each size, number of threads and setting: the middle of the rounds, for a gigabyte."""
    groups = {}
    for one in found:
        groups.setdefault((one.kilobytes, one.walkers, one.sleepers, one.flag), []).append(one)
    made = []
    for (kilobytes, walkers, sleepers, flag), rounds in groups.items():
        scale = GIGABYTE / megabytes[kilobytes]
        row = {"kilobytes": kilobytes, "walkers": walkers, "sleepers": sleepers, "published": bool(flag),
               "megabytes": megabytes[kilobytes], "rounds": [vars(one) for one in rounds]}
        for name in ("collapses", "nanoseconds", "interrupts", "calls", "broadcast", "targeted", "skipped", "interrupted",
                     "unmap_nanoseconds", "unmap_interrupts"):
            row[name] = median(getattr(one, name) for one in rounds) * scale
        made.append(row)
    return made


def cost(samples):
    """What a call is dearer by when its walk is published, by what is asked for and how: {op: {impl: {n: share}}}."""
    least = {}
    for one in samples:
        if one.round and one.published is not None and one.caller in CALLERS:
            key = (OPS[one.pin, "get"], one.caller, one.n, one.published)
            least[key] = min(least.get(key, one.get), one.get)
    found = {}
    for (op, caller, n, published), instructions in least.items():
        without = least.get((op, caller, n, False))
        if published and without:
            calls = next(one.pages for one in samples if one.n == n) / n
            found.setdefault(op, {}).setdefault(caller, {})[n] = {
                "share": instructions / without - 1, "instructions": (instructions - without) / calls}
    return found
