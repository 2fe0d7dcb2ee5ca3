#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of tools/vm/run, most of them with real boots; prints TAP.

  python3 tools/vm/test_run.py            all of them
  python3 tools/vm/test_run.py panic add  those with one of the words in the name
"""

import os
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)


class TapResult(unittest.TestResult):
    """One line a test, as soon as it is known."""

    def __init__(self, out):
        super().__init__()
        self.out = out
        self.number = 0
        self.good = 0
        self.skips = 0

    def _line(self, ok, test, directive=""):
        self.number += 1
        name = test.id().split(".", 1)[-1]
        print(f"{'ok' if ok else 'not ok'} {self.number} - {name}{directive}",
              file=self.out, flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.good += 1
        self._line(True, test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skips += 1
        self._line(True, test, f" # SKIP {reason}")

    def _bad(self, test, error):
        for line in self._exc_info_to_string(error, test).splitlines():
            print(f"# {line}", file=self.out)
        self._line(False, test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)


def every_test(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from every_test(item)
        else:
            yield item


def main(words):
    found = unittest.TestLoader().discover(os.path.join(HERE, "tests"), "test_*.py")
    chosen = [test for test in every_test(found)
              if not words or any(word.lower() in test.id().lower() for word in words)]
    print(f"TAP version 13\n1..{len(chosen)}", flush=True)
    result = TapResult(sys.stdout)
    unittest.TestSuite(chosen).run(result)
    bad = result.number - result.good - result.skips
    print(f"# {result.good} passed, {bad} failed, {result.skips} skipped")
    return 1 if bad or result.number < len(chosen) or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
