# SPDX-License-Identifier: GPL-2.0
"""What was measured: the kernel, how it was configured, and the machine that it ran on."""

import hashlib
import platform
import shlex
import subprocess
from pathlib import Path

from .kinds import PAGES

# What figures depend on.
OPTIONS = ("RUST_INLINE_HELPERS", "CC_VERSION_TEXT", "RUSTC_VERSION_TEXT", "HZ", "PREEMPT", "CPU_MITIGATIONS",
           "PGTABLE_LEVELS", "X86_PAE", "PPC_64K_PAGES", "DEBUG_VM", "MEMCG", "NUMA")
METHOD = ("One boot under QEMU's -icount, one CPU: a nanosecond of such a guest is an instruction. The caller is in the "
          "kernel (src/bench.c); C and ours take turns in each round. A row is the least of the rounds, without reading "
          f"the clock, and with the loop of the caller. Rows are of {PAGES} pages, n=whole of all memory of the kind in one call.")


def config(values):
    """Those options of the kernel; None where one is not set."""
    found = dict.fromkeys(OPTIONS)
    for line in Path(values["build"], ".config").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and name[7:] in found:
            found[name[7:]] = value.strip('"')
    return found


def qemu(values):
    """The version that it tells."""
    command = shlex.split(values["qemu"])[0]
    done = subprocess.run([command, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def describe(options, values, guest):
    """The head of the JSON."""
    module = hashlib.sha256(Path(values["module"]).read_bytes()).hexdigest()[:16]
    return {"arch": options.arch, "cpu": options.cpu, "flavour": options.flavour, "guest": guest,
            "release": values["release"], "kernel": Path(values["build"]).name, "config": config(values),
            "qemu": qemu(values), "command": values["qemu"].split("/")[-1], "host": platform.machine(), "module": module,
            "method": METHOD}
