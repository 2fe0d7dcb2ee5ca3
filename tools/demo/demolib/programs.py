# SPDX-License-Identifier: GPL-2.0
"""Builds the guest's programs: static ones, so that they run beside busybox."""

import glob
import os
import shlex
import shutil
import subprocess

from lib.console import fail, say

FLAGS = ["-static", "-O2", "-Wall", "-Wextra", "-pthread", "-D_GNU_SOURCE",
         "-D_FILE_OFFSET_BITS=64"]


def build(sources, directory, artifacts):
    """Returns a directory with the programs and the script that runs them."""
    out = os.path.join(directory, "guest")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    # io_uring's header is the kernel's own: the host may have an older one.
    headers = artifacts.get("headers", "")
    if os.path.isdir(os.path.join(headers, "include")):
        headers = os.path.join(headers, "include")
    include = ["-isystem", headers] if os.path.isdir(headers) else []
    for source in sorted(glob.glob(os.path.join(sources, "*.c"))):
        program = os.path.join(out, os.path.splitext(os.path.basename(source))[0])
        words = [*shlex.split(artifacts["cc"]), *FLAGS, *include, "-o", program, source]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            fail(f"no compiler {words[0]}", "run: make setup")
        if done.returncode != 0:
            for line in done.stderr.splitlines()[:14]:
                say("  | " + line)
            fail(f"{source} does not compile", "is a static C library installed? run: make setup")
    shutil.copy(os.path.join(sources, "job.sh"), out)
    return out
