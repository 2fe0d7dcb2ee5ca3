# SPDX-License-Identifier: GPL-2.0
"""How the tools talk: one line on stderr per message, stdout only for results."""

import os
import signal
import sys

_tty_line_open = False


def _line(text):
    """Write one whole line, first closing a progress line that is being rewritten."""
    close_tty_line()
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        pass


def rewrite(text):
    """Replace the current terminal line; only for progress on a tty."""
    global _tty_line_open
    width = _columns() - 1
    sys.stderr.write("\r\033[K" + text[:width])
    sys.stderr.flush()
    _tty_line_open = True


def close_tty_line():
    """End a rewritten progress line, so that the next message starts on its own line."""
    global _tty_line_open
    if _tty_line_open:
        sys.stderr.write("\n")
        _tty_line_open = False


def _columns():
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns)
    except (OSError, ValueError):
        return 80


def say(msg):
    """Tell what is happening."""
    _line(msg)


def warn(msg):
    """Tell about something odd that does not stop the work."""
    _line("warning: " + msg)


def fail(msg, hint=None):
    """Stop with one line that says what is wrong and what to do about it."""
    text = "error: " + msg
    if hint:
        text += " \N{EM DASH} " + hint
    _line(text)
    sys.exit(1)


def run_main(main):
    """Run a tool's main() so that expected failures end in one line, never in a traceback.

    SIGTERM and SIGHUP become SystemExit, so that `finally` clauses run and no child is left behind.
    """

    def on_signal(number, _frame):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _line("error: interrupted \N{EM DASH} run the same command again, finished steps are kept")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our stdout went away; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as err:
        where = f" ({err.filename})" if err.filename else ""
        fail(f"{err.strerror or err}{where}", "check space and permissions there, then run it again")
