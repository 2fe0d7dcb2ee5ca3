# SPDX-License-Identifier: GPL-2.0
"""One guest: start it, read what its programs report, account for all of them."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time

from lib.paths import REPO

from . import build, plan
from .ktap import Result, Stream

MARK = "@@fast_gup"
RUNNER = REPO / "tools" / "vm" / "run"
# Exit statuses of tools/vm/run that are its own.
MEANING = {
    124: "the guest hung",
    125: "the guest could not be started",
    126: "the kernel complained although every program ended",
}


def arguments(arch, flavour, boot, programs, tests, disk, nvme, slow, module=None):
    """Write what the guest reads, and return the runner's command line."""
    env = dict(boot.env)
    if flavour == "debug":
        env.update(plan.DEBUG_ENV)
    # The caller's word is the last, so that a failure can be looked at closely.
    env.update({key: value for key, value in os.environ.items() if key.startswith("FAST_GUP_")})
    lines = []
    total = 120
    for program in programs:
        seconds = plan.limit(program, flavour)
        total += seconds
        lines.append(" ".join([str(seconds), program.name, *program.arguments()]))
    (tests / "list").write_text("\n".join(lines) + "\n")
    (tests / "environment").write_text(
        "".join(f"export {key}={shlex.quote(value)}\n" for key, value in env.items()))
    words = [str(RUNNER), "--arch", arch, "--flavour", flavour, "--smp", str(boot.smp),
             "--mem", boot.memory, "--timeout", str(total), "--disk", str(disk),
             "--nvme", str(nvme), "--add", f"{tests}:/tests",
              "--append", f"{plan.KERNEL_ARGS} {boot.huge} {plan.debug_append(arch, flavour, boot)}".rstrip()]
    if slow:
        words += ["--slow-disk", str(slow)]
    if boot.p2pdma:
        words += ["--nvme-memory", f"{boot.p2pdma}M"]
    if boot.nodes > 1:
        words += ["--nodes", str(boot.nodes)]
    if boot.cpu:
        words += ["--cpu", boot.cpu]
    if boot.append:
        words += ["--append", boot.append]
    if module:
        words += ["--module", str(module)]
    if boot.module_args:
        words += ["--module-args", boot.module_args]
    return [*words, "--", "sh", "/tests/guest.sh", MARK]


class Guest:
    """Turns the runner's output into results."""

    def __init__(self, report, arch, flavour, boot, programs):
        self.report = report
        self.prefix = "" if arch == "x86_64" else f"{arch} "
        self.prefix += f"[{boot.name}] "
        self.repeat = f"tools/testing/run --arches {arch}"
        if flavour != boot.flavour:
            self.repeat += f" --flavour {flavour}"
        self.boot = boot
        self.waiting = list(programs)
        self.current = None
        self.stream = None
        self.log = []

    def _add(self, result):
        program = self.current.name.replace(".sh", "") if self.current else result.program
        words = [self.repeat, "--only", program, "--boot", self.boot.name]
        result.program = self.prefix + program
        self.report.add(result, " ".join(words))

    def line(self, text):
        if text.startswith(MARK + " begin "):
            self.current = self.waiting.pop(0)
            self.stream = Stream(self.current.name)
            self.report.last = time.monotonic()
        elif text.startswith(MARK + " end "):
            self._end(int(text.rsplit(" ", 1)[1]))
        elif self.stream is not None:
            result = self.stream.line(text)
            if result is not None:
                self._add(result)
        elif text.strip():
            self.log.append(text)

    def _end(self, status):
        for result in self.stream.end(status):
            self._add(result)
        self.stream = self.current = None

    def finish(self, status, errors):
        """The guest is gone; `status` is the runner's."""
        if self.stream is not None:
            self._end(None)
        for program in self.waiting:
            self.current = program
            self._add(Result(program.name, "not run", "failed", "the guest ended before it"))
        self.current = None
        if status:
            reason = MEANING.get(status, f"exit status {status} of tools/vm/run")
            self.report.add(Result(f"{self.prefix}guest", "", "failed", reason,
                                   said=(self.log + errors)[-60:]),
                            f"{self.repeat} --boot {self.boot.name}")


def _drain(pipe, lines):
    for raw in pipe:
        lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
        del lines[:-200]


def run(report, arch, flavour, boot, programs, tests, module=None):
    """Boot, run the programs, report each result as it comes. With `module` in place of ours."""
    image, nvme = tests.parent / "ext4.img", tests.parent / "nvme.img"
    build.disk(image)
    build.empty(nvme, build.NVME_SIZE)
    slow = None
    if boot.slow:
        slow = tests.parent / "slow.img"
        build.empty(slow, boot.slow << 20)
    words = arguments(arch, flavour, boot, programs, tests, image, nvme, slow, module)
    guest = Guest(report, arch, flavour, boot, programs)
    errors = []
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    reader = threading.Thread(target=_drain, args=(child.stderr, errors), daemon=True)
    reader.start()
    try:
        for raw in child.stdout:
            guest.line(raw.decode("utf-8", "replace").rstrip("\r\n"))
        status = child.wait()
        reader.join(5)
    finally:
        if child.poll() is None:
            # The runner takes its QEMU with it.
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
        image.unlink(missing_ok=True)
        nvme.unlink(missing_ok=True)
        if slow:
            slow.unlink(missing_ok=True)
    guest.finish(status, errors)
    sys.stdout.flush()
