# SPDX-License-Identifier: GPL-2.0
"""Python's unittest, told in TAP: one line a test, as soon as it is known."""

import multiprocessing
import unittest
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple


class Told(NamedTuple):
    """What is said of one test."""

    name: str
    verdict: str        # "ok", "not ok", "skipped"
    said: str = ""      # why, if it is not "ok"


class Listener(unittest.TestResult):
    """Hands on each result."""

    def __init__(self, tell):
        super().__init__()
        self.tell = tell

    def _tell(self, test, verdict, said=""):
        self.tell(Told(test.id().split(".", 1)[-1], verdict, said))

    def addSuccess(self, test):
        super().addSuccess(test)
        self._tell(test, "ok")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._tell(test, "skipped", reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._tell(test, "not ok", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        super().addError(test, err)
        self._tell(test, "not ok", self._exc_info_to_string(err, test))


def _every_test(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _every_test(item)
        else:
            yield item


# A test is not to be sent to another process: each has the list since it was forked.
_chosen = []


def _one(index):
    told = []
    unittest.TestSuite([_chosen[index]]).run(Listener(told.append))
    return told


def _all(jobs, tell):
    if jobs == 1:
        unittest.TestSuite(_chosen).run(Listener(tell))
        return
    # Not a Pool, which waits for ever for what a process was to do that died.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool:
        for done in as_completed([pool.submit(_one, index) for index in range(len(_chosen))]):
            for told in done.result():
                tell(told)


def run(directory, words, top=None, jobs=1):
    """Run the tests of test_*.py there, those with one of the words in the name if there are words;
    return the exit status. Several jobs are as many processes, of which each runs a test at a time."""
    found = unittest.TestLoader().discover(str(directory), "test_*.py", top_level_dir=top and str(top))
    _chosen[:] = [test for test in _every_test(found)
                  if not words or any(word.lower() in test.id().lower() for word in words)]
    print(f"TAP version 13\n1..{len(_chosen)}", flush=True)
    counts = {"ok": 0, "not ok": 0, "skipped": 0}

    def tell(told):
        counts[told.verdict] += 1
        number = sum(counts.values())
        if told.verdict == "skipped":
            print(f"ok {number} - {told.name} # SKIP {told.said}", flush=True)
            return
        for line in told.said.splitlines():
            print(f"# {line}")
        print(f"{told.verdict} {number} - {told.name}", flush=True)

    try:
        _all(jobs, tell)
    except BrokenProcessPool:
        print("Bail out! a process that ran a test has died", flush=True)
    bad = counts["not ok"]
    print(f"# {counts['ok']} passed, {bad} failed, {counts['skipped']} skipped")
    return 1 if bad or sum(counts.values()) < len(_chosen) or not _chosen else 0
