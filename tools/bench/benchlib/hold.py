# SPDX-License-Identifier: GPL-2.0
"""How long the mmap lock is held by calls that fault: with retry, which drops it while a fault waits, and without."""

from . import boot, kinds

# Pages, one in each call; and how long the disk takes for one of them.
PAGES = 128
NANOSECONDS = 1_000_000
MEMORIES = ("file", "absent")


def measure(options, programs):
    """Rows of one boot under -icount, where the clock of the trace counts instructions and the disk's time besides."""
    guest = kinds.guest(options.arch, options.cpu, options.flavour)
    command = ["sh", "/bench/hold.sh", str(PAGES), str(NANOSECONDS)]
    found = []
    for words in boot.lines(options, guest.append, "1G", programs, command, "hold of the mmap lock", ("--icount",), 16):
        if words[0] == "@hold" and words[1] in MEMORIES:
            found.append(row(words[1:]))
    return {"pages": PAGES, "disk_nanoseconds": NANOSECONDS, "rows": found}


def row(words):
    """From the words of a line of guest/hold.c."""
    memory, caller = words[:2]
    calls, total, longest, slept = map(int, words[2:6])
    return {"memory": memory, "impl": caller, "calls": calls, "held_per_call": total / calls, "longest": longest,
            "slept_per_call": slept / calls}
