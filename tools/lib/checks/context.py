# SPDX-License-Identifier: GPL-2.0
"""What the checks look at: the files of this repository and one finished build."""

import os
import subprocess

from ..paths import REPO

# A file that checkpatch leaves in the directory where it is run.
LEFTOVER = ".checkpatch-camelcase."
SKIPPED = {".git", "build", "target", "__pycache__"}


class Skipped(Exception):
    """A check cannot be made on this host; the text says why, and what to do about it."""


class Context:
    """The repository's own files, and the build whose flags and sources are used."""

    def __init__(self, build):
        self.build = build
        self.tree = build.tree.path
        self.paths = sorted(_own_files())

    def named(self, *suffixes, under=""):
        """Our files with one of these suffixes, below a directory of the repository."""
        return [path for path in self.paths
                if path.suffix in suffixes and str(path.relative_to(REPO)).startswith(under)]

    def scripts(self, *interpreters):
        """Our files whose first line names one of these interpreters."""
        return [path for path in self.paths if _interpreter(path) in interpreters]


def _own_files():
    for top, directories, files in os.walk(REPO):
        directories[:] = [name for name in directories if name not in SKIPPED]
        # In a worktree of git, .git is a file.
        for name in set(files) - SKIPPED:
            path = REPO / os.path.relpath(os.path.join(top, name), REPO)
            if not name.startswith(LEFTOVER) and path.is_file() and not path.is_symlink():
                yield path


def _interpreter(path):
    with open(path, "rb") as file:
        first = file.readline(100).decode("utf-8", "replace")
    if not first.startswith("#!"):
        return None
    return os.path.basename(first[2:].split()[-1]) if first[2:].split() else None


def output(cmd, **options):
    """A command's status and the lines it printed, both streams in their order."""
    done = subprocess.run([str(word) for word in cmd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False, **options)
    return done.returncode, done.stdout.splitlines()
