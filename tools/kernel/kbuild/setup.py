# SPDX-License-Identifier: GPL-2.0
"""Everything a build needs from the host, found or installed."""

from lib.lock import exclusive
from lib.paths import cache

from . import arches, packages, qemu
from .toolchain import Rust


def ensure(names, checks=False):
    """Make sure of host packages and toolchain for these architectures; return the toolchain."""
    chosen = [arches.find(name) for name in names]
    with exclusive(cache() / "lock"):
        return ensure_locked(chosen, checks)


def ensure_locked(chosen, checks=False):
    """The same for a caller that holds the cache's lock already."""
    rust = Rust()
    wanted = list(packages.COMMON) + list(rust.packages())
    for arch in chosen:
        wanted += [one for one in arch.packages if one not in wanted]
    if checks:
        wanted += packages.CHECKS
    packages.ensure(wanted)
    for arch in chosen:
        qemu.ensure(arch)
    return rust.toolchain()
