# SPDX-License-Identifier: GPL-2.0
"""Python's unittest, told in TAP: one line a test, as soon as it is known."""

import sys
import unittest


class TapResult(unittest.TestResult):
    """Prints each result and counts them."""

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


def _every_test(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _every_test(item)
        else:
            yield item


def run(directory, words, top=None):
    """Run the tests of test_*.py there, those with one of the words in the name if there are words;
    return the exit status."""
    found = unittest.TestLoader().discover(str(directory), "test_*.py", top_level_dir=top and str(top))
    chosen = [test for test in _every_test(found)
              if not words or any(word.lower() in test.id().lower() for word in words)]
    print(f"TAP version 13\n1..{len(chosen)}", flush=True)
    result = TapResult(sys.stdout)
    unittest.TestSuite(chosen).run(result)
    bad = result.number - result.good - result.skips
    print(f"# {result.good} passed, {bad} failed, {result.skips} skipped")
    return 1 if bad or result.number < len(chosen) or not chosen else 0
