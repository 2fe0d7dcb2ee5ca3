# SPDX-License-Identifier: GPL-2.0
"""The file to copy, and the ext4 image it is on."""

import hashlib
import os
import shutil
import subprocess
import tarfile

from lib.console import Progress, fail

LEAST = 150_000_000
SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"


def choose(given, artifacts, directory):
    """The file asked for, or the kernel's tarball, or one made of its tree."""
    if given:
        if not os.path.isfile(given):
            fail(f"{given} is not a file", "give --file an ordinary file")
        return given
    tarball = artifacts.get("tarball", "")
    if os.path.isfile(tarball) and os.path.getsize(tarball) >= LEAST:
        return tarball
    # With KSRC= there may have been nothing to download.
    made = os.path.join(directory, "source.tar")
    if not os.path.exists(made):
        pack(artifacts["source"], made)
    return made


def pack(tree, made):
    """A tar of the source tree's first files, as many as make a big file."""
    part = made + ".part"
    with Progress("    pack kernel sources", LEAST, "B") as shown, tarfile.open(part, "w") as tar:
        for where, directories, names in os.walk(tree):
            directories[:] = sorted(name for name in directories if name != ".git")
            for name in sorted(names):
                path = os.path.join(where, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    tar.add(path, os.path.relpath(path, tree), recursive=False)
            shown.update(tar.offset)
            if tar.offset > LEAST:
                break
    if os.path.getsize(part) < LEAST:
        os.unlink(part)
        fail(f"{tree} is too small to make a file of {LEAST // 1000000} MB",
             "choose one with tools/demo/run --file FILE")
    os.rename(part, made)


def measure(path):
    """Size and SHA-256, counted here, to compare the guest's copies with."""
    digest = hashlib.sha256()
    with open(path, "rb") as file, Progress("    sha256 of the file", os.path.getsize(path), "B") as shown:
        while True:
            block = file.read(1 << 20)
            if not block:
                break
            digest.update(block)
            shown.update(file.tell())
    return os.path.getsize(path), digest.hexdigest()


def image(file, size, scratch):
    """An ext4 file system with the file in it and room for its copies.

    A copy's blocks are free again only some seconds after it is removed, so there
    is room for two.  mkfs would choose blocks of 1 KiB for a disk this small.
    """
    path, tree = os.path.join(scratch, "ext4.img"), os.path.join(scratch, "tree")
    os.mkdir(tree)
    inside = os.path.join(tree, "file")
    try:
        os.link(os.path.realpath(file), inside)
    except OSError:
        shutil.copyfile(file, inside)
    with open(path, "wb") as out:
        # Sparse: blocks that nobody writes take no room on the host.
        out.truncate(3 * size + size // 8 + (64 << 20))
    try:
        done = subprocess.run(
            ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-E", "root_owner=0:0", "-d", tree, path],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PATH": os.environ.get("PATH", "") + SBIN})
    except FileNotFoundError:
        fail("no mkfs.ext4", "run: make setup")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        fail(f"mkfs.ext4: {lines[-1]}", f"is there room for {2 * size >> 20} MB in {scratch}?")
    shutil.rmtree(tree)
    return path
