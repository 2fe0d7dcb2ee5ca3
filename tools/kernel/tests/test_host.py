# SPDX-License-Identifier: GPL-2.0
"""The host: packages that are missing, suites that fail, commands that end badly."""

import os
import subprocess
import sys
import time

from .common import TOOLS, Scratch

from kbuild import apt, config, packages
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
        self.command("apt-get", f'echo "$*" >> {log}; case "$*" in update) exit 0;; *) exit 100;; esac\n')
        self.replace(os, "getuid", lambda: 0)
        self.assertIn("not all of these are packages", self.refused(packages.ensure, [MISSING]))
        self.assertEqual(log.read_text().splitlines().count("update"), 1)

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
        for flavour in ("release", "debug"):
            seen = {}
            for path in config.fragments(type("Arch", (), {"name": "x86_64"}), flavour, True):
                for name, value in config.parse(path).items():
                    self.assertEqual(seen.setdefault(name, value), value, name)
            self.assertEqual(seen["FAST_GUP"], "m")


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
