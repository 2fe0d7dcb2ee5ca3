# SPDX-License-Identifier: GPL-2.0
"""One boot: start QEMU, relay what comes out of the guest, judge how it ended."""

import math
import os
import secrets
import selectors
import shutil
import socket
import sys
import tempfile
import time

from . import initramfs, machine
from .kernel_log import KernelLog
from .process import Qemu
from .stream import Lines, Relay, write_all
from .trouble import KERNEL_COMPLAINED, RUNNER_FAILED, TIMED_OUT, Trouble

# Seconds.  An emulated guest is 10 to 20 times slower than a real one, and the
# debug flavour once more, on a machine that may be busy with other things.
DEFAULT_TIMEOUT = {"kvm": 600, "tcg": 1800}
BOOT_TIMEOUT = {"kvm": 60, "tcg": 300}
POWER_OFF_TIMEOUT = {"kvm": 20, "tcg": 60}
PANIC_TIMEOUT = 10
LONGEST_SELECT = 3600

# Bytes of an interactive session's console that are looked through.
MOST_CONSOLE = 64 << 20


class Boot:
    """Everything that belongs to one run of one guest."""

    def __init__(self, artifacts, options, accel, stdout=1, stderr=2, quiet=False):
        self.artifacts = artifacts
        self.options = options
        self.accel = accel
        self.quiet = quiet
        self.stdout, self.stderr = stdout, stderr
        self.mark = "end of output " + secrets.token_hex(16)
        self.merge = _same_file(stdout, stderr)
        self.kernel = KernelLog()
        self.console_lines, self.control_lines = Lines(), Lines()
        self.relays = {}
        self.booted = False
        self.status = None
        self.error = None
        self.said_bye = False
        self.started = time.monotonic()
        self.deadline = self.started
        self.waiting_for = "to boot"
        self.overrun = False

    # What the guest gets.

    def _settings(self):
        disks, slow, nvme = machine.guest_devices(self.options)
        settings = {
            "VM_MARK": self.mark,
            "VM_MERGE": int(self.merge),
            "VM_LOAD_MODULE": int(not self.options.no_module),
            "VM_MODULE_ARGS": self.options.module_args,
            "VM_INTERACTIVE": int(self.options.interactive),
            "VM_DISKS": " ".join(disks),
            "VM_SLOW": " ".join(slow),
            "VM_NVME": " ".join(nvme),
            "VM_ARCH": self.options.arch,
            "VM_FLAVOUR": self.options.flavour,
            "VM_ROWS": "",
            "VM_COLUMNS": "",
        }
        if self.options.interactive and os.isatty(0):
            size = os.get_terminal_size(0)
            settings["VM_ROWS"], settings["VM_COLUMNS"] = size.lines, size.columns
        return settings

    def _image(self):
        image, added = initramfs.build(
            self.artifacts, self.options.command, self._settings(),
            self.options.add, not self.options.no_module)
        memory = self.options.mem
        if memory is None:
            # The kernel holds the archive and the files unpacked from it at
            # the same time, and a tmpfs root takes half of memory at most.
            facts = machine.ARCHITECTURES[self.artifacts.arch]
            memory = facts["memory"] + 3 * (added >> 20)
        return image.write(), memory

    # The run.

    def run(self):
        """Returns the status to exit with; failures are Trouble."""
        names = ["control"]
        if not self.options.interactive:
            names += ["console", "stdout"] + ([] if self.merge else ["stderr"])
        image, memory = self._image()
        ours, theirs = {}, {}
        with tempfile.TemporaryFile(prefix="fast_gup-qemu-") as log, \
                tempfile.TemporaryFile(prefix="fast_gup-console-") as console:
            try:
                for name in names:
                    ours[name], theirs[name] = socket.socketpair()
                # An interactive console is on the terminal, and in this file.
                descriptors = {"console": console.fileno()}
                descriptors.update((name, end.fileno()) for name, end in theirs.items())
                words = machine.command_line(self.artifacts, self.options, self.accel,
                                             memory, image.fileno(), descriptors)
                self.started = time.monotonic()
                with Qemu(words, (image.fileno(), *descriptors.values()),
                          self.options.interactive, log) as qemu:
                    # Only QEMU holds the other ends now, so its end is an EOF.
                    for end in theirs.values():
                        end.close()
                    image.close()
                    self._relay(qemu, ours)
                    self._take("console", os.pread(console.fileno(), MOST_CONSOLE, 0))
                    return self._verdict(qemu)
            finally:
                image.close()
                for end in (*ours.values(), *theirs.values()):
                    end.close()

    def _relay(self, qemu, ours):
        self.relays = {"stdout": Relay(self.stdout, self.mark)}
        if "stderr" in ours:
            self.relays["stderr"] = Relay(self.stderr, self.mark)
        self._wait_until(BOOT_TIMEOUT[self.accel], "to boot")
        with selectors.DefaultSelector() as selector:
            for name, end in ours.items():
                selector.register(end, selectors.EVENT_READ, name)
            while selector.get_map() and not self.overrun:
                left = self.deadline - time.monotonic()
                if left <= 0:
                    self.overrun = True
                    break
                for key, _ in selector.select(min(left, LONGEST_SELECT)):
                    data = _receive(key.fileobj)
                    if not data:
                        selector.unregister(key.fileobj)
                    self._take(key.data, data)
                self._next_step(ours)
                if self.kernel.panic_printed:
                    break
            for line in self.console_lines.flush():
                self._console(line)
        if not self.overrun and not self.kernel.panic_printed:
            # Every socket is at its end: QEMU is about to exit.
            qemu.wait_a_moment()
        for relay in self.relays.values():
            relay.flush()

    def _wait_until(self, seconds, waiting_for):
        """From now on the guest has `seconds`, within the whole run's limit."""
        self.deadline = time.monotonic() + seconds
        if not self.said_bye:
            self.deadline = min(self.deadline, self.started + self.timeout())
        self.waiting_for = waiting_for

    def timeout(self):
        if self.options.interactive and not self.options.timeout:
            # People think for as long as they like.
            return math.inf
        return self.options.timeout or DEFAULT_TIMEOUT[self.accel]

    def _take(self, name, data):
        if name == "console":
            for line in self.console_lines.feed(data):
                self._console(line)
        elif name == "control":
            for line in self.control_lines.feed(data):
                self._control(line)
        else:
            self.relays[name].feed(data)

    def _console(self, line):
        had_panicked = self.kernel.panicked
        self.kernel.line(line)
        if self.options.verbose and not self.options.interactive:
            write_all(self.stderr, line.encode() + b"\n")
        if self.kernel.panicked and not had_panicked:
            self._wait_until(PANIC_TIMEOUT, "to end after its panic")

    def _control(self, line):
        word, _, rest = line.partition(" ")
        if word == "booted":
            self.booted = True
            self._wait_until(self.timeout(), "to finish the command")
        elif word == "exit":
            self.status = int(rest)
        elif word == "error":
            self.error = rest

    def _next_step(self, ours):
        """Lets the guest power off once there is nothing left to read."""
        if self.said_bye or (self.status is None and self.error is None):
            return
        complete = all(relay.complete for relay in self.relays.values())
        if complete or self.error or self.options.interactive:
            self.said_bye = True
            self._wait_until(POWER_OFF_TIMEOUT[self.accel], "to power off")
            try:
                ours["control"].sendall(b"bye\n")
            except OSError:
                # It ended by itself meanwhile; the verdict comes later.
                pass

    # The verdict.

    def _verdict(self, qemu):
        if self.error:
            self._show_console()
            raise Trouble(f"guest set-up failed: {self.error}", "see the console above")
        if self.kernel.complaint is not None and self._is_failure():
            self._show_console()
            what = "panicked" if self.kernel.panicked else "complained"
            raise Trouble(f"the guest's kernel {what}: {self.kernel.complaint}",
                          "see the console above", KERNEL_COMPLAINED)
        if self.overrun:
            self._show_console()
            after = round(time.monotonic() - self.started)
            raise Trouble(f"timed out after {after} s, waiting for the guest {self.waiting_for}",
                          "see the console above; more time with --timeout", TIMED_OUT)
        if self.status is None:
            return self._ended_early(qemu)
        if self.kernel.complaint is not None:
            self._show_console()
            print(f"note: the guest's kernel complained, status {self.status} is the command's: "
                  f"{self.kernel.complaint}", file=sys.stderr)
        program = self.options.command[0]
        if self.status == 127 and shutil.which(program):
            print(f"note: {program} is a program of this machine, the guest has busybox: "
                  f"bring it with --add {program}:/root/", file=sys.stderr)
        return self.status

    def _is_failure(self):
        """Whether a complaint of the kernel changes the status."""
        if self.options.interactive:
            # Typed and shown text is on this console too, e.g. an old log.
            return self.kernel.panicked and self.status is None
        return not self.status

    def _ended_early(self, qemu):
        if self.options.interactive and qemu.process.returncode == 0:
            return 0
        words = qemu.last_words()
        if not self.quiet:
            for line in words[:-1]:
                print(line, file=sys.stderr)
        if not self.kernel.tail and words:
            raise Trouble(f"QEMU failed: {words[-1]}",
                          "try ACCEL=tcg" if self.accel == "kvm" else "see its message")
        self._show_console()
        raise Trouble("the guest ended before the command did"
                      + (f" ({words[-1]})" if words else ""), "see the console above",
                      KERNEL_COMPLAINED if self.booted else RUNNER_FAILED)

    def _show_console(self):
        if self.quiet or self.options.verbose or self.options.interactive:
            return
        for line in self.kernel.to_show() or ["(nothing)"]:
            print(f"console: {line}", file=sys.stderr)
        sys.stderr.flush()


def _same_file(first, second):
    """Whether the caller gets both streams in one place, so order matters."""
    one, two = os.fstat(first), os.fstat(second)
    return (one.st_dev, one.st_ino, one.st_rdev) == (two.st_dev, two.st_ino, two.st_rdev)


def _receive(end):
    try:
        return end.recv(1 << 16)
    except ConnectionError:
        return b""
