# SPDX-License-Identifier: GPL-2.0
"""The command: its arguments, its output, its exit status."""

import hashlib
import subprocess
import unittest

from guest import run, shell, start


class Status(unittest.TestCase):
    def test_success(self):
        done = run("true")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_failure_is_passed_on(self):
        self.assertEqual(shell("exit 7").returncode, 7)

    def test_signal_as_a_shell_reports_it(self):
        self.assertEqual(shell("kill -9 $$").returncode, 128 + 9)

    def test_program_that_is_not_there(self):
        done = run("/no/such/program")
        self.assertEqual(done.returncode, 127)
        self.assertIn(b"not found", done.stderr)


class Arguments(unittest.TestCase):
    def test_arrive_unchanged(self):
        odd = ["a b", "", "'", '"', "it's \"odd\"", "two\nlines\n", "$HOME", "`id`", "*", "\\",
               "tab\t", "-n", "--", "ünï", "\x01\x7f", "end\\n"]
        done = run("printf", "%s\\0", *odd)
        self.assertEqual(done.stdout.decode().split("\0")[:-1], odd)


class Output(unittest.TestCase):
    def test_every_byte_in_its_stream(self):
        every = bytes(range(256))
        octal = "".join(f"\\{byte:03o}" for byte in every)
        done = shell(f"printf '{octal}'; printf '\\r\\n\\033[0m' >&2; printf 'no newline'")
        self.assertEqual(done.stdout, every + b"no newline")
        self.assertEqual(done.stderr, b"\r\n\033[0m")

    def test_order_is_kept_where_both_go_to_one_place(self):
        done = shell("for i in 1 2 3 4 5 6 7 8; do echo out $i; echo err $i >&2; done", merge=True)
        expected = "".join(f"out {i}\nerr {i}\n" for i in range(1, 9))
        self.assertEqual(done.stdout.decode(), expected)

    def test_twenty_megabytes_without_loss(self):
        done = run("seq", "1", "2800000")
        digest = hashlib.sha256()
        for first in range(1, 2800001, 100000):
            digest.update("".join(f"{i}\n" for i in range(first, first + 100000)).encode())
        self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), digest.hexdigest())

    def test_streams_while_the_command_runs(self):
        with start("sh", "-c", "echo first; sleep 1000", options=("--no-module",)) as runner:
            try:
                self.assertEqual(runner.stdout.readline(), b"first\n")
                self.assertIsNone(runner.poll())
            finally:
                runner.terminate()
                runner.communicate(timeout=60)

    def test_a_reader_that_leaves_ends_the_guest(self):
        runner = start("sh", "-c", "while :; do echo y; done")
        runner.stdout.readline()
        runner.stdout.close()
        runner.stderr.close()
        self.assertEqual(runner.wait(timeout=120), 128 + 13)

    def test_a_process_left_behind_does_not_hold_the_runner(self):
        done = shell("(sleep 1000; echo late) & echo early")
        self.assertEqual((done.returncode, done.stdout), (0, b"early\n"))

    def test_stdin_is_empty(self):
        self.assertEqual(shell("wc -c").stdout.split(), [b"0"])

    def test_dropped_privileges_can_reopen_the_streams(self):
        done = shell("su nobody -s /bin/sh -c 'id -u > /dev/stdout; id -u > /dev/stderr'")
        self.assertEqual((done.stdout, done.stderr), (b"65534\n", b"65534\n"))

    def test_kernel_messages_stay_out_of_it(self):
        done = shell("echo in between > /dev/kmsg; dmesg | grep -c 'in between'")
        self.assertEqual(done.stdout, b"1\n")
        self.assertEqual(done.stderr, b"")

    def test_verbose_shows_the_console_on_stderr(self):
        done = shell("echo out; echo seen on console > /dev/kmsg", "--verbose")
        self.assertEqual(done.stdout, b"out\n")
        self.assertIn(b"seen on console", done.stderr)
        self.assertIn(b"Linux version", done.stderr)


class Help(unittest.TestCase):
    def test_help_documents_the_statuses(self):
        from guest import RUN
        done = subprocess.run([RUN, "--help"], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0)
        for word in (b"124", b"125", b"126", b"--interactive", b"VM_DISKS"):
            self.assertIn(word, done.stdout)
