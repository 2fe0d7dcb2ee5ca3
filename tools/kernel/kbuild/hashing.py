# SPDX-License-Identifier: GPL-2.0
"""Content keys: short hashes of files, trees and texts."""

import hashlib
import json
import os

from lib.paths import cache

LENGTH = 12


def of_texts(*texts):
    """A key for some strings; the separator keeps ("ab", "c") and ("a", "bc") apart."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()[:LENGTH]


def of_file(path):
    """A file's SHA-256; big files are remembered by size and time, since hashing them takes a second."""
    stat = os.stat(path)
    if stat.st_size < 1 << 20:
        return _digest(path)
    table = cache() / "hashes.json"
    try:
        known = json.loads(table.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    name = os.path.realpath(path)
    mark = [stat.st_size, stat.st_mtime_ns]
    if known.get(name, [None])[:2] != mark:
        known[name] = mark + [_digest(path)]
        new = table.with_name(f".hashes.{os.getpid()}")
        new.write_text(json.dumps(known, indent=1))
        new.replace(table)
    return known[name][2]


def _digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def of_paths(root, *names):
    """A key for files and whole directories below `root`: names and contents, in a fixed order."""
    parts = []
    for name in names:
        top = root / name
        files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        for path in files:
            parts += [str(path.relative_to(root)), of_file(path)]
    return of_texts(*parts)
