# SPDX-License-Identifier: GPL-2.0
"""Packages of other Debian suites through an apt state of our own: the host's is never touched.

Every suite has a state of its own, so that one with an expired Release file or an unknown key
costs a notice and nothing else.
"""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path

from lib.console import Progress, fail, say, warn
from lib.paths import cache

HOST_STATUS = Path("/var/lib/dpkg/status")
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
    """apt with its own state, cache and sources below the cache directory.

    An `architecture` that is not the host's is Debian's name of it, like "i386".
    """

    def __init__(self, architecture=None):
        self.architecture = architecture
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
            'Acquire::Languages "none"; Acquire::PDiffs "false"; Acquire::Retries "3";',
            # Rarely read, so small on disk counts more than fast: no 60 MB of caches for each suite.
            'Acquire::GzipIndexes "true"; Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";',
        ]
        if os.getuid() == 0:
            # apt would drop to a user that cannot write here, and warn about it each time.
            lines.append('APT::Sandbox::User "root";')
        self.conf.write_text("\n".join(lines) + "\n")

    def _name(self, suite):
        return f"Debian suite {suite}"

    def _sources(self, suite):
        """The lines of a sources.list for one state."""
        return [f"{self.mirror} {suite}"]

    def _home(self, suite):
        """Where the state of a suite is."""
        return self.top / (f"{suite}-{self.architecture}" if self.architecture else suite)

    def _status(self, status):
        """Nothing is installed, as far as this state is concerned."""
        status.touch()

    def _run(self, suite, *words, cwd=None):
        """One apt command on one suite's state."""
        home = self._home(suite)
        for part in ("lists/partial", "cache/archives/partial"):
            (home / part).mkdir(parents=True, exist_ok=True)
        sources = home / "sources.list"
        signed = next((f"[signed-by={ring}] " for ring in KEYRINGS if os.path.exists(ring)), "")
        sources.write_text("".join(f"deb {signed}{line} main\n" for line in self._sources(suite)))
        self._status(home / "status")
        cmd = [words[0], "-o", f"Dir::Etc::sourcelist={sources}", "-o", f"Dir::State::lists={home}/lists",
               "-o", f"Dir::State::status={home}/status", "-o", f"Dir::Cache={home}/cache", "-qq", *words[1:]]
        if self.architecture:
            cmd[1:1] = ["-o", f"APT::Architecture={self.architecture}", "-o", f"APT::Architectures={self.architecture}"]
        env = dict(os.environ, APT_CONFIG=str(self.conf), LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
        return subprocess.Popen(cmd, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def _update(self, suite):
        """Fetch the suite's index unless it is fresh; tell whether there is one to use."""
        stamp = self._home(suite) / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH:
            return True
        child = self._run(suite, "apt-get", "update")
        output, _ = child.communicate()
        errors = [line for line in output.splitlines() if line.startswith(("E:", "W:", "Err:"))]
        if child.returncode != 0 or any("Failed" in line or "not signed" in line for line in errors):
            reason = errors[0][2:].strip() if errors else f"apt-get ended with {child.returncode}"
            warn(f"skipping {self._name(suite)}: {reason}")
            return False
        stamp.touch()
        return True

    def newest(self, package, wanted, suites=SUITES):
        """The newest version for which `wanted(version)` is true among all suites, or None."""
        found = []
        count = f"{len(suites)} Debian suites" if len(suites) > 1 else f"Debian's {suites[0]}"
        with Progress(f"looking for {package} in {count}", len(suites)) as shown:
            for number, suite in enumerate(suites):
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
            _cannot_download(f"{candidate.package} {candidate.version}", child)
        # apt writes %3a for the colon of an epoch, which make and tar would misread later.
        target = directory / debs[0].name.replace("%3a", "_")
        debs[0].replace(target)
        subprocess.run(["rm", "-rf", str(part)], check=True)
        return target


class HostApt(PrivateApt):
    """The host's own suites and the backports for it, in a state that knows what the host has.

    So it tells what a package needs beyond that, and what it downloads runs with the host's libraries.
    """

    def __init__(self, codename):
        super().__init__()
        self.backports = f"{codename}-backports"

    def _name(self, suite):
        return f"the {suite}'s suites and {self.backports}"

    def _sources(self, suite):
        found = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                                "Created-By: Packages"], capture_output=True, text=True, check=False)
        lines = {line.strip() for line in found.stdout.splitlines()
                 if re.search(r"/debian(-security)?/? \S", line)}
        return sorted(lines | {f"{self.mirror} {self.backports}"})

    def _status(self, status):
        shutil.copyfile(HOST_STATUS, status)

    def download_with_needs(self, package):
        """The .debs of a package, from the backports if these have it, and of what it needs that the
        host lacks; None when there is no such package, or nothing to download from."""
        if not self._update("host"):
            return None
        install = ("apt-get", "install", "-y", "--no-install-recommends", "-t", self.backports, package)
        plan = self._run("host", *install, "--print-uris")
        uris = re.findall(r"^'\S+' (\S+) (\d+)", plan.communicate()[0], re.MULTILINE)
        if plan.returncode != 0 or not uris:
            return None
        archives = self.top / "host" / "cache" / "archives"
        label = f"download {package} and what it needs ({len(uris)} packages)"
        with Progress(label, sum(int(size) for _, size in uris), "B") as shown:
            child = self._run("host", *install, "--download-only")
            while child.poll() is None:
                time.sleep(0.3)
                shown.update(sum(file.stat().st_size for file in _files(archives)))
            if child.returncode != 0:
                shown.failed()
        if child.returncode != 0:
            _cannot_download(package, child)
        return [archives / name for name, _ in uris]


def _cannot_download(what, child):
    """End with the last thing that apt said."""
    say("  | " + (child.stdout.read().strip().splitlines() or ["apt-get said nothing"])[-1])
    fail(f"cannot download {what}", "check the network and run it again, or name another mirror with MIRROR=URL")


def _files(directory):
    """The regular files below a directory that apt is writing to."""
    for path in Path(directory).rglob("*"):
        try:
            if path.is_file():
                yield path
        except OSError:
            continue
