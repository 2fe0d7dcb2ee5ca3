# SPDX-License-Identifier: GPL-2.0
"""Instructions that lock memory, counted by a plugin of QEMU while the rows are executed."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from lib.console import say
from lib.paths import REPO

from . import boot
from .rows import OPS

# Counted one by one, which is slow: less memory and fewer numbers do.
MEGABYTES = 64
NUMBERS = (1, 512)


def plugin(scratch):
    """The plugin, compiled for this host, and None; or None and the reason why there is none."""
    made = Path(scratch, "plugin.so")
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        return None, "this host has no C compiler"
    done = subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", str(made),
                           str(REPO / "tools" / "bench" / "plugin.c")], stdin=subprocess.DEVNULL, check=False)
    return (None, "the plugin does not compile") if done.returncode else (made, None)


def count(options, guest, programs, scratch):
    """Rows of locked instructions per page, by how many instructions the clock and the plugin differ at the most, and
    None; or a reason why there is none of that.
    """
    made, why = plugin(scratch)
    if why:
        return [], None, why
    out = Path(scratch, "locked")
    small = replace(guest, kinds=tuple(replace(kind, megabytes=min(MEGABYTES, kind.megabytes)) for kind in guest.kinds
                                       if kind.kilobytes <= MEGABYTES << 10))
    extra = ("--icount", "--plugin", f"{made},out={out}")
    samples, _ = boot.samples(options, small, programs, 1, NUMBERS, (), "count locked instructions", extra)
    marks = [tuple(map(int, line.split())) for line in out.read_text().splitlines()] if out.exists() else []
    # Two intervals a sample: to get, and to release.
    if len(marks) != 2 * len(samples):
        return [], None, f"the plugin saw {len(marks)} intervals and not {2 * len(samples)}"
    rows, worst = [], 0
    for at, one in enumerate(samples):
        if one.round == 0 or one.caller == "nothing":
            continue
        for phase, (instructions, locked) in zip(("get", "put"), marks[2 * at:2 * at + 2]):
            worst = max(worst, abs(getattr(one, phase) - instructions))
            rows.append({"op": OPS[one.pin, phase], "n": one.n, "memory": one.memory, "impl": one.caller,
                         "locked_per_page": locked / one.pages})
    say(f"the plugin has counted {sum(mark[0] for mark in marks) / 1e6:.0f} million instructions")
    return rows, worst, None


def add(rows, counted):
    """Put the locked instructions into the rows."""
    found = {(row["op"], row["n"], row["memory"], row["impl"]): row for row in counted}
    for row in rows:
        other = found.get((row["op"], row["n"], row["memory"], row["impl"]))
        if other is not None:
            row["locked_per_page"] = other["locked_per_page"]
