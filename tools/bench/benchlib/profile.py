# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of one row are: by function, counted by the plugin."""

import bisect
import tempfile
from dataclasses import replace
from pathlib import Path

from lib.console import fail

from . import boot, locked, programs, rows

SHOWN = 24


def _symbols(lines):
    """Addresses and names of the kernel's functions and of the module's, sorted."""
    found = []
    for words in lines:
        if words[2] in "tTwW":
            found.append((int(words[1], 16), words[3]))
    return sorted(found)


def measure(options, guest, values, row):
    """Print instructions a page of the functions that get OP:N:MEMORY:CALLER."""
    try:
        op, n, memory, caller = row.split(":")
        pin, phase = next(key for key, name in rows.OPS.items() if name == op)
        kind = next(kind for kind in guest.kinds if kind.name == memory)
    except (ValueError, StopIteration):
        fail(f"{row} is no row", "one like PIN:512:4K:ours, as in the table")
    kind = replace(kind, megabytes=min(kind.megabytes, 1024 if n == "whole" else 64))
    with tempfile.TemporaryDirectory(prefix="fast_gup-bench-") as scratch:
        built = programs.build(scratch, values)
        plugin, why = locked.plugin(scratch)
        if why:
            fail(why, "set up a C compiler for this host")
        out, profile = Path(scratch, "locked"), Path(scratch, "profile")
        command = ["sh", "/bench/profile.sh", "-n", "0" if n == "whole" else n, "-c", caller, "-o", "pin" if pin else "get",
                   kind.argument()]
        extra = ("--icount", "--plugin", f"{plugin},out={out},profile={profile}")
        found = list(boot.lines(options, guest.append, guest.memory, built, command, f"profile {row}", extra))
        samples = [boot.sample(words[1:]) for words in found if words[0] == "@row"]
        symbols = _symbols([words for words in found if words[0] == "@symbol"])
        starts = [address for address, _ in symbols]
        pages = sum(one.pages for one in samples)
        functions = {}
        for line in profile.read_text().splitlines():
            address, get, put = line.split()
            at = bisect.bisect_right(starts, int(address, 16)) - 1
            name = symbols[at][1] if at >= 0 else "?"
            functions[name] = functions.get(name, 0) + int(get if phase == "get" else put)
    print(f"{op} n={n} {memory} by {caller}: instructions per page, {sum(functions.values()) / pages:.2f} in all")
    for name, executed in sorted(functions.items(), key=lambda item: -item[1])[:SHOWN]:
        if executed:
            print(f"{executed / pages:10.3f}  {name}")
