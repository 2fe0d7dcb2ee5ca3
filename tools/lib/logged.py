# SPDX-License-Identifier: GPL-2.0
"""Run a long command with its output in a log file, progress on the terminal, and the error shown."""

import os
import re
import select
import shlex
import signal
import subprocess

from .progress import Progress
from .speak import fail, say

# What compilers, linkers, make, cargo, apt and patch print when something is wrong.
ERROR = re.compile(r"(^|\s)(fatal )?error(\[E\d+\])?:|^E: |\*\*\* |undefined (reference|symbol)|"
                   r"No space left on device|FAILED|^ERROR:|\bKilled\b|command not found")
# make's own last words only repeat that something failed.
NOISE = re.compile(r"^(make|gmake)(\[\d+\])?: (\*\*\* .*(Error \d+|Waiting)|Leaving|Entering)")
SHOWN = 14


def relevant_lines(log):
    """The first error of the log with what follows it; else the log's end."""
    with open(log, encoding="utf-8", errors="replace") as file:
        next(file, None)  # the command itself, which may well contain the word "error:"
        lines = [line.rstrip() for line in file]
    for number, line in enumerate(lines):
        if ERROR.search(line) and not NOISE.search(line):
            picked = [text for text in lines[number:number + SHOWN] if not NOISE.search(text)]
            return picked
    return lines[-SHOWN:]


def run_logged(cmd, log, label, estimate=None, cwd=None, env=None, progress=None, hint=None, check=True):
    """Run `cmd` with its output in `log`; return the number of units counted.

    A unit is a line of output for which `progress(line)` is true (without it: every line), and
    `estimate` is how many of them are expected. On failure the relevant lines, the log's path and
    one line that says what to do are printed, and the tool ends; with check=False None is returned.
    """
    os.makedirs(os.path.dirname(os.path.abspath(log)), exist_ok=True)
    count = 0
    status = None
    with open(log, "wb") as out, Progress(label, estimate) as shown:
        out.write(("$ " + " ".join(shlex.quote(str(word)) for word in cmd) + "\n").encode())
        out.flush()
        # A session of its own: an interrupt reaches us, and we end the whole tree of processes.
        child = subprocess.Popen([str(word) for word in cmd], cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            for line in _lines(child, out, lambda: shown.update(count)):
                if progress is None or progress(line):
                    count += 1
            status = child.wait()
        finally:
            if child.poll() is None:
                _end(child)
        if status != 0:
            shown.failed()
    if status == 0:
        return count
    if not check:
        return None
    for line in relevant_lines(log):
        say("  | " + line)
    fail(f"{label} failed (status {status}), log: {log}", hint or "fix what the lines above name and run it again")


def _lines(child, out, idle):
    """Copy the child's output to the log and yield it line by line; call idle() twice a second."""
    fd = child.stdout.fileno()
    rest = b""
    while True:
        ready, _, _ = select.select([fd], [], [], 0.5)
        idle()
        if not ready:
            continue
        data = os.read(fd, 65536)
        if not data:
            break
        out.write(data)
        out.flush()
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _end(child):
    """End the child's session: politely, then surely."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        try:
            child.wait(timeout=5)
            return
        except subprocess.TimeoutExpired:
            continue
