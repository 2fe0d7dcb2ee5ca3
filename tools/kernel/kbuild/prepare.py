# SPDX-License-Identifier: GPL-2.0
"""The whole way: set-up, source, series, configuration, kernel, module, artifacts file."""

import contextlib
import shlex

from lib import artifacts
from lib.console import say
from lib.lock import exclusive
from lib.paths import artifacts_file, cache

from . import arches, guest, qemu, setup, tree
from .build import Build


def source_only(refresh=False):
    """The prepared tree's path, nothing built."""
    with exclusive(cache() / "lock"):
        return tree.prepare(refresh).path


@contextlib.contextmanager
def opened(arch_name, flavour):
    """An up-to-date build for tools that run more of the kernel's make targets; the cache stays locked."""
    arch = arches.find(arch_name)
    arches.check_flavour(arch, flavour)
    with exclusive(cache() / "lock"):
        build = open_build(arch, flavour)
        build.run()
        yield build


def prepare(arch_name, flavour, quiet=False, refresh=False, module=True):
    """Bring one guest up to date and return the values of its artifacts file."""
    arch = arches.find(arch_name)
    arches.check_flavour(arch, flavour)
    with exclusive(cache() / "lock"):
        build = open_build(arch, flavour, refresh, module)
        worked = build.run()
        worked |= _guest_parts(build)
        build.prune()
        values = _values(build)
        artifacts.write(build.name, values)
    if worked or not quiet:
        say(f"ready: {artifacts_file(build.name)} (kernel {values['release']})")
    return values


def open_build(arch, flavour, refresh=False, module=True):
    """The build for the present source, series and toolchain; the caller holds the cache's lock."""
    toolchain = setup.ensure_locked([arch])
    return Build(arch, flavour, tree.prepare(refresh), toolchain, module)


def _guest_parts(build):
    """Headers, gup_test and the flat modules follow each whole build."""
    key = (build.state / "built").read_text()
    if build.done("guest", key):
        return False
    guest.headers(build)
    guest.gup_test(build)
    guest.modules(build)
    build.finish("guest", key)
    return True


def _values(build):
    values = {
        "source": build.tree.path,
        "build": build.path,
        "kernel": build.kernel,
        "module": build.module_copy() if build.module else "",
        "samples": build.samples_copy() if build.module else "",
        "modules": guest.modules_path(build),
        "qemu": f"{shlex.quote(qemu.ensure(build.arch))} {build.arch.machine}",
        "busybox": guest.busybox(build),
        "headers": guest.headers_path(build),
        "cc": build.arch.cc,
        "ccarch": build.arch.karch,
        "gup_test": guest.gup_test_path(build),
        "release": build.release(),
    }
    if build.tree.tarball:
        values["tarball"] = build.tree.tarball
    return {key: str(value) for key, value in values.items()}
