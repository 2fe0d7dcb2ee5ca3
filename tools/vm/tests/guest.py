# SPDX-License-Identifier: GPL-2.0
"""What the tests of the runner share: starting it, and finding its QEMU."""

import os
import subprocess
import sys
import time

VM = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, VM)
RUN = os.path.join(VM, "run")

# More than any boot here takes; a test that needs it has failed.
PATIENCE = 900


def run(*command, options=("--no-module",), env=None, merge=False, cwd=None):
    """Runs one command in a guest; without the module unless asked for."""
    return subprocess.run(
        [RUN, *options, "--", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE, timeout=PATIENCE, check=False,
        env={**os.environ, **(env or {})}, cwd=cwd)


def shell(script, *options, **keywords):
    return run("sh", "-c", script, options=("--no-module", *options), **keywords)


def start(*command, options=("--no-module",), **keywords):
    return subprocess.Popen([RUN, *options, "--", *command], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords)


def children(pid):
    """(pid, name) of the processes whose parent is `pid`."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                stat = file.read()
        except OSError:
            continue
        program = stat[stat.index("(") + 1:stat.rindex(")")]
        if int(stat[stat.rindex(")") + 1:].split()[1]) == pid:
            found.append((int(name), program))
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # A zombie has ended; only its parent has not looked yet.
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(condition, seconds):
    """The condition's value once it is true, or its last value in the end."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > limit:
            return value
        time.sleep(0.05)
