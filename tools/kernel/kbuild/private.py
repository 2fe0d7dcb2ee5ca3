# SPDX-License-Identifier: GPL-2.0
"""Programs of newer Debian suites, unpacked into the cache with the C library of their own."""

import shutil
import subprocess

from lib.console import fail
from lib.paths import cache

from . import apt

LOADER = "usr/lib/*/ld-linux-*.so*"


def fetch(own, packages, program, hint, arguments=""):
    """Unpack packages side by side, and write the script `own` that starts a program of theirs.

    `{place}` in `arguments` is where they are. Returns False if no suite has the first of them.
    """
    place = own.parent
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    private = apt.PrivateApt()
    for package in packages:
        found = private.newest(package, lambda version: True)
        if not found and package == packages[0]:
            return False
        if not found:
            fail(f"no Debian suite has {package}", hint)
        deb = private.download(found, cache() / "download")
        subprocess.run(["dpkg-deb", "-x", str(deb), str(place)], check=True)
        deb.unlink()
    loader = next(iter(sorted(place.glob(LOADER))), None)
    if loader is None:
        fail("Debian's libc6 holds no loader", hint)
    words = f'"{loader}" --library-path "{loader.parent}" "{place}/{program}" {arguments.format(place=place)}'
    own.write_text(f'#!/bin/sh\nexec {words.strip()} "$@"\n')
    own.chmod(0o755)
    return True
