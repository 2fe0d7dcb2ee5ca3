# SPDX-License-Identifier: GPL-2.0
"""Packages of other Debian suites through an apt state of our own: the host's is never touched.

Every suite has a state of its own, so that one with an expired Release file or an unknown key
costs a notice and nothing else.
"""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path

from lib.console import Progress, fail, say, warn
from lib.paths import cache

SUITES = ("trixie-backports", "trixie", "forky", "sid", "experimental")
KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg")
# Indexes are fetched again after this time; a package that was downloaded is never looked up again.
FRESH = 24 * 3600


@dataclass(frozen=True)
class Candidate:
    """One version of a package in one suite."""

    package: str
    version: str
    suite: str
    size: int


def compare(one, other):
    """dpkg's order of versions, as cmp()."""
    if one == other:
        return 0
    less = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
    return -1 if less else 1


def mirror():
    """The Debian mirror this host uses: $MIRROR, or what its own apt sources name."""
    if os.environ.get("MIRROR"):
        return os.environ["MIRROR"].rstrip("/") + "/"
    found = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)"],
                           capture_output=True, text=True, check=False)
    lines = [line.split(" ", 1) for line in found.stdout.splitlines() if line.strip()]
    archive = [(uri, origin) for uri, origin, *_ in (line + [""] for line in lines)
               if "security" not in uri]
    # Without downloaded lists the origin is unknown; then the address has to speak for itself.
    for uri, origin in archive:
        if origin.strip() == "Debian" or (not origin.strip() and re.search(r"/debian/?$", uri)):
            return uri
    fail("no Debian mirror among this host's apt sources",
         "name one with MIRROR=URL, or give a kernel tree with KSRC=")


class PrivateApt:
    """apt with its own state, cache and sources below the cache directory."""

    def __init__(self):
        self.top = cache() / "apt"
        self.mirror = mirror()
        self.conf = self.top / "apt.conf"
        self._configure()

    def _configure(self):
        """Carry over how the host reaches its mirrors (proxies, dates, logins), and nothing else."""
        self.top.mkdir(parents=True, exist_ok=True)
        dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False)
        keep = [line for line in dump.stdout.splitlines()
                if not re.match(r"Acquire::(IndexTargets|Languages|Changelogs|GzipIndexes)", line)]
        lines = keep + [
            f'Dir "{self.top}/";',
            'Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null";',
            'Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferences "/dev/null";',
            'Dir::Etc::preferencesparts "/dev/null";',
            'Dir::Etc::trusted "/etc/apt/trusted.gpg"; Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d/";',
            'Dir::Etc::netrc "/etc/apt/auth.conf"; Dir::Etc::netrcparts "/etc/apt/auth.conf.d/";',
            f'Dir::State::status "{self.top}/status";',
            'Acquire::Languages "none"; Acquire::PDiffs "false"; Acquire::Retries "3";',
            # Rarely read, so small on disk counts more than fast: no 60 MB of caches for each suite.
            'Acquire::GzipIndexes "true"; Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";',
        ]
        if os.getuid() == 0:
            # apt would drop to a user that cannot write here, and warn about it each time.
            lines.append('APT::Sandbox::User "root";')
        self.conf.write_text("\n".join(lines) + "\n")
        (self.top / "status").touch()

    def _run(self, suite, *words, cwd=None):
        """One apt command on one suite's state."""
        home = self.top / suite
        for part in ("lists/partial", "cache/archives/partial"):
            (home / part).mkdir(parents=True, exist_ok=True)
        sources = home / "sources.list"
        signed = next((f"[signed-by={ring}] " for ring in KEYRINGS if os.path.exists(ring)), "")
        sources.write_text(f"deb {signed}{self.mirror} {suite} main\n")
        cmd = [words[0], "-o", f"Dir::Etc::sourcelist={sources}", "-o", f"Dir::State::lists={home}/lists",
               "-o", f"Dir::Cache={home}/cache", "-qq", *words[1:]]
        env = dict(os.environ, APT_CONFIG=str(self.conf), LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
        return subprocess.Popen(cmd, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def _update(self, suite):
        """Fetch the suite's index unless it is fresh; tell whether there is one to use."""
        stamp = self.top / suite / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH:
            return True
        child = self._run(suite, "apt-get", "update")
        output, _ = child.communicate()
        errors = [line for line in output.splitlines() if line.startswith(("E:", "W:", "Err:"))]
        if child.returncode != 0 or any("Failed" in line or "not signed" in line for line in errors):
            reason = errors[0][2:].strip() if errors else f"apt-get ended with {child.returncode}"
            warn(f"skipping Debian suite {suite}: {reason}")
            return False
        stamp.touch()
        return True

    def newest(self, package, wanted):
        """The newest version for which `wanted(version)` is true among all suites, or None."""
        found = []
        with Progress(f"looking for {package} in {len(SUITES)} Debian suites", len(SUITES)) as shown:
            for number, suite in enumerate(SUITES):
                shown.update(number)
                if self._update(suite):
                    found += self._versions(suite, package)
        found = [one for one in found if wanted(one.version)]
        return max(found, key=cmp_to_key(lambda a, b: compare(a.version, b.version)), default=None)

    def _versions(self, suite, package):
        output, _ = self._run(suite, "apt-cache", "show", package).communicate()
        for record in output.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in record.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
            if fields.get("Package") == package:
                yield Candidate(package, fields["Version"], suite, int(fields["Size"]))

    def download(self, candidate, directory):
        """Download one package, its hash checked by apt; return the path of the .deb."""
        directory.mkdir(parents=True, exist_ok=True)
        part = directory / f".part-{candidate.package}"
        subprocess.run(["rm", "-rf", str(part)], check=True)
        part.mkdir()
        label = f"download {candidate.package} {candidate.version} ({candidate.suite})"
        with Progress(label, candidate.size, "B") as shown:
            child = self._run(candidate.suite, "apt-get", "download",
                              f"{candidate.package}={candidate.version}", cwd=part)
            try:
                while child.poll() is None:
                    time.sleep(0.3)
                    shown.update(sum(file.stat().st_size for file in _files(part)))
            finally:
                if child.poll() is None:
                    child.terminate()
            debs = list(part.glob("*.deb"))
            if child.returncode != 0 or len(debs) != 1:
                shown.failed()
        if child.returncode != 0 or len(debs) != 1:
            say("  | " + (child.stdout.read().strip().splitlines() or ["apt-get said nothing"])[-1])
            fail(f"cannot download {candidate.package} {candidate.version}",
                 "check the network and run it again, or name another mirror with MIRROR=URL")
        # apt writes %3a for the colon of an epoch, which make and tar would misread later.
        target = directory / debs[0].name.replace("%3a", "_")
        debs[0].replace(target)
        subprocess.run(["rm", "-rf", str(part)], check=True)
        return target


def _files(directory):
    """The regular files below a directory that apt is writing to."""
    for path in Path(directory).rglob("*"):
        try:
            if path.is_file():
                yield path
        except OSError:
            continue
