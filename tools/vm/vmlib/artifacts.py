# SPDX-License-Identifier: GPL-2.0
"""What tools/kernel/prepare made: the kernel, the module, busybox, QEMU."""

import glob
import os
import subprocess

from .trouble import Trouble

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))

NEEDED = ("kernel", "module", "qemu", "busybox")


class Artifacts(dict):
    """The KEY=VALUE lines of one architecture and flavour."""

    def __init__(self, arch, flavour, lines):
        super().__init__()
        self.arch = arch
        self.flavour = flavour
        for line in lines:
            key, equals, value = line.rstrip("\n").partition("=")
            if equals:
                self[key.strip()] = value

    def missing(self, need_module):
        """The first thing that is not there (any more), or None."""
        for key in NEEDED:
            if not self.get(key):
                return f"{key}="
            is_path = key != "qemu" and (key != "module" or need_module)
            if is_path and not os.path.exists(self[key]):
                return self[key]
        return None

    def extra_modules(self):
        """Modules of the kernel itself, such as null_blk.ko, and the sample drivers."""
        return [path for key in ("modules", "samples") if self.get(key)
                for path in sorted(glob.glob(os.path.join(glob.escape(self[key]), "*.ko")))]


def _read(arch, flavour):
    path = os.path.join(REPOSITORY, "build", "artifacts", f"{arch}-{flavour}.env")
    try:
        with open(path, encoding="utf-8") as file:
            return Artifacts(arch, flavour, file)
    except FileNotFoundError:
        return None


def load(arch, flavour, need_module=True):
    """The artifacts, made first if they are not there."""
    artifacts = _read(arch, flavour)
    if artifacts is not None and artifacts.missing(need_module) is None:
        return artifacts
    prepare = os.path.join(REPOSITORY, "tools", "kernel", "prepare")
    # Its words go to stderr: stdout belongs to the command in the guest.
    done = subprocess.run([prepare, "--quiet", "--arch", arch, "--flavour", flavour],
                          stdin=subprocess.DEVNULL, stdout=2, check=False)
    if done.returncode != 0:
        raise Trouble(f"no {flavour} kernel for {arch}",
                      "see the line above, then: make kernel "
                      f"ARCH={arch} FLAVOUR={flavour}")
    artifacts = _read(arch, flavour)
    if artifacts is None:
        raise Trouble(f"tools/kernel/prepare left no artifacts for {arch}", "run: make kernel")
    gone = artifacts.missing(need_module)
    if gone:
        raise Trouble(f"the artifacts for {arch} name {gone}, which is missing",
                      "run: make kernel")
    return artifacts
