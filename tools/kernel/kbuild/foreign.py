# SPDX-License-Identifier: GPL-2.0
"""Programs of another architecture that nothing on this host provides: Debian's, unpacked into the cache."""

import os
import shutil
import subprocess

from lib.console import fail
from lib.paths import cache

from . import apt


def busybox(architecture):
    """The path of Debian's static busybox for one of its architectures."""
    place = cache() / "busybox" / architecture
    if not (place / "busybox").exists():
        _fetch(architecture, place)
    return str(place / "busybox")


def _fetch(architecture, place):
    private = apt.PrivateApt(architecture)
    found = private.newest("busybox-static", lambda version: True, ("stable",))
    if not found:
        fail(f"Debian has no busybox-static for {architecture}", "name another mirror with MIRROR=URL")
    deb = private.download(found, cache() / "download")
    unpacked = place.with_name(f".new-{os.getpid()}")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    subprocess.run(["dpkg-deb", "-x", str(deb), str(unpacked)], check=True)
    deb.unlink()
    # Its directory is /bin or /usr/bin, depending on the suite.
    program = next(iter(sorted(unpacked.glob("**/busybox"))), None)
    if program is None:
        shutil.rmtree(unpacked)
        fail(f"{found.package} {found.version} holds no busybox", "name another mirror with MIRROR=URL")
    place.mkdir(parents=True, exist_ok=True)
    program.replace(place / "busybox")
    shutil.rmtree(unpacked)
