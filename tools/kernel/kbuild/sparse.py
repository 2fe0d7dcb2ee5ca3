# SPDX-License-Identifier: GPL-2.0
"""A sparse that understands this kernel: the host's, or Debian's newest with a C library of its own.

The headers of 7.3 use __typeof_unqual__, which stable distributions' sparse does not know; kbuild then
turns the checker off with a warning and goes on as if all were well.
"""

import shutil
import subprocess

from lib.console import fail, say
from lib.paths import cache

from . import private

HINT = "install sparse 0.6.5 or newer, then run it again"


def find(build):
    """The path of a sparse that this kernel's build accepts."""
    own = cache() / "sparse" / "run"
    for command in (shutil.which("sparse"), str(own)):
        if command and _valid(command, build):
            return command
    say("this host's sparse is missing or too old for the kernel; taking Debian's newest into the cache")
    if not private.fetch(own, ("sparse", "libc6"), "usr/bin/sparse", HINT):
        fail("no Debian suite has sparse", HINT)
    if not _valid(str(own), build):
        fail("Debian's newest sparse does not run here or is too old for this kernel", HINT)
    return str(own)


def _valid(command, build):
    """Whether it runs, and passes the test that kbuild makes before it uses it."""
    try:
        if subprocess.run([command, "--version"], capture_output=True, check=False).returncode != 0:
            return False
    except OSError:
        return False
    test = subprocess.run(["sh", str(build.tree.path / "scripts/checker-valid.sh"), command,
                           f"--arch={build.arch.karch}", build.arch.width], capture_output=True, text=True, check=False)
    return test.stdout.strip() == "1"
