# SPDX-License-Identifier: GPL-2.0
"""A QEMU that never outlives the runner, however the runner ends."""

import ctypes
import os
import signal
import subprocess

from .trouble import Interrupted, Trouble

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with(parent):
    """In the child: SIGKILL when the runner dies, also by SIGKILL itself."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The runner may have died before the line above took effect.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def raise_on_signals():
    """Turns the signals that end a program into an exception: finally runs."""
    def handler(signum, _frame):
        raise Interrupted(signum)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        # nohup and background jobs of a script ignore some: leave that be.
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, handler)


class Qemu:
    """Context manager around the process; leaving it kills what still runs."""

    def __init__(self, words, descriptors, interactive, log):
        self.words = words
        self.descriptors = descriptors
        self.interactive = interactive
        self.log = log
        self.process = None

    def __enter__(self):
        parent = os.getpid()
        try:
            # A session of its own keeps the terminal's Ctrl-C from QEMU: the
            # runner decides.  An interactive one needs the terminal.
            self.process = subprocess.Popen(
                self.words, pass_fds=self.descriptors,
                stdin=None if self.interactive else subprocess.DEVNULL,
                stdout=None if self.interactive else self.log,
                stderr=self.log,
                start_new_session=not self.interactive,
                preexec_fn=lambda: _die_with(parent))
        except FileNotFoundError:
            raise Trouble(f"{self.words[0]} not found", "run: make setup") from None
        except OSError as error:
            raise Trouble(f"{self.words[0]}: {error.strerror}", "run: make setup") from None
        return self

    def __exit__(self, *_exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait_a_moment(self):
        """For an exit that has begun; __exit__ deals with one that has not."""
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            pass

    def last_words(self):
        """What QEMU itself had to say, e.g. about an image it could not lock."""
        # pread: QEMU shares the file's position, and must go on at the end.
        text = os.pread(self.log.fileno(), 1 << 16, 0).decode(errors="replace")
        lines = text.strip().splitlines()
        return [line for line in lines if "terminating on signal" not in line]
