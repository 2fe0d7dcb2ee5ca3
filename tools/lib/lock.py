# SPDX-License-Identifier: GPL-2.0
"""One run at a time on one cache."""

import contextlib
import fcntl
import time

from .progress import duration
from .speak import fail, say


@contextlib.contextmanager
def exclusive(path):
    """Hold an exclusive lock on `path`; say so when another run has it. The kernel drops it with us."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+", encoding="ascii")
    except OSError as err:
        fail(f"cannot use the cache {path.parent}: {err.strerror}", "choose another with CACHE=DIR")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that uses {path.parent}")
            start = time.monotonic()
            fcntl.flock(file, fcntl.LOCK_EX)
            say(f"the other run ended after {duration(time.monotonic() - start)}")
        yield
