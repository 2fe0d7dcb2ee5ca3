#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of tools/vm/run, most of them with real boots; prints TAP.

  python3 tools/vm/test_run.py            all of them
  python3 tools/vm/test_run.py panic add  those with one of the words in the name
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from lib import tap  # noqa: E402

# Most of a test is a boot, which keeps one CPU busy.
JOBS = 2

if __name__ == "__main__":
    sys.exit(tap.run(HERE / "tests", sys.argv[1:], jobs=JOBS))
