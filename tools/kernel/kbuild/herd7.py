# SPDX-License-Identifier: GPL-2.0
"""A herd7, which runs litmus tests: the host's, or Debian's newest with a C library of its own.

The memory model of the kernel says which version it wants at least; stable distributions have none.
"""

import re
import shutil
import subprocess

from lib.console import say
from lib.paths import cache

from . import private

# tools/memory-model/README, "REQUIREMENTS".
OLDEST = (7, 58)
HINT = "install herdtools7 7.58 or newer, then run it again"


def find():
    """The command of a herd7 that is new enough, and None; or None, and why there is none."""
    own = cache() / "herd7" / "run"
    for command in (shutil.which("herd7"), str(own)):
        if command and _valid(command):
            return command, None
    if shutil.which("apt-get") is None:
        return None, f"no herd7 on this host, and no apt to fetch Debian's with; {HINT}"
    say("no herd7 on this host, or one that is too old; taking Debian's newest into the cache")
    libdir = '-set-libdir "{place}/usr/share/herdtools7/herd"'
    if not private.fetch(own, ("herdtools7", "libc6", "libgmp10"), "usr/bin/herd7", HINT, libdir):
        return None, f"no Debian suite that can be reached has herdtools7; {HINT}"
    if not _valid(str(own)):
        return None, f"Debian's newest herd7 does not run here; {HINT}"
    return str(own), None


def _valid(command):
    """Whether it runs, and is new enough."""
    try:
        ran = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    found = re.match(r"(\d+)\.(\d+)", ran.stdout)
    return ran.returncode == 0 and found is not None and tuple(map(int, found.groups())) >= OLDEST
