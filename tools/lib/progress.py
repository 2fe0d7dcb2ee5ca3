# SPDX-License-Identifier: GPL-2.0
"""A progress report: how far, how fast, how long still."""

import sys
import time

from .speak import close_tty_line, rewrite, say

# On a terminal one line is rewritten; a log gets a line now and then, or it would hold little else.
TTY_INTERVAL = 0.2
LOG_INTERVAL = 15.0


def duration(seconds):
    """Seconds in the form people read: 8s, 2m05s, 1h10m."""
    seconds = int(seconds + 0.5)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"


def amount(value, unit):
    """A count with its unit; bytes are shown as MB."""
    if unit == "B":
        return f"{value / 1e6:.1f} MB"
    return f"{int(value)} {unit}".rstrip()


class Progress:
    """Context manager: `with Progress("download", total, "B") as p: p.update(done)`.

    Without a total it shows what is done and the time that passed. `update()` is cheap: it prints
    only when the interval has passed.
    """

    def __init__(self, label, total=None, unit=""):
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        self.broken = False
        self.tty = sys.stderr.isatty()
        self.interval = TTY_INTERVAL if self.tty else LOG_INTERVAL

    def __enter__(self):
        self.start = self.shown = time.monotonic()
        if not self.tty:
            say(f"{self.label} ...")
        return self

    def __exit__(self, kind, _value, _trace):
        if kind is None and not self.broken:
            took = duration(time.monotonic() - self.start)
            text = f"{self.label}: done in {took}"
            if self.unit and self.done:
                text += f" ({amount(self.done, self.unit)})"
            if self.tty:
                rewrite(text)
            else:
                say(text)
        close_tty_line()
        return False

    def update(self, done):
        """Report that `done` units are finished, counted from the start."""
        self.done = done
        now = time.monotonic()
        if now - self.shown < self.interval:
            return
        self.shown = now
        text = f"{self.label}: {self._state(now - self.start)}"
        if self.tty:
            rewrite(text)
        else:
            say(text)

    def failed(self):
        """The work ended badly: leave without the closing "done" line."""
        self.broken = True

    def _state(self, elapsed):
        rate = self.done / elapsed if elapsed > 0 else 0
        speed = f", {amount(rate, self.unit)}/s" if self.unit and rate >= 1 else ""
        if not self.total:
            return f"{amount(self.done, self.unit)}{speed}, {duration(elapsed)} so far"
        # The total may be an estimate: never promise more than 99 % before the end is seen.
        share = min(self.done / self.total, 0.99)
        left = elapsed * (1 - share) / share if share > 0.005 else None
        still = f"about {duration(left)} left" if left is not None else "estimating"
        return f"{share:4.0%}{speed}, {still}"
