# SPDX-License-Identifier: GPL-2.0
"""How the runner fails: one line, and a status that says whose fault it was."""

# The command's own status is passed on, so these are the statuses that no
# well-behaved command uses (the shell's own 126 and 127 aside).
TIMED_OUT = 124
RUNNER_FAILED = 125
KERNEL_COMPLAINED = 126


class Trouble(Exception):
    """Something the runner cannot go on from, and what the user can do."""

    def __init__(self, message, hint=None, status=RUNNER_FAILED):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def line(self):
        if self.hint:
            return f"error: {self.message} — {self.hint}"
        return f"error: {self.message}"


class Interrupted(Exception):
    """A signal asked the runner to end."""

    def __init__(self, signum):
        super().__init__(signum)
        self.signum = signum
