# SPDX-License-Identifier: GPL-2.0
"""Reads the guest's console and notices when the kernel complains."""

import collections
import re

# "[    1.234567]" or, with CONFIG_PRINTK_CALLER, "[    1.234567][   T12]".
PREFIX = re.compile(r"^(?:<\d>)?(?:\[[\s\d.]+\])?(?:\[\s*[TC]\d+\])?\s*")

# Words that are only a complaint at the start of a message.
AT_START = re.compile("|".join((
    r"WARNING: ",                       # WARN(), and all of lockdep's reports
    r"BUG: ",                           # KASAN, KFENCE, KCSAN, Bad page state, lockups
    r"kernel BUG at ",
    r"Oops\b",
    r"Internal error: ",
    r"UBSAN: ",
    r"INFO: (?:task .* blocked|rcu|trying to register|possible|.*detected stall)",
    r"rcu: INFO: .*(?:stall|detected)",
    r"general protection fault",
    r"double fault",
    r"stack segment: ",
    # powerpc, in front of its Oops or without one.
    r"Unrecoverable ",
    r"Bad kernel stack pointer",
    r"Machine check (?:in kernel|\(early)",
    r"MCE: CPU\d+: machine check",
    r"Kernel attempted to \w+ user page",
    r"kernel tried to execute ",
)))

# Words that say enough wherever they stand.
ANYWHERE = re.compile("|".join((
    r"-+\[ cut here \]-+",
    r"Kernel panic - not syncing",
    r"possible circular locking dependency",
    r"possible recursive locking",
    r"possible irq lock inversion",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"sleeping function called from invalid context",
    r"scheduling while atomic",
    r"Invalid wait context",
    r"bad unlock balance",
    r"KASAN: ",
    r"Bad page (?:state|map)",
    r"Bad rss-counter state",
    r"soft lockup",
    r"[hH]ard LOCKUP",
    r"self-detected stall",
    r"pagealloc: (?:memory corruption|single bit error)",      # page_poison=1
    r"unregister_netdevice: waiting",
    r"kmemleak: \d+ new suspected memory leaks",
    r"nobody cared",
)))

PANIC = "Kernel panic - not syncing"
PANIC_END = "---[ end Kernel panic"

TAIL_LINES = 40
REPORT_LINES = 60


def complains(line):
    message = PREFIX.sub("", line, count=1)
    return bool(AT_START.match(message) or ANYWHERE.search(message))


class KernelLog:
    """Keeps the last lines, and the first complaint with what follows it."""

    def __init__(self):
        self.tail = collections.deque(maxlen=TAIL_LINES)
        self.report = []
        self.complaint = None
        self.panicked = False
        self.panic_printed = False

    def line(self, line):
        self.tail.append(line)
        if self.complaint is None and complains(line):
            self.complaint = PREFIX.sub("", line, count=1).strip()
        if self.complaint is not None and len(self.report) < REPORT_LINES:
            self.report.append(line)
        # "cut here" only announces the line that says what happened.
        if self.complaint and "cut here" in self.complaint and "cut here" not in line:
            self.complaint = PREFIX.sub("", line, count=1).strip()
        self.panicked = self.panicked or PANIC in line
        self.panic_printed = self.panic_printed or PANIC_END in line

    def to_show(self):
        """The lines a person needs to see what went wrong."""
        if self.complaint is None:
            return list(self.tail)
        if self.report[-1] == self.tail[-1]:
            return self.report
        recent = list(self.tail)[-10:]
        return self.report + ["[...]"] + recent
