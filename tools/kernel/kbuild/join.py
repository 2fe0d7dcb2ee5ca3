# SPDX-License-Identifier: GPL-2.0
"""Join this repository to a prepared tree: the repository root *is* its directory mm/fast_gup."""

import json
import os

from lib.console import fail, say
from lib.paths import REPO

MODULE = "mm/fast_gup"
SELFTESTS = "tools/testing/selftests/fast_gup"
RECORD = ".fast_gup-joined"


def links():
    """What the tree has to link to: {path in the tree: path in this repository}."""
    wanted = {MODULE: REPO}
    for header in sorted((REPO / "include").rglob("*.h")):
        wanted[str(header.relative_to(REPO))] = header
    if (REPO / SELFTESTS).is_dir():
        wanted[SELFTESTS] = REPO / SELFTESTS
    return {name: str(path) for name, path in wanted.items()}


def join(tree):
    """Make the tree's links point here.

    A link is made anew only when it points elsewhere: kbuild runs with make's -L, which takes a link's
    own time into account, so that a header of another checkout is noticed even when it is older.
    """
    record = tree / RECORD
    before = json.loads(record.read_text()) if record.exists() else {}
    wanted = links()
    if before and before.get(MODULE) != wanted[MODULE]:
        say(f"this cache was last used by the checkout {before.get(MODULE)}; switching it to {REPO}")
    for name in before.keys() - wanted.keys():
        if (tree / name).is_symlink():
            (tree / name).unlink()
    for name, target in wanted.items():
        path = tree / name
        if path.is_symlink():
            if os.readlink(path) == target:
                continue
            path.unlink()
        elif path.exists():
            fail(f"the source has a {name} of its own", "give a kernel tree without fast_gup with KSRC=")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    if before != wanted:
        record.write_text(json.dumps(wanted, indent=1) + "\n")
