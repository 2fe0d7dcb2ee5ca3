# SPDX-License-Identifier: GPL-2.0
"""What a program needs to start in the guest: its loader and its libraries."""

import os
import struct
import subprocess

from .trouble import Trouble

PT_INTERP = 3

# e_machine of the programs a guest can run.
MACHINES = {
    "x86_64": {"EM_X86_64": 62, "EM_386": 3},
    "i386": {"EM_386": 3},
    "ppc64le": {"EM_PPC64": 21},
}


def interpreter(path):
    """The loader an ELF file names; None for a static program or other file."""
    with open(path, "rb") as file:
        ident = file.read(16)
        if len(ident) < 16 or ident[:4] != b"\x7fELF":
            return None
        wide = ident[4] == 2
        order = "<" if ident[5] == 1 else ">"
        file.seek(0)
        header = struct.Struct(order + ("16sHHIQQQIHHH" if wide else "16sHHIIIIIHHH"))
        fields = header.unpack(file.read(header.size))
        offset, entry_size, count = fields[5], fields[9], fields[10]
        for index in range(count):
            file.seek(offset + index * entry_size)
            if wide:
                kind, _, start, _, _, size = struct.unpack(
                    order + "IIQQQQ", file.read(40))
            else:
                kind, start, _, _, size = struct.unpack(
                    order + "IIIII", file.read(20))
            if kind == PT_INTERP:
                file.seek(start)
                return os.fsdecode(file.read(size).rstrip(b"\0"))
    return None


def _check_machine(path, arch):
    with open(path, "rb") as file:
        start = file.read(20)
    if start[:4] != b"\x7fELF":
        return
    order = "little" if start[5] == 1 else "big"
    machine = int.from_bytes(start[18:20], order)
    if machine not in MACHINES[arch].values():
        raise Trouble(f"{path} is not a program for {arch}",
                      "build it for the guest's architecture")


def libraries(path, arch):
    """Files to copy so that `path` can start: the loader, then the libraries.

    The loader itself is asked, as ldd does, because only it knows how it
    searches (RUNPATH, the cache, the hardware's subdirectories).
    """
    _check_machine(path, arch)
    loader = interpreter(path)
    if loader is None:
        return []
    if not os.path.exists(loader):
        raise Trouble(f"{path} needs {loader}, which this machine does not have",
                      "link the program with -static")
    listing = subprocess.run([loader, "--list", os.path.abspath(path)],
                             capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        reason = (listing.stderr or listing.stdout).strip().splitlines()
        raise Trouble(f"libraries of {path} not found: {reason[-1] if reason else loader}",
                      "link the program with -static")
    found = [loader]
    for line in listing.stdout.splitlines():
        # "libc.so.6 => /lib/.../libc.so.6 (0x...)", or "/lib64/ld... (0x...)".
        words = line.split(" => ")[-1].rsplit(" (", 1)[0].strip()
        if words.startswith("/") and words not in found:
            found.append(words)
    return found
