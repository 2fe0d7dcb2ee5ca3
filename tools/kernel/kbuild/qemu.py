# SPDX-License-Identifier: GPL-2.0
"""QEMU: the host's, or a newer one of the backports for it, unpacked into the cache.

Kernels patch their text while they run, and before 8.1 an emulated CPU may execute an instruction
that another one is just patching away ("accel/tcg: Always lock pages before translation"). Nothing
is installed: packages of the host may depend on its version of QEMU.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from lib.console import say, warn
from lib.paths import cache

from . import apt, packages

WANTED = (8, 1)
# Where QEMU looks for firmware, below /usr.
FIRMWARE = ("share/qemu", "share/seabios", "share/slof", "lib/ipxe/qemu")


def ensure(arch):
    """The command of a QEMU for this architecture, found or fetched."""
    command = arch.emulator.commands[0]
    hosts = packages.which(command)
    if hosts and version(hosts) >= WANTED:
        return hosts
    own = cache() / "qemu" / "bin" / command
    if version(own) >= WANTED:
        return str(own)
    place = cache() / "qemu" / arch.emulator.name
    # One package can have the emulators of several architectures. It is fetched again where it does
    # not run, for it needs libraries of the host.
    for there in (lambda: (place / "usr/bin" / command).exists(), lambda: _fetch(arch.emulator.name, place)):
        if there():
            _write_script(own, place)
            if version(own) >= WANTED:
                return str(own)
    packages.ensure([arch.emulator])
    hosts = packages.which(command)
    shown = ".".join(map(str, version(hosts)))
    warn(f"QEMU {shown} is older than {'.'.join(map(str, WANTED))}: all CPUs of a guest share one of the host's")
    return hosts


def version(command):
    """(7, 2), for example; (0, 0) when it does not run."""
    try:
        done = subprocess.run([str(command), "--version"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
    except OSError:
        return (0, 0)
    found = re.search(r"version (\d+)\.(\d+)", done.stdout)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def _fetch(package, place):
    """Unpack the package and what it needs; tell whether there is one."""
    codename = _debian()
    if not codename:
        return False
    say(f"this host has no QEMU {'.'.join(map(str, WANTED))} or newer; taking that of {codename}-backports into the cache")
    debs = apt.HostApt(codename).download_with_needs(package)
    if not debs:
        return False
    unpacked = place.with_name(f".new-{os.getpid()}")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", str(deb), str(unpacked)], check=True)
        deb.unlink()
    shutil.rmtree(place, ignore_errors=True)
    unpacked.replace(place)
    return True


def _debian():
    """The codename of the host's Debian, or None for other hosts."""
    try:
        words = dict(line.split("=", 1) for line in shlex.split(Path("/etc/os-release").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return words.get("VERSION_CODENAME") if words.get("ID") == "debian" else None


def _write_script(own, place):
    """A command that starts the unpacked QEMU with its own libraries, modules and firmware."""
    usr = place / "usr"
    libraries = sorted({str(path.parent) for path in place.glob("**/*.so.*")})
    modules = sorted({str(path.parent) for path in usr.glob("lib/*/qemu/*.so")})
    firmware = [usr / path for path in FIRMWARE if (usr / path).is_dir()]
    own.parent.mkdir(exist_ok=True)
    own.write_text("".join((
        "#!/bin/sh\n",
        f"export LD_LIBRARY_PATH={shlex.quote(':'.join(libraries))}\n",
        f"export QEMU_MODULE_DIR={shlex.quote(':'.join(modules))}\n",
        f"exec {shlex.quote(str(usr / 'bin' / own.name))} ",
        *(f"-L {shlex.quote(str(path))} " for path in firmware),
        '"$@"\n')))
    own.chmod(0o755)
