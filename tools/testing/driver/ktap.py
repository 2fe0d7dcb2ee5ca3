# SPDX-License-Identifier: GPL-2.0
"""Reading TAP: results as they come, and whether all that was planned came."""

import re
from dataclasses import dataclass, field

PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?$", re.I)
RESULT = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*?)\s*"
                    r"(?:#\s*(SKIP|TODO|XFAIL)\b\s*(.*))?$", re.I)
# Of what a test says, the last lines matter.
KEPT = 40


@dataclass
class Result:
    """One test of one program."""

    program: str
    name: str
    status: str             # passed, failed, skipped
    reason: str = ""
    seconds: float = 0.0
    said: list = field(default_factory=list)


class Stream:
    """The lines of one program; call line() with each, then end()."""

    def __init__(self, program):
        self.program = program
        self.planned = None
        self.seen = 0
        self.failed = 0
        self.said = []
        self.whole_skip = None

    def line(self, text):
        """A Result when the line is one, else None."""
        plan = PLAN.match(text)
        if plan and self.planned is None:
            self.planned = int(plan.group(1))
            if plan.group(2) is not None or self.planned == 0:
                self.whole_skip = plan.group(2) or "nothing to run"
            return None
        match = RESULT.match(text)
        if not match or self.planned is None:
            self.said.append(text)
            del self.said[:-KEPT]
            return None
        self.seen += 1
        bad, _, name, directive, reason = match.groups()
        directive = (directive or "").upper()
        status = "skipped" if directive == "SKIP" else \
            "failed" if bad and directive not in ("TODO", "XFAIL") else "passed"
        self.failed += status == "failed"
        if status == "skipped" and not name:
            # ksft_test_result_skip() puts the name where the reason goes.
            name = (reason or "").strip()
            reason = self.said[-1].lstrip("# ") if self.said else ""
        result = Result(self.program, name or f"test {self.seen}", status,
                        (reason or "").strip(), said=self.said)
        self.said = []
        return result

    def end(self, status):
        """What is wrong with the program as a whole: a list of results."""
        if self.whole_skip is not None and self.seen == 0 and status in (0, 4):
            return [Result(self.program, "all", "skipped", self.whole_skip)]
        wrong = None
        if status is None:
            wrong = "did not end: the guest went away under it"
        elif status in (124, 137, 143):
            wrong = "hung, and was stopped"
        elif status > 128:
            wrong = f"was ended by signal {status - 128}"
        elif self.planned is None:
            wrong = f"printed no plan (exit status {status})"
        elif self.seen != self.planned:
            wrong = f"planned {self.planned} tests and reported {self.seen} (exit status {status})"
        elif status not in (0, 4) and not self.failed:
            wrong = f"exit status {status}, although no test failed"
        elif status == 0 and self.failed:
            wrong = "exit status 0, although a test failed"
        if wrong is None:
            return []
        return [Result(self.program, "the program", "failed", wrong, said=self.said)]
