# SPDX-License-Identifier: GPL-2.0
"""What the guest is given: files, disks, CPUs, time."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from guest import run, shell


class Scratch(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="vm-test-")
        self.addCleanup(shutil.rmtree, self.directory)

    def path(self, name, data=None, mode=None):
        path = os.path.join(self.directory, name)
        if data is not None:
            with open(path, "wb") as file:
                file.write(data)
        if mode is not None:
            os.chmod(path, mode)
        return path


class Additions(Scratch):
    def test_file_directory_and_script(self):
        script = self.path("script", b"#!/bin/sh\necho \"ran with $1\"\n", 0o750)
        os.mkdir(self.path("tree"))
        os.mkdir(self.path("tree/sub"))
        self.path("tree/sub/plain", b"text", 0o640)
        os.symlink("sub/plain", self.path("tree/link"))
        done = shell("/tmp/script word; stat -c '%a %u' /tmp/script /data/sub/plain;"
                     "readlink /data/link; cat /data/link; ls /in",
                     "--add", f"{script}:/tmp/script", "--add", f"{self.path('tree')}:/data",
                     "--add", f"{script}:/in/")
        self.assertEqual(done.stdout.decode().splitlines(),
                         ["ran with word", "750 0", "640 0", "sub/plain", "textscript"],
                         done.stderr)

    @unittest.skipIf(os.environ.get("ARCH", "x86_64") != os.uname().machine,
                     "this machine's programs do not run in the guest")
    def test_dynamic_program_brings_its_libraries(self):
        program = shutil.which("python3") and sys.executable
        from vmlib.programs import interpreter
        self.assertIsNotNone(interpreter(program), "a static python3 tests nothing")
        done = run("/root/bin/python3", "-S", "-E", "-c", "import sys",
                   options=("--no-module", "--add", f"{program}:/root/bin/python3"))
        # Started means: its loader and libc were there. Its library is not.
        self.assertIn(b"Python", done.stderr)
        self.assertNotIn(b"not found", done.stderr)

    def test_hundreds_of_megabytes(self):
        big = self.path("big")
        digest = hashlib.sha256()
        with open(big, "wb") as file:
            for index in range(300):
                block = hashlib.sha256(b"%d" % index).digest() * 32768
                file.write(block)
                digest.update(block)
        done = shell("sha256sum < /root/big", "--add", f"{big}:/root/big")
        self.assertEqual(done.stdout.split()[:1], [digest.hexdigest().encode()], done.stderr)


class Disks(Scratch):
    def image(self, name, size=8 << 20):
        path = self.path(name, b"")
        os.truncate(path, size)
        return path

    def test_writes_reach_the_images_in_order(self):
        first, second = self.image("first, with comma.img"), self.image("second.img")
        done = shell("echo \"$VM_DISKS\"; echo one | dd of=/dev/vda conv=notrunc 2>/dev/null;"
                     "echo two | dd of=/dev/vdb bs=512 seek=3 2>/dev/null",
                     "--disk", first, "--disk", second)
        self.assertEqual(done.stdout, b"/dev/vda /dev/vdb\n", done.stderr)
        with open(first, "rb") as file:
            self.assertEqual(file.read(4), b"one\n")
        with open(second, "rb") as file:
            file.seek(3 * 512)
            self.assertEqual(file.read(4), b"two\n")

    def test_nvme(self):
        image = self.image("nvme.img")
        done = shell("echo $VM_NVME; echo three | dd of=/dev/nvme0n1 conv=notrunc 2>/dev/null",
                     "--nvme", image)
        self.assertEqual(done.stdout, b"/dev/nvme0n1\n", done.stderr)
        with open(image, "rb") as file:
            self.assertEqual(file.read(6), b"three\n")

    def test_slow_disk(self):
        slow, usual = self.image("slow.img"), self.image("usual.img")
        done = shell("echo $VM_DISKS $VM_SLOW; echo four | dd of=$VM_SLOW conv=notrunc 2>/dev/null",
                     "--slow-disk", slow, "--disk", usual)
        self.assertEqual(done.stdout, b"/dev/vda /dev/vdb\n", done.stderr)
        with open(slow, "rb") as file:
            self.assertEqual(file.read(5), b"four\n")

    @unittest.skipIf(os.environ.get("ARCH", "x86_64") == "i386", "no memory for others on 32-bit machines")
    def test_nvme_memory(self):
        done = shell("cat /sys/bus/pci/devices/*/p2pmem/size", "--nvme", self.image("nvme.img"),
                     "--nvme-memory", "16M")
        self.assertEqual(done.stdout, b"16777216\n", done.stderr)

    def test_mounted_ext4_is_left_clean(self):
        if shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/sbin:/usr/sbin") is None:
            self.skipTest("no mkfs.ext4 here: install e2fsprogs")
        path = {"PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
        image = self.image("ext4.img", 64 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True, env={**os.environ, **path})
        done = shell("mount /dev/vda /mnt && echo kept > /mnt/file; (cd /mnt; sleep 1000) &",
                     "--disk", image)
        self.assertEqual(done.returncode, 0, done.stderr)
        checked = subprocess.run(["e2fsck", "-n", image], capture_output=True, text=True,
                                 env={**os.environ, **path}, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        self.assertIn("clean", checked.stdout)


class Machine(unittest.TestCase):
    def test_cpus_memory_and_kernel_arguments(self):
        done = shell("nproc; grep MemTotal /proc/meminfo; cat /proc/cmdline",
                     "--smp", "3", "--mem", "768M", "--append", "first=1", "--append", "b=2 c=3")
        cpus, memory, arguments = done.stdout.decode().splitlines()
        self.assertEqual(cpus, "3")
        # A debug kernel keeps a good part of it for itself.
        self.assertTrue(512 << 10 < int(memory.split()[1]) <= 768 << 10, memory)
        self.assertTrue(arguments.endswith("first=1 b=2 c=3"), arguments)

    @unittest.skipIf(os.environ.get("ARCH", "x86_64") == "i386", "no NUMA on 32-bit machines")
    def test_nodes(self):
        done = shell("cd /sys/devices/system/node && cat online node*/cpulist && grep -h MemTotal node*/meminfo",
                     "--smp", "4", "--mem", "1024M", "--nodes", "2")
        online, first, second, *memory = done.stdout.decode().splitlines()
        self.assertEqual((online, first, second), ("0-1", "0-1", "2-3"), done.stderr)
        for line in memory:
            self.assertGreater(int(line.split()[3]), 300 << 10, line)

    @unittest.skipIf(os.environ.get("ARCH", "x86_64") != "i386", "other kernels map all of their memory")
    def test_memory_above_4_gib(self):
        done = shell("grep 'System RAM' /proc/iomem; grep HighTotal /proc/meminfo")
        *ranges, high = done.stdout.decode().splitlines()
        self.assertTrue(any(int(line.split("-")[0], 16) >= 1 << 32 for line in ranges), ranges)
        self.assertGreater(int(high.split()[1]), 3 << 20, high)

    def test_icount_time_is_work(self):
        # The same loop in two boots, timed by the kernel's own time stamps.
        script = ("nproc; i=0; echo loop begins > /dev/kmsg;"
                  "while [ $i -lt 20000 ]; do i=$((i+1)); done; echo loop ends > /dev/kmsg;"
                  "dmesg | grep -E 'loop (begins|ends)'")
        took = []
        for _ in range(2):
            done = shell(script, "--icount")
            self.assertEqual(done.returncode, 0, done.stderr)
            cpus, *lines = done.stdout.decode().splitlines()
            self.assertEqual(cpus, "1")
            begin, end = (float(line[1:line.index("]")]) for line in lines)
            took.append(end - begin)
        self.assertAlmostEqual(took[0], took[1], delta=took[0] * 0.001)

    @unittest.skipIf(os.environ.get("ARCH", "x86_64") != "x86_64", "x86_64 has table levels to choose")
    def test_table_levels(self):
        # The kernel shows the flag only while it uses the fifth level.
        with_five = shell("grep -c la57 /proc/cpuinfo", "--smp", "2")
        with_four = shell("grep -c la57 /proc/cpuinfo", "--smp", "2", "--append", "no5lvl")
        self.assertEqual((with_five.stdout, with_four.stdout), (b"2\n", b"0\n"))

    @unittest.skipIf(os.environ.get("ARCH", "x86_64") != "ppc64le", "other processors have one kind of tables")
    def test_processor_chooses_the_tables(self):
        for cpu, mmu, huge in (("power9", "Radix", 2048), ("power8", "Hash", 16384)):
            done = shell("sed -n 's/^MMU.*: //p' /proc/cpuinfo; ls /sys/kernel/mm/hugepages", "--cpu", cpu)
            kind, *sizes = done.stdout.decode().splitlines()
            self.assertEqual(kind, mmu, done.stderr)
            self.assertIn(f"hugepages-{huge}kB", sizes)

    def test_other_modules_can_be_loaded(self):
        done = shell("insmod /lib/modules/extra/null_blk.ko nr_devices=1 && ls /dev/nullb0")
        self.assertEqual(done.stdout, b"/dev/nullb0\n", done.stderr)
