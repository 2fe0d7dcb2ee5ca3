# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of one row are: by function, and one by one, counted by the plugin."""

import bisect
import os
import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from lib.console import fail, say
from lib.paths import REPO

from . import boot, locked, programs, rows

SHOWN = 24


def _symbols(lines):
    """Addresses and names of the kernel's functions and of the module's, sorted."""
    found = []
    for words in lines:
        if words[2] in "tTwW":
            found.append((int(words[1], 16), words[3]))
    return sorted(found)


def _tool(name):
    """A program of LLVM, with the version in its name or without; None if there is none."""
    found = re.compile(re.escape(name) + r"(-\d+)?")
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        for file in sorted(os.listdir(directory) if os.path.isdir(directory) else (), reverse=True):
            if found.fullmatch(file):
                return os.path.join(directory, file)
    return None


def _output(words, text=None):
    return subprocess.run(words, input=text, stdout=subprocess.PIPE, text=True, check=False).stdout


def _readable(names):
    """As they are in the source."""
    tool = _tool("llvm-cxxfilt")
    return dict(zip(names, _output([tool], "\n".join(names)).splitlines())) if tool and names else {}


def _listing(values, symbols, executed, pages):
    """The module's instructions that were executed, each with its number a page."""
    tool = _tool("llvm-objdump")
    if tool is None:
        return None
    at = {name: address for address, name in symbols}
    lines, base = [], None
    for line in _output([tool, "-d", "--no-show-raw-insn", "--section=.text", values["module"]]).splitlines():
        head = re.match(r"([0-9a-f]+) <(.+)>:", line)
        if head:
            base = at[head[2]] - int(head[1], 16) if head[2] in at else None
            lines.append((0, line))
            continue
        one = re.match(r"\s*([0-9a-f]+):\s", line)
        count = executed.get(base + int(one[1], 16), 0) if one and base is not None else 0
        if count:
            lines.append((count, line))
    # Functions without any instruction are left out.
    shown = [one for one, following in zip(lines, [*lines[1:], (0, "")]) if one[0] or following[0]]
    return "".join(f"{count / pages:10.4g} {line}\n" if count else f"\n{line}\n" for count, line in shown)


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
        functions, executed = {}, {}
        for line in profile.read_text().splitlines():
            address, get, put = line.split()
            address, count = int(address, 16), int(get if phase == "get" else put)
            at = bisect.bisect_right(starts, address) - 1
            name = symbols[at][1] if at >= 0 else "?"
            functions[name] = functions.get(name, 0) + count
            # The same instruction may have been translated more than once.
            executed[address] = executed.get(address, 0) + count
    shown = sorted(functions, key=lambda name: -functions[name])[:SHOWN]
    names = _readable(shown)
    print(f"{op} n={n} {memory} by {caller}: instructions per page, {sum(functions.values()) / pages:.4g} in all")
    for name in shown:
        if functions[name]:
            print(f"{functions[name] / pages:10.4g}  {names.get(name, name)}")
    listing = _listing(values, symbols, executed, pages)
    if listing:
        path = REPO / "build" / "bench" / f"{options.arch}-{row.replace(':', '-')}.s"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(listing)
        say(f"the module's instructions one by one: {path.relative_to(REPO)}")
