# SPDX-License-Identifier: GPL-2.0
"""Where things are: this checkout, the cache, the artifacts."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
ARTIFACTS = REPO / "build" / "artifacts"
LOGS = REPO / "build" / "log"


def cache():
    """The cache directory: $CACHE, or ~/.cache/fast_gup."""
    chosen = os.environ.get("CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path.home() / ".cache" / "fast_gup"


def artifacts_file(name):
    """The KEY=VALUE file that tools/kernel/prepare writes for one guest, named ARCH-FLAVOUR."""
    return ARTIFACTS / f"{name}.env"
