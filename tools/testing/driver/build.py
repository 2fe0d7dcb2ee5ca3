# SPDX-License-Identifier: GPL-2.0
"""What the guests need from the host: the selftests, built as the kernel builds them, and a disk."""

import os
import shutil
import subprocess

from lib import artifacts
from lib.console import fail, run_logged
from lib.paths import LOGS, REPO

DISK_SIZE = 1 << 30
NVME_SIZE = 64 << 20


def prepared(arch, flavour):
    """The artifacts of one guest, made first if need be."""
    prepare = REPO / "tools" / "kernel" / "prepare"
    done = subprocess.run([str(prepare), "--quiet", "--arch", arch, "--flavour", flavour],
                          stdin=subprocess.DEVNULL, check=False)
    values = artifacts.read(f"{arch}-{flavour}")
    if done.returncode or values is None:
        fail(f"no {flavour} kernel for {arch}", f"see above, then: make kernel ARCH={arch} FLAVOUR={flavour}")
    return values


def selftests(arch, values):
    """Build them through the kernel's own Makefile; the directory with the programs."""
    source = values["source"]
    out = REPO / "build" / "selftests" / arch
    out.mkdir(parents=True, exist_ok=True)
    link = os.path.join(source, "tools", "testing", "selftests", "fast_gup")
    if not os.path.isdir(link):
        fail(f"the kernel tree {source} is not joined with this repository",
             f"run: make kernel ARCH={arch}")
    words = ["make", "-C", os.path.join(source, "tools", "testing", "selftests"),
             "TARGETS=fast_gup", "FORCE_TARGETS=1", f"ARCH={values.get('ccarch', arch)}",
             f"O={out}", f"KSRC={source}", f"CC={values['cc']}",
             f"KHDR_INCLUDES=-isystem {headers(values)}"]
    # The programs are many and small; make sees what has changed.
    words.insert(1, f"-j{os.cpu_count() or 1}")
    env = {key: value for key, value in os.environ.items()
           if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "O", "ARCH", "KSRC", "CC", "LLVM")}
    run_logged(words, LOGS / f"selftests-{arch}.log", f"selftests for {arch}", env=env)
    tests = collect(out / "kselftest" / "fast_gup", values)
    kernel_tests(tests, values, LOGS / f"selftests-{arch}.log")
    return tests


def kernel_tests(tests, values, log):
    """The kernel's own tests of what the module serves, as static programs.

    Their Makefile links them with whatever libraries the host has, so they are
    compiled here; without liburing, which aio.c does by system calls.
    """
    selftests_dir = os.path.join(values["source"], "tools", "testing", "selftests")
    mm = os.path.join(selftests_dir, "mm")
    empty = tests.parent / "no-liburing"
    empty.mkdir(exist_ok=True)
    (empty / "local_config.h_gen").write_text("")
    for name in ("cow", "gup_longterm"):
        # Compiled where they lie: they make files whose names come from __FILE__.
        sources = [f"{name}.c", "vm_util.c", "hugepage_settings.c"]
        run_logged([*values["cc"].split(), "-O2", "-w", "-D_GNU_SOURCE", f"-I{empty}",
                    f"-I{selftests_dir}", "-isystem", headers(values),
                    "-isystem", os.path.join(values["source"], "tools", "include", "uapi"),
                    *sources, "-lpthread", "-o", str(tests / f"kernel_{name}")],
                   log, f"the kernel's {name} test", cwd=mm)


def headers(values):
    """Where the kernel's user-space headers are."""
    inside = os.path.join(values["headers"], "include")
    return inside if os.path.isdir(inside) else values["headers"]


def collect(built, values):
    """Programs, scripts and the kernel's own gup_test in one directory."""
    tests = built.parent / "guest"
    shutil.rmtree(tests, ignore_errors=True)
    tests.mkdir()
    here = REPO / "tools" / "testing" / "selftests" / "fast_gup"
    for path in sorted(built.iterdir()):
        if path.is_file() and os.access(path, os.X_OK):
            shutil.copy2(path, tests)
    for script in here.glob("*.sh"):
        shutil.copy2(script, tests)
    gup_test = values.get("gup_test")
    if gup_test and os.path.exists(gup_test):
        shutil.copy2(gup_test, tests / "gup_test")
    for script in ("guest.sh", "soak.sh"):
        shutil.copy2(REPO / "tools" / "testing" / "driver" / script, tests)
    return tests


def empty(path, size):
    """An image without a file system; sparse."""
    with open(path, "wb") as image:
        image.truncate(size)


def disk(path):
    """A fresh ext4 image; sparse, so it costs what is written."""
    mkfs = shutil.which("mkfs.ext4") or shutil.which("mkfs.ext4", path="/usr/sbin:/sbin")
    if mkfs is None:
        fail("mkfs.ext4 is not here", "run: make setup (or install e2fsprogs)")
    with open(path, "wb") as image:
        image.truncate(DISK_SIZE)
    done = subprocess.run([mkfs, "-q", "-F", str(path)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        fail(f"mkfs.ext4 {path}: {done.stdout.decode(errors='replace').strip()}",
             "check space and permissions there")
