# SPDX-License-Identifier: GPL-2.0
"""One line a test, and at the end what failed and how to see it again."""

import sys
import time

SHOWN = 25


class Report:
    """Everything that was found out, in the order of finding."""

    def __init__(self, verbose=False):
        self.verbose = verbose
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []
        self.skips = {}
        self.last = time.monotonic()

    def say(self, text=""):
        print(text, flush=True)

    def heading(self, text):
        self.say()
        self.say(f"== {text}")
        self.last = time.monotonic()

    def add(self, result, repeat):
        """Count a result and print it; `repeat` is the command that shows it again."""
        now = time.monotonic()
        result.seconds = now - self.last
        self.last = now
        self.counts[result.status] += 1
        name = f"{result.program}: {result.name}" if result.name else result.program
        if result.status == "passed":
            self.say(f"  ok      {name}  ({result.seconds:.1f} s)")
            if self.verbose:
                self._said(result.said)
        elif result.status == "skipped":
            self.say(f"  skip    {name}  # {result.reason or 'no reason given'}")
            self.skips.setdefault(result.reason or "no reason given", []).append(name)
        else:
            self.failures.append((name, result, repeat))
            reason = f"  # {result.reason}" if result.reason else ""
            self.say(f"  FAILED  {name}  ({result.seconds:.1f} s){reason}")
            self._said(result.said[-SHOWN:])

    def _said(self, lines):
        for line in lines:
            self.say(f"          | {line}")

    def summary(self):
        """The end of the report; the last line is a promise. Returns the exit status."""
        if self.skips:
            self.say()
            self.say("Skipped, and why:")
            for reason, names in self.skips.items():
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                self.say(f"  {reason}: {names[0]}{more}")
        if self.failures:
            self.say()
            self.say("Failed, and how to see it again:")
            shown = {}
            for name, result, repeat in self.failures:
                self.say(f"  {name}{': ' + result.reason if result.reason else ''}")
                shown.setdefault(repeat, None)
            for repeat in shown:
                self.say(f"    $ {repeat}")
        self.say()
        counts = self.counts
        if not sum(counts.values()):
            # Nothing run is nothing proved.
            counts["failed"] = 1
            self.say("No test ran at all: check --only and --boot.")
        self.say(f"{counts['passed']} passed, {counts['failed']} failed, "
                 f"{counts['skipped']} skipped")
        sys.stdout.flush()
        return 1 if counts["failed"] else 0
