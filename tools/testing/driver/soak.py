# SPDX-License-Identifier: GPL-2.0
"""All races at once, in one guest, for as long as one likes."""

import argparse
import collections
import re
import subprocess
import sys
import time

from lib.console import fail
from lib.paths import REPO

from . import build, plan

DESCRIPTION = """\
Runs the race programs all at once in a guest, round after round: each with another seed, and each
round with other settings of huge pages, of khugepaged, of a cgroup's limit, and with the module
loaded anew while direct I/O goes on. Content, page frames and the balance of pins are checked by the
programs and at the end, and the kernel may not complain. Then the walk under libFuzzer on the host."""

MARK = "@@soak "
RUN = re.compile(r"^#  RUN\s+(\S+) \.\.\.")
TURNS = re.compile(r"^# (\d+) (?:turns against|forks beside) (\d+) (?:calls|pins)")
# The fuzzer's calls have no opponent.
FUZZED = re.compile(r"^# \S+ +\d+ of +(\d+) did something")
FAILED = re.compile(r"^not ok \d+ (.*)")
# The guest's own time behind the last round, for what has begun before the end.
GRACE = 300


class Told:
    """What the guest says: how often each class ran, and what went wrong."""

    def __init__(self):
        self.turns = collections.Counter()
        self.calls = collections.Counter()
        self.runs = collections.Counter()
        self.bad = []
        self.name = "?"
        self.last = collections.deque(maxlen=30)

    def line(self, text):
        run, turns, failed, fuzzed = (form.match(text) for form in (RUN, TURNS, FAILED, FUZZED))
        self.last.append(text)
        if text.startswith(MARK + "round"):
            print(text[len(MARK):], flush=True)
        elif text.startswith(MARK + "bad"):
            self.bad += [text[len(MARK) + 4:], *list(self.last)[:-1]]
        elif run:
            self.name = re.sub(r"\.content$", "", run.group(1))
        elif turns:
            self.turns[self.name] += int(turns.group(1))
            self.calls[self.name] += int(turns.group(2))
        elif fuzzed:
            self.calls[self.name] += int(fuzzed.group(1))
        elif failed:
            self.bad += [failed.group(1), *list(self.last)[:-1]]
        elif re.match(r"^ok \d+ ", text):
            self.runs[self.name] += 1

    def table(self):
        width = max(map(len, self.runs), default=10)
        print(f"{'class':<{width}}  {'runs':>6}  {'turns':>10}  {'calls':>10}")
        for name in sorted(self.runs | self.turns):
            print(f"{name:<{width}}  {self.runs[name]:>6}  {self.turns[name]:>10}  {self.calls[name]:>10}")


def guest(arch, flavour, boot, tests, options, disk):
    """The command line of the runner."""
    seconds = options.minutes * 60
    words = [str(REPO / "tools" / "vm" / "run"), "--arch", arch, "--flavour", flavour, "--smp", str(boot.smp),
             "--mem", boot.memory, "--timeout", str(seconds + GRACE), "--disk", str(disk), "--add", f"{tests}:/tests",
             "--append", f"{plan.KERNEL_ARGS} {boot.huge} {plan.debug_append(arch, flavour, boot)}"]
    if boot.cpu:
        words += ["--cpu", boot.cpu]
    return [*words, "--", "sh", "/tests/soak.sh", str(options.seed), str(seconds)]


def run(options):
    """Soak one guest; whether all was well."""
    boots = [one for one in plan.BOOTS.get(options.arch, []) if not options.boot or one.name == options.boot]
    if not boots:
        fail(f"no boot for {options.arch} {options.boot}", "see tools/testing/run --list")
    print(f"seed {options.seed}, {options.minutes} minutes, {options.arch} {options.flavour} {boots[0].name}", flush=True)
    tests = build.selftests(options.arch, build.prepared(options.arch, options.flavour))
    image = tests.parent / "soak.img"
    build.disk(image)
    told = Told()
    try:
        child = subprocess.Popen(guest(options.arch, options.flavour, boots[0], tests, options, image),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for raw in child.stdout:
            told.line(raw.decode("utf-8", "replace").rstrip("\r\n"))
        status = child.wait()
    finally:
        image.unlink(missing_ok=True)
    told.table()
    if status and not told.bad:
        told.bad.append(f"tools/vm/run ended with status {status}")
    for line in told.bad:
        print(f"  | {line}")
    return not told.bad


def main(argv):
    parser = argparse.ArgumentParser(prog="tools/testing/soak", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--arch", default="x86_64", metavar="A", help="the guest (default: x86_64)")
    parser.add_argument("--flavour", default="release", metavar="F", help="its kernel (default: release)")
    parser.add_argument("--boot", default="", metavar="NAME", help="a boot of tools/testing/run --list (default: the first)")
    parser.add_argument("--minutes", type=int, default=10, metavar="N", help="of the guest (default: 10)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000, metavar="N",
                        help="of the dice (default: the time)")
    options = parser.parse_args(argv)
    if options.minutes < 1:
        fail("--minutes is at least 1", "for example --minutes 10")
    good = run(options)
    fuzz = [str(REPO / "tools/host/fuzz/run"), "--seconds", str(options.minutes * 15), "--seed", str(options.seed)]
    good &= subprocess.run(fuzz, stdin=subprocess.DEVNULL, check=False).returncode == 0
    again = f"tools/testing/soak --arch {options.arch} --flavour {options.flavour} --minutes {options.minutes} --seed {options.seed}"
    print("nothing was wrong" if good else f"something was wrong; to see it again: {again}")
    sys.stdout.flush()
    return 0 if good else 1
