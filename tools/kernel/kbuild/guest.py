# SPDX-License-Identifier: GPL-2.0
"""What guest programs need besides the kernel: its user headers, its own gup_test, flat modules."""

import shlex
import shutil
import subprocess

from lib.console import fail, run_logged
from lib.paths import LOGS

from . import foreign, packages


def headers(build):
    """The sanitized user headers, as `make headers` leaves them: a directory with linux/ and asm/."""
    run_logged(build.make("headers"), LOGS / f"headers-{build.name}.log", "user headers", env=build.env)


def headers_path(build):
    """Where headers() puts them; for -isystem."""
    return build.path / "usr" / "include"


def gup_test_path(build):
    """Where gup_test() puts the program."""
    return build.state / "gup_test"


def gup_test(build):
    """The kernel's own gup_test, static, against these headers."""
    source = build.tree.path
    mm = source / "tools/testing/selftests/mm"
    helpers = [mm / name for name in ("vm_util.c", "hugepage_settings.c", "thp_settings.c") if (mm / name).exists()]
    cmd = [*shlex.split(build.arch.cc), "-O2", "-D_GNU_SOURCE=", "-U_FORTIFY_SOURCE", "-I", source,
           "-I", source / "tools/testing/selftests", "-isystem", headers_path(build),
           "-isystem", source / "tools/include/uapi", mm / "gup_test.c", *helpers, "-lpthread", "-o", gup_test_path(build)]
    run_logged(cmd, LOGS / f"gup_test-{build.name}.log", "the kernel's gup_test", env=build.env)


def modules_path(build):
    """The flat directory of the kernel's other modules."""
    return build.state / "modules"


def modules(build):
    """Copy the modules that were built, without their directories: guests insmod them by name."""
    target = modules_path(build)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    ours = build.ko.parent
    # Not from modules.order: a build of our module alone leaves only that one in it.
    for path in build.path.rglob("*.ko"):
        if ours not in path.parents and target not in path.parents:
            shutil.copyfile(path, target / path.name)


def busybox(build):
    """A busybox that runs in a guest with no libraries."""
    place, _, architecture = build.arch.busybox.partition(":")
    if architecture:
        return foreign.busybox(architecture)
    path = packages.which(place)
    shown = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=False).stdout
    if " INTERP " in shown:
        fail(f"{path} is not static", "install busybox-static in its place")
    return path
