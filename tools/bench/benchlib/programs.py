# SPDX-License-Identifier: GPL-2.0
"""Builds what runs in the guest: static programs, so that they need nothing there."""

import shlex
import shutil
import subprocess
from pathlib import Path

from lib.console import fail, say
from lib.paths import REPO

SOURCES = REPO / "tools" / "bench" / "guest"
PROGRAMS = {"measure": ("measure.c", "memory.c"), "direct_io": ("direct_io.c",),
            "collapse": ("collapse.c",), "hold": ("hold.c",)}
FLAGS = ("-static", "-O2", "-Wall", "-Wextra", "-pthread", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64")


def build(directory, values):
    """The programs and scripts, in a directory for the guest."""
    out = Path(directory, "bench")
    out.mkdir()
    for name, sources in PROGRAMS.items():
        run([*shlex.split(values["cc"]), *FLAGS, "-I", str(REPO / "include" / "uapi"),
             "-I", str(Path(values["source"], "mm")), "-o", str(out / name),
             *(str(SOURCES / source) for source in sources)], name)
    for script in SOURCES.glob("*.sh"):
        shutil.copy2(script, out)
    return out


def run(words, name):
    """A compiler, whose output is shown when it fails."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
    except FileNotFoundError:
        fail(f"no compiler {words[0]}", "run: make setup")
    if done.returncode:
        for line in done.stdout.splitlines()[:14]:
            say("  | " + line)
        fail(f"{name} does not compile", "is a static C library installed? run: make setup")
