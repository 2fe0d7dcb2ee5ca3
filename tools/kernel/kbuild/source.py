# SPDX-License-Identifier: GPL-2.0
"""Where the kernel's source comes from: Debian's package, or KSRC= (a tree, a git checkout, a tarball)."""

import os
import re
import subprocess
from functools import cmp_to_key
from pathlib import Path

from lib.console import Progress, fail, run_logged, say
from lib.paths import LOGS, cache

from . import apt, hashing

SERIES = "7.3"
PACKAGE = f"linux-source-{SERIES}"
TARBALL = re.compile(r"\.tar(\.(xz|gz|bz2|zst))?$")
# tar reads records of this size; a checkpoint every RECORDS of them moves the progress.
RECORD, RECORDS = 10240, 500


class Tarball:
    """A source that is one archive with one directory at its top."""

    def __init__(self, path, identity=None):
        self.path = path
        self.tarball = path
        self.name = TARBALL.sub("", path.name)
        self.identity = identity or hashing.of_file(path)

    def unpack(self, target):
        """Put the tree at `target`, an empty directory."""
        pack = {".xz": "xz -T0", ".zst": "zstd -T0", ".gz": "gzip", ".bz2": "bzip2"}.get(self.path.suffix)
        cmd = ["tar", "-x", "-f", self.path, "-C", target, "--strip-components=1", "--no-same-owner",
               f"--checkpoint={RECORDS}", "--checkpoint-action=echo"]
        if pack:
            cmd[1:1] = ["-I", pack]
        run_logged(cmd, LOGS / "unpack.log", f"unpack {self.path.name}", self._size() // (RECORD * RECORDS),
                   env=dict(os.environ, LC_ALL="C"), progress=lambda line: "checkpoint" in line,
                   hint="the archive may be damaged or the disk full; remove it and run it again")

    def _size(self):
        """How much there is to unpack."""
        if self.path.suffix == ".xz":
            listed = subprocess.run(["xz", "--robot", "--list", str(self.path)], capture_output=True, text=True,
                                    check=False)
            for line in listed.stdout.splitlines():
                if line.startswith("totals"):
                    return int(line.split("\t")[4])
        return self.path.stat().st_size * 9


class Tree:
    """A source that is somebody's directory: it is copied and never written to."""

    tarball = None

    def __init__(self, path):
        self.path = path
        self.name = path.name
        self.git = (path / ".git").exists()
        self.identity = self._git_state() if self.git else self._file_state()

    def _listed(self):
        """What belongs to a git checkout: tracked files as they are now, and new files not ignored."""
        out = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return [name for name in out.split("\0") if name and os.path.lexists(self.path / name)]

    def _git(self, *words):
        # The checkout may belong to another user, which git refuses to read unless told.
        cmd = ["git", "-c", f"safe.directory={self.path}", "-C", str(self.path), *words]
        done = subprocess.run(cmd, capture_output=True, check=False)
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            fail(f"git cannot read {self.path}: {reason[-1]}", "give a readable checkout with KSRC=")
        return done.stdout.decode("utf-8", "surrogateescape")

    def _git_state(self):
        new = self._git("ls-files", "-z", "--others", "--exclude-standard").split("\0")
        new = [name for name in new if name and (self.path / name).is_file()]
        parts = [self._git("rev-parse", "HEAD"), self._git("diff", "HEAD", "--binary")]
        for name in new:
            parts += [name, hashing.of_file(self.path / name)]
        return hashing.of_texts(*parts)

    def _file_state(self):
        """Names, sizes and times of all files: hashing the contents would take a minute each time."""
        parts = []
        for top, directories, files in os.walk(self.path):
            directories.sort()
            for name in sorted(files):
                stat = os.lstat(os.path.join(top, name))
                parts.append(f"{os.path.relpath(top, self.path)}/{name} {stat.st_size} {stat.st_mtime_ns}")
        return hashing.of_texts(*parts)

    def unpack(self, target):
        """Copy the tree to `target`, an empty directory."""
        names = self._listed() if self.git else None
        total = len(names) if names else None
        cmd = ["rsync", "-a", "--out-format=%n", "--no-owner", "--no-group"]
        listing = target.with_name(target.name + ".files")
        try:
            if names is not None:
                listing.write_bytes(b"\0".join(os.fsencode(name) for name in names))
                cmd += ["--from0", f"--files-from={listing}"]
            run_logged([*cmd, f"{self.path}/", f"{target}/"], LOGS / "unpack.log", f"copy {self.path}", total)
        finally:
            if listing.exists():
                listing.unlink()
        if (target / ".config").exists() or (target / "include/config").exists():
            # O= builds want a source in which nothing was ever built.
            run_logged(["make", "-C", target, "mrproper"], LOGS / "mrproper.log", "clean the copied tree")


def choose(refresh=False):
    """The source to use: KSRC= if given, else Debian's package, downloaded once."""
    given = os.environ.get("KSRC")
    if not given:
        return _debian(refresh)
    path = Path(given).expanduser().resolve()
    if path.is_file() and TARBALL.search(path.name):
        return Tarball(path)
    if (path / "Kbuild").is_file() and (path / "MAINTAINERS").is_file():
        return Tree(path)
    fail(f"KSRC={given} is neither a kernel tree nor a tarball of one",
         f"give an unpacked {SERIES} tree, a git checkout or a .tar.xz")


def _debian(refresh):
    """The newest point release in the cache; the network only when there is none, or to refresh."""
    directory = cache() / "download"
    have = sorted(directory.glob(f"{PACKAGE}_*.tar.xz"),
                  key=lambda path: cmp_to_key(apt.compare)(_version(path)))
    if have and not refresh:
        return Tarball(have[-1])
    found = apt.PrivateApt().newest(PACKAGE, lambda version: version.startswith((SERIES + ".", SERIES + "~",
                                                                                 SERIES + "-")))
    if not found and not have:
        fail(f"no Debian suite has {PACKAGE}", "give a kernel tree or tarball with KSRC=")
    if not found or (have and apt.compare(found.version, _version(have[-1])) <= 0):
        say(f"{have[-1].name} is the newest")
        return Tarball(have[-1])
    deb = apt.PrivateApt().download(found, directory)
    return Tarball(_take_tarball(deb, directory / f"{PACKAGE}_{found.version.replace(':', '_')}.tar.xz"))


def _version(path):
    return path.name[len(PACKAGE) + 1:-len(".tar.xz")]


def _take_tarball(deb, target):
    """Keep the kernel's tarball out of the package; it is all there is in it."""
    part = target.with_name(f".part-{target.name}")
    with Progress(f"take the tarball out of {deb.name}", deb.stat().st_size, "B") as shown:
        with open(part, "wb") as out:
            pack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
            take = subprocess.Popen(["tar", "-x", "-O", "-f", "-", f"./usr/src/{PACKAGE}.tar.xz"],
                                    stdin=pack.stdout, stdout=out)
            pack.stdout.close()
            while take.poll() is None:
                try:
                    take.wait(timeout=0.3)
                except subprocess.TimeoutExpired:
                    shown.update(part.stat().st_size)
        shown.done = part.stat().st_size
        if take.returncode != 0 or pack.wait() != 0:
            shown.failed()
            part.unlink()
            fail(f"{deb} is not a {PACKAGE} package", "remove it and run it again")
    part.replace(target)
    deb.unlink()
    return target
