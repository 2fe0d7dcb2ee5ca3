# SPDX-License-Identifier: GPL-2.0
"""Boots a guest, runs one of the scripts in it, and yields what it reports."""

import subprocess
from dataclasses import dataclass
from typing import Optional

from lib.console import Progress, fail, say
from lib.paths import REPO

RUNNER = REPO / "tools" / "vm" / "run"


@dataclass
class Sample:
    """One pass over the memory: `@row` of guest/measure.c."""

    round: int
    pin: bool
    n: object
    memory: str
    caller: str
    pages: int
    entries: int
    get: int
    put: int
    late: int
    # Entries that a section may look at, where it is not the usual number, and
    # whether there was a timer that can be late.
    section: int = 0
    timer: bool = False
    # Whether walks are published, where that is what is compared.
    published: Optional[bool] = None


def sample(words):
    """From the words of the line."""
    number, call, n, memory, caller = words[0], words[1], int(words[2]), words[3], words[4]
    return Sample(int(number), call == "pin", n or "whole", memory, caller, *map(int, words[5:10]))


def lines(options, append, memory, programs, command, label, extra=(), total=None):
    """The lines that begin with @; the others are shown. Ends the program if the guest fails."""
    words = [str(RUNNER), "--arch", options.arch, "--flavour", options.flavour, "--mem", memory, "--append", append,
             "--timeout", "7200", "--add", f"{programs}:/bench", *extra]
    if options.cpu:
        words += ["--cpu", options.cpu]
    words += ["--", *command]
    done = 0
    with Progress(label, total) as progress, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                              text=True) as guest:
        for line in guest.stdout:
            if not line.startswith("@"):
                say(line.rstrip("\n"))
                continue
            done += 1
            progress.update(done)
            yield line.split()
        status = guest.wait()
        if status:
            progress.failed()
    if status:
        fail(f"the guest ended with status {status} after {done} lines", "see above")


def samples(options, guest, programs, rounds, numbers, sections, label, extra=(), flag_numbers=()):
    """All samples of a boot under -icount, and what could not be measured: {memory: why}."""
    section, timer, published, skipped, found = 0, False, None, {}, []
    # Rounds and one before them, with pins and references, for the callers and the loop alone.
    calls = (rounds + 1) * 2 * 5
    total = calls * (len(guest.kinds) * len(numbers) + 1) + len(sections) * (rounds + 1) * 2 * 2
    total += 2 * (rounds + 1) * 2 * len(flag_numbers) * 2
    command = ["sh", "/bench/job.sh", str(rounds), ",".join("0" if n == "whole" else str(n) for n in numbers),
               " ".join(map(str, sections)), ",".join(map(str, flag_numbers)),
               guest.kinds[0].argument(), *(kind.argument() for kind in guest.kinds)]
    for words in lines(options, guest.append, guest.memory, programs, command, label, extra, total):
        if words[0] == "@row":
            one = sample(words[1:])
            one.section, one.timer, one.published = section, timer, published
            found.append(one)
        elif words[0] == "@late":
            timer, published = True, None
        elif words[0] == "@sections":
            section, timer, published = int(words[1]), False, None
        elif words[0] == "@published":
            published = words[1] == "1"
        elif words[0] == "@skip":
            skipped[words[1]] = " ".join(words[2:])
    return found, skipped
