# SPDX-License-Identifier: GPL-2.0
"""The host: packages that are missing, suites that fail, commands that end badly."""

import os
import subprocess
import sys
import time
from pathlib import Path

from .common import TOOLS, Scratch

from kbuild import apt, arches, config, foreign, packages, qemu
from kbuild.arches import Package
from lib.console import run_logged

MISSING = Package("no-such-package", commands=("no-such-command",))


class Packages(Scratch):
    """What is said before anything is installed."""

    def test_nothing_missing_says_nothing(self):
        with self.told() as stream:
            packages.ensure([Package("coreutils", commands=("ls",))])
        self.assertEqual(stream.getvalue(), "")

    def test_where_it_may_not_install_it_prints_the_command(self):
        self.command("apt-get", "echo must not run >&2; exit 1\n")
        self.command("sudo", "exit 1\n")
        self.replace(os, "getuid", lambda: 1000)
        told = self.refused(packages.ensure, [MISSING]).splitlines()
        self.assertEqual(told[0], "missing on this host: no-such-package")
        self.assertRegex(told[-1], r"run: sudo apt-get install -y .*no-such-package$")

    def test_unknown_package_refreshes_the_lists_once(self):
        log = self.top / "calls"
        self.command("apt-get", f'echo "$*" >> {log}; case "$*" in update) exit 0;; esac\n'
                                'echo "E: Unable to locate package no-such-package" >&2; exit 100\n')
        self.replace(os, "getuid", lambda: 0)
        self.assertIn("apt cannot install no-such-package: Unable to locate package no-such-package",
                      self.refused(packages.ensure, [MISSING]))
        self.assertEqual(log.read_text().splitlines().count("update"), 1)

    def test_never_removes_what_the_host_has(self):
        self.command("apt-get", 'case "$*" in update) exit 0;; *--no-remove*);; *) exit 1;; esac\n'
                                'printf "The following packages will be REMOVED:\\n  one two\\nThe following"\n'
                                'echo "E: Packages need to be removed but remove is disabled." >&2; exit 100\n')
        self.replace(os, "getuid", lambda: 0)
        self.assertIn("no-such-package: one two would have to be removed", self.refused(packages.ensure, [MISSING]))

    def test_headers_and_libraries_are_proofs(self):
        self.assertEqual(packages.missing([Package("libc6-dev", headers=("stdio.h",), libraries=("libc.a",))]), [])
        bad = [Package("a", headers=("no/such.h",)), Package("b", libraries=("libnosuch.a",))]
        self.assertEqual(packages.missing(bad), bad)


class Apt(Scratch):
    """The private state, with an apt whose sid is expired."""

    def setUp(self):
        super().setUp()
        self.set_env(MIRROR="http://mirror.invalid/debian")
        self.command("apt-config", "echo 'Acquire::http::Proxy \"http://proxy.invalid\";'\n")
        self.command("apt-get", 'case "$*" in *sid*) echo "E: Release file is expired"; exit 100;; esac\n')
        self.command("apt-cache", 'case "$*" in *experimental*) v=7.3.9-1;; *forky*) v=7.3.10~rc1-1;; *) exit 100;;'
                                  ' esac\nprintf "Package: %s\\nVersion: $v\\nSize: 5\\n\\n" linux-source-7.3\n')

    def test_expired_suite_costs_only_a_warning(self):
        with self.told() as stream:
            found = apt.PrivateApt().newest("linux-source-7.3", lambda version: True)
        self.assertEqual((found.version, found.suite), ("7.3.10~rc1-1", "forky"))
        self.assertIn("skipping Debian suite sid: Release file is expired", stream.getvalue())

    def test_host_configuration_of_the_network_is_kept(self):
        private = apt.PrivateApt()
        self.assertIn("http://proxy.invalid", private.conf.read_text())
        self.assertEqual(private.mirror, "http://mirror.invalid/debian/")

    def test_mirror_comes_from_the_host(self):
        self.set_env(MIRROR="")
        self.command("apt-get", "echo 'http://h.invalid/debian-security/ Debian'; echo 'http://h.invalid/debian/ Debian'\n")
        self.assertEqual(apt.mirror(), "http://h.invalid/debian/")
        self.command("apt-get", "echo 'http://h.invalid/debian/ '\n")
        self.assertEqual(apt.mirror(), "http://h.invalid/debian/", "a host without lists does not know the origin")


class Qemu(Scratch):
    """Which QEMU is taken; the package of the backports is a real .deb with a script in it."""

    ARCH = type("Arch", (), {"emulator": Package("qemu-system-toy", commands=("qemu-system-toy",))})

    def setUp(self):
        super().setUp()
        self.set_env(MIRROR="http://mirror.invalid/debian")
        self.replace(qemu, "_debian", lambda: "toy")
        self.command("apt-config", "exit 0\n")

    def qemu(self, version):
        """A script that says it is QEMU."""
        return self.command("qemu-system-toy", f"echo QEMU emulator version {version}\n")

    def backports(self, version):
        """An apt-get with a suite toy-backports that has QEMU."""
        root = self.top / "deb"
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN/control").write_text("Package: qemu-system-toy\nVersion: 1\nArchitecture: all\n"
                                             "Maintainer: nobody <nobody@example.org>\nDescription: toy\n")
        (root / "usr/share/qemu").mkdir(parents=True)
        (root / "usr/bin").mkdir()
        program = root / "usr/bin/qemu-system-toy"
        program.write_text(f'#!/bin/sh\necho "$@"\necho QEMU emulator version {version}\n')
        program.chmod(0o755)
        deb = self.top / "toy.deb"
        subprocess.run(["dpkg-deb", "-b", str(root), str(deb)], check=True, stdout=subprocess.DEVNULL)
        archives = self.top / "cache/apt/host/cache/archives"
        self.command("apt-get", f'case "$*" in indextargets*) echo http://mirror.invalid/debian/ toy;;\n'
                                f'*--print-uris*) echo "\'http://mirror.invalid/toy.deb\' toy.deb 5 SHA256:0";;\n'
                                f'*--download-only*) cp {deb} {archives}/;; esac\n')

    def test_host_is_asked_first(self):
        path = self.qemu("8.1.0")
        self.command("apt-get", "echo must not run >&2; exit 1\n")
        self.assertEqual(qemu.ensure(self.ARCH), str(path))

    def test_an_old_one_gives_way_to_the_backports(self):
        self.qemu("7.2.9")
        self.backports("10.0.2")
        with self.told() as stream:
            found = qemu.ensure(self.ARCH)
        self.assertIn("toy-backports", stream.getvalue())
        self.assertEqual(found, str(self.top / "cache/qemu/bin/qemu-system-toy"))
        shown = subprocess.run([found, "-S"], capture_output=True, text=True, check=True).stdout
        self.assertRegex(shown, r"^-L \S+/usr/share/qemu -S\n")
        self.command("apt-get", "echo must not run >&2; exit 1\n")
        self.assertEqual(qemu.ensure(self.ARCH), found, "what was fetched is used again")
        os.unlink(found)
        self.assertEqual(qemu.ensure(self.ARCH), found, "what is unpacked needs only its script")

    def test_without_backports_the_host_does(self):
        path = self.qemu("7.2.9")
        self.command("apt-get", 'case "$*" in indextargets*) ;; *) echo E: no such suite; exit 100;; esac\n')
        with self.told() as stream:
            self.assertEqual(qemu.ensure(self.ARCH), str(path))
        self.assertIn("QEMU 7.2 is older than 8.1", stream.getvalue())

    def test_no_backports_no_host(self):
        self.replace(qemu, "_debian", lambda: None)
        self.replace(os, "getuid", lambda: 1000)
        self.command("apt-get", "exit 100\n")
        self.command("sudo", "exit 1\n")
        self.assertIn("qemu-system-toy", self.refused(qemu.ensure, self.ARCH).splitlines()[-1])


class Foreign(Scratch):
    """A program of another architecture; the package is a real .deb."""

    def setUp(self):
        super().setUp()
        self.set_env(MIRROR="http://mirror.invalid/debian")
        self.command("apt-config", "exit 0\n")
        self.command("apt-cache", "printf 'Package: busybox-static\\nVersion: 1:1\\nSize: 5\\n\\n'\n")

    def package(self, *names):
        """An apt-get of i386 alone whose busybox-static holds these files."""
        root = self.top / "deb"
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN/control").write_text("Package: busybox-static\nVersion: 1:1\nArchitecture: i386\n"
                                             "Maintainer: nobody <nobody@example.org>\nDescription: toy\n")
        for name in names:
            (root / name).parent.mkdir(parents=True)
            (root / name).write_text("for i386\n")
        deb = self.top / "toy.deb"
        subprocess.run(["dpkg-deb", "-b", str(root), str(deb)], check=True, stdout=subprocess.DEVNULL)
        self.command("apt-get", 'case "$*" in *APT::Architecture=i386*) ;; *) exit 100;; esac\n'
                                f'case "$*" in *download*) cp {deb} busybox-static_1%3a1_i386.deb;; esac\n')

    def test_it_is_of_the_asked_architecture_and_fetched_once(self):
        self.package("usr/bin/busybox")
        with self.told():
            found = foreign.busybox("i386")
        self.assertEqual(Path(found).read_text(), "for i386\n")
        self.command("apt-get", "echo must not run >&2; exit 1\n")
        self.assertEqual(foreign.busybox("i386"), found)

    def test_a_package_without_it_leaves_nothing(self):
        self.package("usr/share/doc/readme")
        self.assertIn("holds no busybox", self.refused(foreign.busybox, "i386"))
        self.assertEqual(list((self.top / "cache/busybox").iterdir()), [])


class Config(Scratch):
    """Options that Kconfig drops without a word."""

    def test_dropped_option_and_its_reason(self):
        tree = self.kernel_tree()
        (tree / "Kconfig").write_text("config RUST\n\tbool \"Rust\"\n\tdepends on HAVE_RUST && MMU\n\nconfig MMU\n\tbool\n")
        build = type("Build", (), {"path": self.top, "tree": type("Tree", (), {"path": tree})})
        (self.top / ".config").write_text("CONFIG_MMU=y\nCONFIG_SMP=m\n# CONFIG_NET is not set\n")
        fragment = self.top / "wanted.config"
        fragment.write_text("CONFIG_MMU=y\nCONFIG_RUST=y\nCONFIG_SMP=y\nCONFIG_GONE=y\n# CONFIG_NET is not set\n")
        told = self.refused(config._check, build, [fragment])
        self.assertIn("CONFIG_RUST: wanted y, got n: depends on HAVE_RUST && MMU (here HAVE_RUST=n MMU=y)", told)
        self.assertIn("CONFIG_SMP: wanted y, got m", told)
        self.assertIn("CONFIG_GONE: wanted y, got n: this kernel has no such option", told)
        self.assertNotIn("CONFIG_NET", told)

    def test_fragments_set_nothing_twice_differently(self):
        for arch in arches.ARCHES.values():
            for flavour in arch.flavours:
                seen = {}
                for path in config.fragments(arch, flavour, True):
                    values = config.parse(path)
                    # A flavour may take an option of its architecture back, if it says so.
                    if path.stem == f"{arch.name}-{flavour}":
                        seen = {name: value for name, value in seen.items() if values.get(name) != "n"}
                    for name, value in values.items():
                        self.assertEqual(seen.setdefault(name, value), value, name)
                self.assertEqual(seen["FAST_GUP"], "m")

    def test_flavours_are_different_kernels(self):
        for arch in arches.ARCHES.values():
            for flavour in arch.flavours:
                names = [path.stem for path in config.fragments(arch, flavour, False)]
                self.assertEqual(names[:2], ["common", arch.name])
                self.assertEqual(names[2:], [] if flavour == "release" else
                                 ["debug"] * (flavour == "debug") + [f"{arch.name}-{flavour}"])

    def test_a_flavour_of_another_architecture_is_refused(self):
        arches.check_flavour(arches.find("ppc64le"), "4k")
        told = self.refused(arches.check_flavour, arches.find("x86_64"), "4k")
        self.assertIn("architecture 'x86_64' has no flavour '4k' \N{EM DASH} choose from: release debug", told)


class Logged(Scratch):
    """Long commands."""

    def test_failure_shows_the_error_and_the_log(self):
        log = self.top / "log"
        script = "seq 100; echo 'mm/x.c:3:1: error: expected ;'; seq 50; echo 'make: *** [all] Error 2'; exit 2"
        told = self.refused(run_logged, ["sh", "-c", script], log, "build")
        self.assertIn("  | mm/x.c:3:1: error: expected ;", told)
        self.assertNotIn("Error 2", told)
        self.assertIn(f"log: {log}", told)

    def test_counts_units(self):
        with self.told():
            count = run_logged(["printf", "CC a\nnote\nCC b\n"], self.top / "log", "build",
                               progress=lambda line: line.startswith("CC"))
        self.assertEqual(count, 2)

    def test_ended_tool_leaves_no_child(self):
        code = (f"import sys; sys.path.insert(0, {str(TOOLS)!r})\n"
                "from lib.console import run_logged, run_main\n"
                f"run_main(lambda: run_logged(['sh', '-c', 'sleep 300 & echo $! > pid; wait'], 'log', 'sleep'))\n")
        tool = subprocess.Popen([sys.executable, "-B", "-c", code], cwd=self.top, stderr=subprocess.DEVNULL)
        pid = self.top / "pid"
        while not (pid.exists() and pid.read_text().strip()):
            self.assertIsNone(tool.poll())
            time.sleep(0.05)
        tool.terminate()
        self.assertEqual(tool.wait(timeout=20), 143)
        for _ in range(100):
            if not _runs(int(pid.read_text())):
                return
            time.sleep(0.05)
        self.fail("the command's own child still runs")


def _runs(pid):
    """Whether the process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
