# SPDX-License-Identifier: GPL-2.0
"""Guests that panic, complain, hang or do not get a module."""

import time
import unittest

from guest import run, shell


class Complaints(unittest.TestCase):
    def test_panic(self):
        begin = time.monotonic()
        done = shell("echo before; echo c > /proc/sysrq-trigger; sleep 1000")
        self.assertEqual((done.returncode, done.stdout), (126, b"before\n"))
        self.assertIn(b"Kernel panic", done.stderr)
        self.assertIn(b"sysrq_handle_crash", done.stderr)
        self.assertEqual(done.stderr.strip().splitlines()[-1][:6], b"error:")
        # The end of QEMU was waited for, not a timeout.
        self.assertLess(time.monotonic() - begin, 100)

    def test_end_of_init_is_a_panic(self):
        done = shell("kill -SEGV 1; echo o > /proc/sysrq-trigger; sleep 1000")
        self.assertEqual(done.returncode, 126)

    def test_warning_turns_success_into_failure(self):
        done = shell("echo 'WARNING: at test' > /dev/kmsg; echo done")
        self.assertEqual((done.returncode, done.stdout), (126, b"done\n"))
        self.assertIn(b"WARNING: at test", done.stderr.splitlines()[-1])

    def test_warning_keeps_the_status_of_a_failure(self):
        done = shell("echo 'BUG: KASAN: test' > /dev/kmsg; exit 3")
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"BUG: KASAN: test", done.stderr)


class Hangs(unittest.TestCase):
    def test_timeout(self):
        begin = time.monotonic()
        done = shell("echo started; sleep 1000", "--timeout", "20")
        self.assertEqual((done.returncode, done.stdout), (124, b"started\n"))
        self.assertIn(b"timed out", done.stderr.splitlines()[-1])
        self.assertIn(b"console: ", done.stderr)
        self.assertLess(time.monotonic() - begin, 40)


class Module(unittest.TestCase):
    def test_is_loaded_before_the_command(self):
        done = run("grep", "-c", "^fast_gup ", "/proc/modules", options=())
        self.assertEqual((done.returncode, done.stdout), (0, b"1\n"), done.stderr)

    def test_is_left_out_on_request(self):
        done = run("grep", "-c", "^fast_gup ", "/proc/modules")
        self.assertEqual((done.returncode, done.stdout), (1, b"0\n"))

    def served(self, *options):
        """Pages of a direct write that the module's walk found."""
        done = run("sh", "-c", "insmod /lib/modules/extra/null_blk.ko nr_devices=1 &&"
                   "dd if=/dev/zero of=/dev/nullb0 bs=64k count=4 oflag=direct 2>/dev/null &&"
                   "sed -n 's/^fast_gup //p' /proc/vmstat", options=options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(done.stdout)

    def test_gets_its_parameters(self):
        # Without them the module serves the kernel's callers.
        self.assertGreater(self.served(), 0)
        self.assertEqual(self.served("--module-args", "provide=0 max_section=64"), 0)

    def test_that_does_not_load_is_a_failure_of_the_runner(self):
        done = run("echo", "not reached", options=("--module-args", "max_section=many"))
        self.assertEqual((done.returncode, done.stdout), (125, b""))
        self.assertIn(b"insmod", done.stderr.splitlines()[-1])


class Refusals(unittest.TestCase):
    def one_line(self, *options, **keywords):
        done = run("true", options=("--no-module", *options), **keywords)
        self.assertEqual((done.returncode, done.stdout), (125, b""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr.decode()

    def test_unknown_architecture(self):
        self.assertIn("vax", self.one_line("--arch", "vax"))

    def test_unknown_accelerator(self):
        self.assertIn("ACCEL", self.one_line(env={"ACCEL": "warp"}))

    def test_missing_image(self):
        self.assertIn("/no/such.img", self.one_line("--disk", "/no/such.img"))

    def test_missing_addition(self):
        self.assertIn("/no/such", self.one_line("--add", "/no/such:/root/x"))
