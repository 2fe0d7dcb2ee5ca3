# SPDX-License-Identifier: GPL-2.0
"""The numbered series of patches: fits, fits with an offset, or stops with the patch and the hunk."""

import re
import subprocess

from lib.console import fail, say
from lib.paths import REPO

from . import hashing

PATCHES = REPO / "tools" / "kernel" / "patches"

CHECKING = re.compile(r"^(?:checking|patching) file '?([^' ]+)")
MOVED = re.compile(r"^Hunk #(\d+) succeeded at (\d+)(?: with fuzz (\d+))?(?: \(offset (-?\d+) lines?\))?")
FAILED = re.compile(r"^Hunk #(\d+) FAILED at (\d+)")
ODD = re.compile(r"^(Reversed \(or previously applied\)|The next patch would|can't find file|"
                 r"No file to patch|File .* is not empty|patch: \*\*\*\* )(.*)")


def patches():
    """The series in its order."""
    return sorted(PATCHES.glob("[0-9]*.patch"))


def key():
    """Changes when what the patches do, or their order, changes; a better commit message rebuilds nothing."""
    return hashing.of_texts(*(_diff(path) for path in patches()))


def _diff(path):
    """A patch without the mail around it."""
    text = path.read_text(errors="surrogateescape")
    start = re.search(r"^(diff --git |--- \S)", text, re.MULTILINE)
    body = text[start.start():] if start else text
    return re.sub(r"^-- \n.*\Z", "", body, flags=re.MULTILINE | re.DOTALL)


def apply(tree, name):
    """Apply the series to `tree`. A patch that does not fit ends the tool; the caller's tree is a scratch one."""
    series = patches()
    if not series:
        return
    for path in series:
        # First dry: patch would otherwise leave the hunks that fit and a heap of .rej files.
        done = _patch(tree, path, "--dry-run")
        if done.returncode != 0:
            _explain(path, done.stdout, name)
        done = _patch(tree, path)
        if done.returncode != 0:
            _explain(path, done.stdout, name)
        _notice(path, done.stdout)
    say(f"applied the series: {len(series)} patches")


def _patch(tree, path, *more):
    cmd = ["patch", "-p1", "--forward", "--batch", "--fuzz=2", "--no-backup-if-mismatch", "-r", "-", *more,
           "-i", str(path)]
    return subprocess.run(cmd, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)


def _notice(path, output):
    """Say where a patch had to be moved: still right most times, but a reader should know."""
    file = "?"
    for line in output.splitlines():
        found = CHECKING.match(line)
        if found:
            file = found.group(1)
        found = MOVED.match(line)
        if found and (found.group(3) or abs(int(found.group(4) or 0)) > 0):
            hunk, at, fuzz, offset = found.groups()
            how = f"offset {offset or 0}" + (f", fuzz {fuzz}" if fuzz else "")
            say(f"  {path.name}: {file} hunk {hunk} applied at line {at} ({how})")


def _explain(path, output, name):
    """End the tool with the patch, the file and the hunk."""
    file = "?"
    for line in output.splitlines():
        found = CHECKING.match(line)
        if found:
            file = found.group(1)
        if FAILED.match(line):
            hunk, at = FAILED.match(line).groups()
            what = f"{path.name} does not fit {name}: {file}, hunk {hunk} at line {at}"
            break
        if ODD.match(line):
            reason = line.rstrip(". ").replace("patch: **** ", "")
            what = f"{path.name} does not fit {name}: {file}: {reason}"
            break
    else:
        what = f"{path.name} does not fit {name}: {(output.strip().splitlines() or ['no output'])[-1]}"
    hint = f"rebase tools/kernel/patches/{path.name} on that source, or give one it fits with KSRC="
    if "previously applied" in output:
        hint = "the source has this change already: give a clean tree with KSRC="
    fail(what, hint)
