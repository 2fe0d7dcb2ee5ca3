# SPDX-License-Identifier: GPL-2.0
"""KVM or TCG: tried once with a short boot, then remembered.

/dev/kvm can exist, open and still hang a guest (nested virtualisation without
what it needs), so nothing less than a boot of the same kernel tells.
"""

import copy
import hashlib
import os
import platform
import shlex
import subprocess
import sys

from .boot import Boot
from .machine import ARCHITECTURES
from .trouble import Trouble

PROBE_SECONDS = 20


def cache_directory():
    return os.environ.get("CACHE") or os.path.expanduser("~/.cache/fast_gup")


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _remembered_at(artifacts):
    """A name that changes when the answer might: kernel, QEMU, host's boot."""
    kernel = os.stat(artifacts["kernel"])
    qemu = shlex.split(artifacts["qemu"])[0]
    try:
        version = subprocess.run([qemu, "--version"], capture_output=True, check=False).stdout
    except OSError:
        raise Trouble(f"{qemu} not found", "run: make setup") from None
    key = repr((artifacts["kernel"], kernel.st_size, kernel.st_mtime_ns, artifacts["qemu"],
                version, _read("/proc/sys/kernel/random/boot_id")))
    return os.path.join(cache_directory(),
                        "accel-" + hashlib.sha256(key.encode()).hexdigest()[:16])


def _probe(artifacts, options):
    """Whether a small guest with two CPUs gets up and down again with KVM."""
    probe = copy.copy(options)
    probe.command = ["true"]
    probe.smp, probe.mem, probe.timeout = 2, 1024, PROBE_SECONDS
    probe.cpu, probe.append, probe.add, probe.disk, probe.nvme = None, [], [], [], []
    probe.slow_disk, probe.nodes = [], 1
    probe.no_module, probe.module_args, probe.plugin = True, "", None
    probe.interactive = probe.verbose = False
    print(f"trying KVM with a short boot (at most {PROBE_SECONDS} s, the answer is remembered)",
          file=sys.stderr)
    with open(os.devnull, "wb") as nowhere:
        boot = Boot(artifacts, probe, "kvm", nowhere.fileno(), nowhere.fileno(), quiet=True)
        try:
            return boot.run() == 0
        except Trouble:
            return False


def choose(artifacts, options):
    wanted = os.environ.get("ACCEL") or "auto"
    if wanted not in ("auto", "kvm", "tcg"):
        raise Trouble(f"ACCEL={wanted} is not auto, kvm or tcg", "unset it or correct it")
    if wanted == "tcg" or options.icount:
        return "tcg"
    native = platform.machine() in ARCHITECTURES[artifacts.arch]["hosts"]
    usable = native and os.access("/dev/kvm", os.R_OK | os.W_OK)
    if wanted == "kvm":
        if not usable:
            raise Trouble(f"ACCEL=kvm, but KVM cannot run {artifacts.arch} here",
                          "check /dev/kvm and its permissions, or use ACCEL=tcg")
        return "kvm"
    if not usable:
        return "tcg"
    path = _remembered_at(artifacts)
    try:
        answer = _read(path)
        if answer in ("kvm", "tcg"):
            return answer
    except OSError:
        pass
    answer = "kvm" if _probe(artifacts, options) else "tcg"
    print(f"KVM {'works' if answer == 'kvm' else 'does not boot the guest, emulating (TCG)'}",
          file=sys.stderr)
    try:
        os.makedirs(cache_directory(), exist_ok=True)
        # A new file and a rename: two runs at once write the same answer.
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write(answer + "\n")
        os.rename(f"{path}.{os.getpid()}", path)
    except OSError as error:
        print(f"note: the answer is not remembered: {error}", file=sys.stderr)
    return answer
