# SPDX-License-Identifier: GPL-2.0
"""Making one mistake in a copy of the sources, and undoing it."""

import contextlib
import shutil

from .paths import REPO
from .speak import fail


def copy(parts, place):
    """Copy files and directories of this checkout, with the links between them."""
    for part in parts:
        if (REPO / part).is_dir():
            ignore = shutil.ignore_patterns("target", "__pycache__")
            shutil.copytree(REPO / part, place / part, symlinks=True, ignore=ignore)
        else:
            shutil.copy2(REPO / part, place / part)


def mutated(source, mutation, table):
    """The source with the mutation made, wherever rustfmt breaks the lines."""
    kept = [i for i, char in enumerate(source) if not char.isspace()]
    dense, old = ("".join(text.split()) for text in (source, mutation.old))
    found = dense.find(old)
    if found < 0:
        fail(f"`{mutation.name}` no longer fits src/{mutation.file}", f"adapt it in {table}")
    begin, end = kept[found], kept[found + len(old) - 1] + 1
    return source[:begin] + mutation.new.lstrip() + source[end:]


@contextlib.contextmanager
def made(mutation, place, table):
    """The mutation, for as long as the context lasts."""
    path = place / "src" / mutation.file
    source = path.read_text()
    path.write_text(mutated(source, mutation, table))
    try:
        yield
    finally:
        path.write_text(source)


def in_words(tests):
    """The first two tests that noticed, and how many more there are; None for none."""
    if not tests:
        return None
    more = f" and {len(tests) - 2} more" if len(tests) > 2 else ""
    return ", ".join(tests[:2]) + more
