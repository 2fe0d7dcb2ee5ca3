# SPDX-License-Identifier: GPL-2.0
"""However the runner ends, nothing of it stays: no QEMU, no file."""

import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from guest import RUN, alive, children, run, start, wait_for


def qemu_of(runner):
    return next((pid for pid, name in children(runner.pid) if name.startswith("qemu")), None)


class NothingStays(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="vm-test-")
        self.addCleanup(shutil.rmtree, self.scratch)

    def stop_by(self, signum):
        runner = start("sh", "-c", "echo up; sleep 1000",
                       env={**os.environ, "TMPDIR": self.scratch})
        try:
            self.assertEqual(runner.stdout.readline(), b"up\n")
            qemu = qemu_of(runner)
            self.assertIsNotNone(qemu)
            runner.send_signal(signum)
            status = runner.wait(timeout=30)
            self.assertTrue(wait_for(lambda: not alive(qemu), 10), "QEMU outlived the runner")
        finally:
            runner.kill()
            runner.communicate()
        self.assertEqual(os.listdir(self.scratch), [])
        return status

    def test_terminated(self):
        self.assertEqual(self.stop_by(signal.SIGTERM), 128 + signal.SIGTERM)

    def test_interrupted(self):
        # Whoever started the tests in the background made them, and so the runner, ignore it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        self.assertEqual(self.stop_by(signal.SIGINT), 128 + signal.SIGINT)

    def test_hung_up(self):
        self.assertEqual(self.stop_by(signal.SIGHUP), 128 + signal.SIGHUP)

    def test_killed(self):
        self.assertEqual(self.stop_by(signal.SIGKILL), -signal.SIGKILL)

    def test_after_success(self):
        done = run("true", env={"TMPDIR": self.scratch})
        self.assertEqual((done.returncode, os.listdir(self.scratch)), (0, []))


class Interactive(unittest.TestCase):
    """A person at a terminal, played by a pseudo-terminal."""

    def setUp(self):
        self.master, slave = pty.openpty()
        self.runner = subprocess.Popen([RUN, "--no-module", "--interactive"], stdin=slave,
                                       stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.seen = b""

    def tearDown(self):
        self.runner.kill()
        self.runner.wait()
        os.close(self.master)

    def expect(self, text, seconds=300):
        limit = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, limit - time.monotonic()))
            self.assertTrue(ready, f"no {text!r} in {self.seen[-2000:]!r}")
            try:
                self.seen += os.read(self.master, 4096)
            except OSError:
                self.fail(f"ended without {text!r}: {self.seen[-2000:]!r}")
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def send(self, text):
        os.write(self.master, text)

    def test_shell_with_job_control(self):
        self.expect(b"# ")
        # The sum keeps the echo of the typed line from being taken for output.
        self.send(b"echo sum $((40+2)); tty\r")
        self.expect(b"sum 42")
        self.send(b"sleep 1000\r")
        time.sleep(1)
        self.send(b"\x03")
        self.send(b"sleep 1000 & jobs | grep -c sleep; exit $((2+3))\r")
        self.assertEqual(self.ending(), 5)

    def test_ctrl_a_x_ends_the_guest(self):
        self.expect(b"# ")
        self.send(b"\x01x")
        self.assertEqual(self.ending(), 0)

    def test_panic_is_seen(self):
        self.expect(b"# ")
        self.send(b"echo c > /proc/sysrq-trigger\r")
        self.assertEqual(self.ending(), 126)

    def ending(self):
        """The status; what is still printed has to be read for that."""
        limit = time.monotonic() + 120
        while self.runner.poll() is None and time.monotonic() < limit:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 4096)
                except OSError:
                    break
        return self.runner.wait(timeout=60)
