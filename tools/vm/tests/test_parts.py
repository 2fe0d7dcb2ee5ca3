# SPDX-License-Identifier: GPL-2.0
"""The parts of the runner that need no guest."""

import io
import os
import unittest

from guest import VM  # noqa: F401  (finds vmlib)
from vmlib import arguments, cpio, initramfs, kernel_log, machine, stream
from vmlib.trouble import Trouble


class KernelLog(unittest.TestCase):
    COMPLAINTS = """
[    1.0] ------------[ cut here ]------------
[    1.0] WARNING: mm/gup.c:77 at try_grab_folio+0x12/0x20, CPU#1: dd/123
[    1.0][   T77] WARNING: CPU: 1 PID: 77 at mm/gup.c:77 try_grab_folio+0x12/0x20
[    1.0] WARNING: possible circular locking dependency detected
[    1.0] WARNING: possible recursive locking detected
[    1.0] WARNING: inconsistent lock state
[    1.0] WARNING: suspicious RCU usage
[    1.0] BUG: sleeping function called from invalid context at mm/gup.c:1
[    1.0] BUG: KASAN: slab-use-after-free in fast_gup_walk+0x1/0x2
[    1.0] BUG: KFENCE: out-of-bounds read in f+0x1/0x2
[    1.0] BUG: Bad page state in process dd  pfn:12345
[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    1.0] BUG: unable to handle page fault for address: ffffc90000000000
[    1.0] UBSAN: array-index-out-of-bounds in mm/gup.c:1:2
[    1.0] kernel BUG at mm/gup.c:99!
[    1.0] Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP
[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [dd:1]
[    1.0] watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0
[    1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
[    1.0] rcu: INFO: rcu_preempt self-detected stall on CPU
[    1.0] INFO: task dd:12 blocked for more than 122 seconds.
[    1.0] INFO: trying to register non-static key.
[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
[    1.0] pagealloc: memory corruption
[    1.0] pagealloc: single bit error
[    1.0] unregister_netdevice: waiting for lo to become free. Usage count = 2
[    1.0] BUG: Unable to handle kernel data access on read at 0xc00a000000000000
[    1.0] BUG: Kernel NULL pointer dereference on write at 0x00000000
[    1.0] Kernel attempted to write user page (7fff0000) - exploit attempt? (uid: 0)
[    1.0] kernel tried to execute exec-protected page (c008000000000000) - exploit attempt? (uid: 0)
[    1.0] Oops: Kernel access of bad area, sig: 11 [#1]
[    1.0] Bad kernel stack pointer 7fffcafe0000 at c000000000001234
[    1.0] Unrecoverable exception 4100 at c000000000001234 (msr=8000000000001033)
[    1.0] MCE: CPU1: machine check (Severe) Host SLB Multihit [Not recovered]
[    1.0] Oops: Machine check, sig: 7 [#1]
[    1.0] watchdog: CPU 2 detected hard LOCKUP on other CPUs 0
[    1.0] watchdog: CPU 1 self-detected hard LOCKUP @ plpar_hcall_norets+0x14/0x20
[    1.0] watchdog: CPU 1 Hard LOCKUP
[    1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100
""".strip().splitlines()

    HARMLESS = """
[    1.0] traps: prog[12] general protection fault ip:401000 sp:7ffc error:0 in prog
[    1.0] prog[12]: segfault at 0 ip 0000000000401000 sp 00007ffc error 4 in prog
[    1.0] Spectre V1 : Vulnerable: __user pointer sanitization and usercopy barriers only
[    1.0] PCI: Using E820; if necessary, use "pci=nocrs" and report a bug
[    1.0] Out of memory: Killed process 12 (prog) total-vm:1kB
[    1.0] mitigations: Enabled attack vectors: SMT mitigations: off
[    1.0] clocksource: Watchdog remote CPU 1 read timed out
[    1.0] rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.
[    1.0] watchdog: CPU 1 became unstuck TB:123456789
[    1.0] Kernel command line: console=ttyS0 panic=-1 debug_oops=WARNING
""".strip().splitlines()

    def test_complaints_are_noticed(self):
        for line in self.COMPLAINTS:
            with self.subTest(line):
                self.assertTrue(kernel_log.complains(line))

    def test_harmless_lines_pass(self):
        for line in self.HARMLESS:
            with self.subTest(line):
                self.assertFalse(kernel_log.complains(line))

    def test_report_starts_at_the_complaint_and_names_it(self):
        log = kernel_log.KernelLog()
        for line in ["[ 0.1] fine", self.COMPLAINTS[0], self.COMPLAINTS[1], "[ 1.1] trace"]:
            log.line(line)
        self.assertTrue(log.complaint.startswith("WARNING: mm/gup.c:77"))
        self.assertEqual(log.to_show()[0], self.COMPLAINTS[0])
        self.assertEqual(log.to_show()[-1], "[ 1.1] trace")


class EndMark(unittest.TestCase):
    def relay(self, data, size):
        reading, writing = os.pipe()
        relay = stream.Relay(writing, "mark 0123")
        for at in range(0, len(data), size):
            relay.feed(data[at:at + size])
        os.close(writing)
        with os.fdopen(reading, "rb") as out:
            return out.read(), relay.complete

    def test_mark_is_found_however_it_is_cut(self):
        text = b"\0mark\0 \0mark 012\0data\0"
        for size in (1, 2, 3, 5, 7, 100):
            with self.subTest(size):
                got = self.relay(text + b"\0mark 0123\0" + b"left behind", size)
                self.assertEqual(got, (text, True))

    def test_without_mark_nothing_is_complete(self):
        self.assertFalse(self.relay(b"abc\0mark 012", 4)[1])


class Archive(unittest.TestCase):
    def test_names_and_data_start_at_multiples_of_four(self):
        out = io.BytesIO()
        writer = cpio.Writer(out)
        for size in range(9):
            writer.data("n" * (size + 1), 0o644, b"x" * size)
        writer.finish()
        data, at, names = out.getvalue(), 0, []
        while True:
            self.assertEqual(data[at:at + 6], b"070701")
            size, length = int(data[at + 54:at + 62], 16), int(data[at + 94:at + 102], 16)
            name = data[at + 110:at + 110 + length - 1].decode()
            if name == "TRAILER!!!":
                break
            names.append(name)
            at = (at + 110 + length + 3) // 4 * 4
            self.assertEqual(data[at:at + size], b"x" * size)
            at = (at + size + 3) // 4 * 4
        self.assertEqual(names, ["n" * (size + 1) for size in range(9)])


class Arguments(unittest.TestCase):
    def refused(self, *argv):
        with self.assertRaises(Trouble) as caught:
            options = arguments.parse(list(argv))
            image = initramfs.Image()
            for addition in options.add:
                image.addition(addition, options.arch)
            machine.disks(options)
        self.assertEqual(caught.exception.status, 125)
        self.assertNotIn("\n", caught.exception.line())
        return caught.exception.line()

    def test_options_behind_the_dashes_belong_to_the_command(self):
        options = arguments.parse(["--smp", "3", "--", "prog", "--smp", "9", "--"])
        self.assertEqual(options.smp, 3)
        self.assertEqual(options.command, ["prog", "--smp", "9", "--"])

    def test_memory_sizes(self):
        self.assertEqual(arguments.parse(["--mem", "3G", "--", "a"]).mem, 3072)
        self.assertEqual(arguments.parse(["--mem", "700", "--", "a"]).mem, 700)

    def test_memory_is_whole_pieces_of_the_machine(self):
        for arch, wanted, given in (("x86_64", 700, 700), ("i386", 4096, 4096),
                                    ("ppc64le", 700, 768), ("ppc64le", 2048, 2048)):
            self.assertEqual(machine.whole_pieces(arch, wanted), given)

    def test_nodes_have_all_of_the_memory(self):
        options = arguments.parse(["--smp", "4", "--nodes", "2", "--", "a"])
        words = " ".join(machine.nodes("ppc64le", options, 2304))
        for part in ("id=node0,size=1280M", "nodeid=0,memdev=node0,cpus=0-1",
                     "id=node1,size=1024M", "nodeid=1,memdev=node1,cpus=2-3"):
            self.assertIn(part, words)
        self.assertEqual(machine.nodes("ppc64le", arguments.parse(["--", "a"]), 2304), [])

    def test_refusals_are_one_line(self):
        self.assertIn("no COMMAND", self.refused())
        self.assertIn("3 CPUs", self.refused("--smp", "3", "--nodes", "2", "--", "true"))
        self.assertIn("behind --", self.refused("uname"))
        self.assertIn("vax", self.refused("--arch", "vax", "--", "true"))
        self.assertIn("--icount", self.refused("--icount", "--smp", "2", "--", "true"))
        self.assertIn("--bogus", self.refused("--bogus", "--", "true"))
        self.assertIn("/no/such.ko", self.refused("--module", "/no/such.ko", "--", "true"))
        self.assertIn("--no-module", self.refused("--no-module", "--module", "/etc/passwd", "--", "true"))
        self.assertIn("'x'", self.refused("--mem", "x", "--", "true"))
        self.assertIn("HOST:GUEST", self.refused("--add", "/etc/passwd", "--", "true"))
        self.assertIn("not exist", self.refused("--add", "/no/such:/root/x", "--", "true"))
        self.assertIn("/proc", self.refused("--add", "/etc/passwd:/proc/x", "--", "true"))
        self.assertIn("/no/img", self.refused("--disk", "/no/img", "--", "true"))
