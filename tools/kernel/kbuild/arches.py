# SPDX-License-Identifier: GPL-2.0
"""What differs between the guest architectures, as data."""

from dataclasses import dataclass, field
from typing import Tuple

from lib.console import fail


@dataclass(frozen=True)
class Package:
    """A host package and what proves that it is there: all commands, C headers, C libraries, files."""

    name: str
    commands: Tuple[str, ...] = ()
    headers: Tuple[str, ...] = ()
    libraries: Tuple[str, ...] = ()
    files: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Arch:
    """One guest architecture."""

    name: str
    karch: str                  # ARCH= for the kernel's make
    image: str                  # the bootable image, below the build directory
    emulator: Package           # QEMU; its command is the first of the package's
    machine: str                # machine and processor; the accelerator is the runner's choice
    cc: str                     # compiles a static program for the guest
    busybox: str                # a static busybox for the guest
    packages: Tuple[Package, ...] = field(default=())


X86_64 = Arch(
    name="x86_64",
    karch="x86_64",
    image="arch/x86/boot/bzImage",
    emulator=Package("qemu-system-x86", commands=("qemu-system-x86_64",)),
    machine="-machine q35 -cpu max",
    cc="gcc -static",
    busybox="busybox",
    packages=(Package("busybox-static", commands=("busybox",)),),
)

ARCHES = {arch.name: arch for arch in (X86_64,)}
FLAVOURS = ("release", "debug")


def find(name):
    """The architecture of that name, or the end of the tool."""
    if name not in ARCHES:
        fail(f"architecture '{name}' is not supported", f"choose from: {' '.join(ARCHES)}")
    return ARCHES[name]


def check_flavour(name):
    """End the tool when there is no such flavour."""
    if name not in FLAVOURS:
        fail(f"flavour '{name}' does not exist", f"choose from: {' '.join(FLAVOURS)}")
