# SPDX-License-Identifier: GPL-2.0
"""What the walk is to reach on x86_64, and whether it does."""

from dataclasses import dataclass

from . import walk_flag


@dataclass(frozen=True)
class Target:
    """The ratio of two rows: of `impl` to C's pages, at the most."""

    name: str
    op: str
    n: object
    memory: str
    impl: str
    most: float


TARGETS = (
    Target("4K GET", "GET", 512, "4K", "ours", 0.5),
    Target("4K PIN", "PIN", 512, "4K", "ours", 0.35),
    Target("4K unpin", "unpin", 512, "4K", "ours", 0.5),
    Target("64K folios PIN", "PIN", 512, "64K", "ours", 0.1),
    Target("THP GET by ranges", "GET", "whole", "2M", "ranges", 0.02),
    Target("THP PIN by ranges", "PIN", "whole", "2M", "ranges", 0.02),
    Target("hugetlb 1G GET by ranges", "GET", "whole", "hugetlb-1G", "ranges", 0.001),
    Target("hugetlb 1G PIN by ranges", "PIN", "whole", "hugetlb-1G", "ranges", 0.001),
    Target("THP unpin by ranges", "unpin", "whole", "2M", "ranges", 0.02),
    Target("64K folios unpin by ranges", "unpin", 512, "64K", "ranges", 0.15),
    Target("one page GET", "GET", 1, "4K", "ours", 0.75),
    Target("one page PIN", "PIN", 1, "4K", "ours", 0.75),
)
LATENESS = 0.01
COST = 0.03


def _verdict(name, value, most, about):
    """One line of the list, as data."""
    return {"name": name, "value": value, "most": most, "reached": value <= most, "about": about}


def judge(made):
    """The targets with what was reached; empty where there is nothing to compare."""
    rows = {(row["op"], row["n"], row["memory"], row["impl"]): row["instructions_per_page"] for row in made["rows"]}
    verdicts = []
    for one in TARGETS:
        ours, reference = (rows.get((one.op, one.n, one.memory, impl)) for impl in (one.impl, "C"))
        if ours is not None and reference:
            about = f"{one.op} n={one.n} {one.memory}: {ours:.4g} of {one.impl}, {reference:.4g} of C, a page"
            verdicts.append(_verdict(one.name, ours / reference, one.most, about))
    for op, callers in made["sections"].get("late", {}).items():
        if "C" in callers and "ours" in callers:
            about = f"{callers['ours']} instructions, {callers['C']} of C, in a call for 1 GiB"
            verdicts.append(_verdict(f"longest section, {op}", callers["ours"] / callers["C"], LATENESS, about))
    for op, callers in made["sections"].get("cost", {}).items():
        if "ours" in callers:
            about = f"{callers['ours']['instructions']:.0f} instructions a section"
            verdicts.append(_verdict(f"cost of sections, {op}", callers["ours"]["share"], COST, about))
    flag = made.get("walk_flag", {})
    for op, callers in flag.get("cost", {}).items():
        for n, most in walk_flag.MOST.items():
            # A JSON file has words for keys.
            one = callers.get("ours", {}).get(n) or callers.get("ours", {}).get(str(n))
            if one:
                about = f"{one['instructions']:.1f} instructions a call"
                verdicts.append(_verdict(f"published walk, {op} n={n}", one["share"], most, about))
    quiet = [row for row in flag.get("rows", ()) if row["published"] and not row["walkers"]]
    if quiet:
        sent = sum(row["broadcast"] + row["interrupted"] for row in quiet)
        about = f"{sum(row['skipped'] for row in quiet):.0f} collapses of memory that nobody walks"
        verdicts.append(_verdict("interrupted for nothing", sent, 0, about))
    return verdicts


def show(verdicts):
    """The list for people."""
    lines = []
    for one in verdicts:
        if one["reached"]:
            how = "reached"
        else:
            how = f"missed, {one['value'] / one['most']:.2f} times as much"
        lines.append(f"{one['name']:28}{one['value']:9.4f}  at most {one['most']:<6g} {how}")
        lines.append(f"{'':30}{one['about']}")
    return "\n".join(lines)
