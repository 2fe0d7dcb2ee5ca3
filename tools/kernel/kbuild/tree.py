# SPDX-License-Identifier: GPL-2.0
"""A prepared tree: source + series, kept in the cache under a key of both, joined to this checkout."""

import os
import shutil

from lib.console import say, warn
from lib.paths import cache

from . import hashing, join, series, source

KEEP = 2
STAMP = ".fast_gup-source"


class PreparedTree:
    """`path` is the tree, `key` names its content, `tarball` the archive it came from (or None)."""

    def __init__(self, path, key, tarball):
        self.path = path
        self.key = key
        self.tarball = tarball


def prepare(refresh=False):
    """Find the tree in the cache, or make it: all of it or nothing."""
    chosen = source.choose(refresh)
    key = hashing.of_texts(chosen.identity, series.key())
    place = cache() / "source"
    tree = place / key
    if not (tree / STAMP).exists():
        _make(chosen, tree)
    os.utime(tree / STAMP)
    _prune(place, tree)
    join.join(tree)
    return PreparedTree(tree, key, chosen.tarball)


def _make(chosen, tree):
    """Build the tree beside its place and rename it when it is whole."""
    say(f"kernel source: {chosen.name}")
    new = tree.with_name(f".new-{tree.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        chosen.unpack(new)
        series.apply(new, chosen.name)
        (new / STAMP).write_text(chosen.name + "\n")
        shutil.rmtree(tree, ignore_errors=True)
        new.replace(tree)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _prune(place, current):
    """Keep the newest trees: a source with a changed series is 2 GB, and old ones are soon useless."""
    trees = [path for path in place.iterdir() if (path / STAMP).exists()]
    trees.sort(key=lambda path: (path != current, -(path / STAMP).stat().st_mtime))
    for path in trees[KEEP:]:
        say(f"removing the old source tree {path.name}")
        remove(path)


def remove(path):
    """Remove a tree; renamed first, so that one half removed is never taken for whole."""
    gone = path.with_name(f".old-{path.name}")
    try:
        path.replace(gone)
        shutil.rmtree(gone)
    except OSError as err:
        warn(f"cannot remove {path}: {err.strerror}")
