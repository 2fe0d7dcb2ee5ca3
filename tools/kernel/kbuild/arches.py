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
    width: str                  # the compilers' option for the size of a word
    image: str                  # the bootable image, below the build directory
    emulator: Package           # QEMU; its command is the first of the package's
    machine: str                # machine and processor; the accelerator is the runner's choice
    cc: str                     # compiles a static program for the guest
    busybox: str                # a static busybox for the guest: a command, or Debian's architecture to take it from
    packages: Tuple[Package, ...] = field(default=())
    flavours: Tuple[str, ...] = ("release", "debug")


X86_64 = Arch(
    name="x86_64",
    karch="x86_64",
    width="-m64",
    image="arch/x86/boot/bzImage",
    emulator=Package("qemu-system-x86", commands=("qemu-system-x86_64",)),
    machine="-machine q35 -cpu max",
    cc="gcc -static",
    busybox="busybox",
    packages=(Package("busybox-static", commands=("busybox",)),),
)

# Without a vendor, QEMU's 32-bit "max" is an AMD processor that is not fit for SMP, as Linux warns.
I386 = Arch(
    name="i386",
    karch="i386",
    width="-m32",
    image="arch/x86/boot/bzImage",
    emulator=Package("qemu-system-x86", commands=("qemu-system-i386",)),
    machine="-machine q35 -cpu max,vendor=GenuineIntel",
    cc="i686-linux-gnu-gcc -static",
    busybox="debian:i386",
    packages=(Package("gcc-i686-linux-gnu", commands=("i686-linux-gnu-gcc",)),
              Package("libc6-dev-i386-cross", files=("/usr/i686-linux-gnu/lib/libc.a",))),
)

# The processor decides about the tables: radix trees with power9, a hashed page table with power8, whose
# huge pages the machine has to allow. QEMU warns of what TCG cannot do about speculation if not told.
PPC64LE = Arch(
    name="ppc64le",
    karch="powerpc",
    width="-m64",
    image="vmlinux",
    emulator=Package("qemu-system-ppc", commands=("qemu-system-ppc64",)),
    machine="-machine pseries,cap-hpt-max-page-size=16M,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,"
            "cap-ccf-assist=off -cpu power9",
    cc="powerpc64le-linux-gnu-gcc -static",
    busybox="debian:ppc64el",
    packages=(Package("gcc-powerpc64le-linux-gnu", commands=("powerpc64le-linux-gnu-gcc",)),
              Package("libc6-dev-ppc64el-cross", files=("/usr/powerpc64le-linux-gnu/lib/libc.a",))),
    flavours=("release", "debug", "4k"),
)

ARCHES = {arch.name: arch for arch in (X86_64, I386, PPC64LE)}


def find(name):
    """The architecture of that name, or the end of the tool."""
    if name not in ARCHES:
        fail(f"architecture '{name}' is not supported", f"choose from: {' '.join(ARCHES)}")
    return ARCHES[name]


def check_flavour(arch, name):
    """End the tool when the architecture has no such flavour."""
    if name not in arch.flavours:
        fail(f"architecture '{arch.name}' has no flavour '{name}'", f"choose from: {' '.join(arch.flavours)}")
