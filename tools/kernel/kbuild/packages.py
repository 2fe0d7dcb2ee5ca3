# SPDX-License-Identifier: GPL-2.0
"""Host packages: what is missing, said before anything is installed, and the installation."""

import os
import re
import shutil
import subprocess

from lib.console import fail, run_logged, say, warn
from lib.paths import LOGS

from .arches import Package

# Tools like mkfs.ext4 live where an ordinary user's PATH does not look.
ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

COMMON = (
    Package("gcc", commands=("gcc",)),
    Package("libc6-dev", headers=("stdio.h",), libraries=("libc.a",)),
    Package("make", commands=("make",)),
    Package("flex", commands=("flex",)),
    Package("bison", commands=("bison",)),
    Package("bc", commands=("bc",)),
    Package("cpio", commands=("cpio",)),
    Package("rsync", commands=("rsync",)),
    Package("patch", commands=("patch",)),
    Package("perl", commands=("perl",)),
    Package("xz-utils", commands=("xz",)),
    Package("kmod", commands=("depmod",)),
    Package("libelf-dev", headers=("gelf.h",), libraries=("libelf.so",)),
    Package("libssl-dev", headers=("openssl/opensslv.h",), libraries=("libcrypto.so",)),
    Package("e2fsprogs", commands=("mkfs.ext4",)),
)

CHECKS = (
    Package("shellcheck", commands=("shellcheck",)),
    Package("python3-docutils", commands=("rst2html",)),
)


def which(command):
    """The command's path, looking where administrators' tools are as well."""
    return shutil.which(command, path=os.pathsep.join([os.environ.get("PATH", ""), *ADMINISTRATORS]))


def missing(packages):
    """The packages of the list whose proofs are not all there."""
    have_gcc = which("gcc") is not None
    return [one for one in packages if not _present(one, have_gcc)]


def _present(package, have_gcc):
    if not all(which(command) for command in package.commands):
        return False
    if not all(os.path.exists(path) for path in package.files):
        return False
    if (package.headers or package.libraries) and not have_gcc:
        return False
    return _headers(package.headers) and all(_library(name) for name in package.libraries)


def _headers(names):
    """Whether the C compiler finds all the headers."""
    if not names:
        return True
    source = "".join(f"#include <{name}>\n" for name in names)
    return subprocess.run(["gcc", "-E", "-x", "c", "-", "-o", "/dev/null"], input=source, text=True,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def _library(name):
    """Whether the C compiler's linker finds the library; it answers with the bare name if not."""
    answer = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=False)
    return os.path.isabs(answer.stdout.strip())


def ensure(packages):
    """Install what is missing, or stop with the command that does."""
    lacking = missing(packages)
    if not lacking:
        return
    names = [one.name for one in lacking]
    say(f"missing on this host: {' '.join(names)}")
    if not shutil.which("apt-get"):
        fail(f"{len(names)} packages are missing and this is no Debian-like host",
             f"install what they are called here: {' '.join(names)}")
    command = ["apt-get", "install", "-y", "--no-install-recommends", "--no-remove", *names]
    prefix = _privilege()
    if prefix is None:
        fail(f"{len(names)} packages are missing and this user may not install them",
             f"run: sudo {' '.join(command)}")
    _install(prefix, command, names)
    still = [one.name for one in missing(packages)]
    if still:
        fail(f"installed, but still not usable: {' '.join(still)}", "look at /var/log/apt/term.log")


def _privilege():
    """The words that make apt-get run as root: none for root, sudo where it asks nothing, else None."""
    if os.getuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL,
                                               check=False).returncode == 0:
        return ["sudo", "-n"]
    return None


def _install(prefix, command, names):
    planned, reason = _simulate(names)
    if reason:
        # The host's lists are empty or old; refreshing them is no change of its package sources.
        run_logged([*prefix, "apt-get", "update"], LOGS / "apt-update.log", "refresh the host's package lists",
                   hint="check the host's apt sources and network, then run it again")
        planned, reason = _simulate(names)
    if reason:
        fail(f"apt cannot install {' '.join(names)}: {reason}",
             "see `apt-cache policy NAME`; LLVM of other versions: https://apt.llvm.org")
    say(f"installing {planned} packages: {' '.join(command)}")
    # Another apt may be at work, on a fresh machine above all: wait for it rather than fail.
    words = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *command, "-o", "DPkg::Lock::Timeout=300"]
    # Each package is fetched, unpacked and set up: three lines of output.
    steps = ("Get:", "Unpacking ", "Setting up ")
    done = run_logged(words, LOGS / "apt-install.log", "install host packages", 3 * planned,
                      progress=lambda line: line.startswith(steps), check=False)
    if done is None:
        # A file that the mirror replaced since the lists were fetched: refresh them and try once more.
        warn("the installation failed; trying again with fresh package lists")
        run_logged([*prefix, "apt-get", "update"], LOGS / "apt-update.log", "refresh the host's package lists")
        run_logged(words, LOGS / "apt-install.log", "install host packages", 3 * planned,
                   progress=lambda line: line.startswith(steps), hint=f"run by hand: {' '.join(command)}")


def _simulate(names):
    """How many packages apt would install, and why it would not."""
    plan = subprocess.run(["apt-get", "install", "-s", "--no-install-recommends", "--no-remove", *names],
                          capture_output=True, text=True, check=False, env=dict(os.environ, LC_ALL="C"))
    if plan.returncode != 0:
        errors = [line[2:].strip() for line in plan.stderr.splitlines() if line.startswith("E:")]
        removed = re.search(r"will be REMOVED:\n((?:  .*\n)+)", plan.stdout)
        if removed:
            errors = [f"{' '.join(removed.group(1).split())} would have to be removed"]
        return 0, (errors or [f"apt-get ended with {plan.returncode}"])[0]
    return sum(line.startswith("Inst ") for line in plan.stdout.splitlines()), None
