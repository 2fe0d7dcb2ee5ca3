# SPDX-License-Identifier: GPL-2.0
"""The litmus tests, by herd7 and the kernel's memory model: each has the result that it says."""

import re

import kbuild.herd7

from ..paths import REPO
from .context import Skipped, output

RESULT = re.compile(r"^ \* Result: (Never|Sometimes|Always)$", re.M)
OBSERVATION = re.compile(r"^Observation (\S+) (Never|Sometimes|Always) ")


def litmus(context):
    """herd7's answer for each test of Documentation/litmus-tests."""
    tests = context.named(".litmus")
    if not tests:
        return ["there are no litmus tests"]
    herd7, why = kbuild.herd7.find()
    if herd7 is None:
        raise Skipped(why)
    return [problem for path in tests for problem in problems(herd7, context.tree / "tools/memory-model", path)]


def expected(path):
    """What a test says of itself."""
    return RESULT.findall(path.read_text(encoding="utf-8"))


def problems(herd7, model, path):
    """What is wrong with one test, if anything is."""
    name = path.relative_to(REPO)
    results = expected(path)
    if len(results) != 1:
        return [f"{name}: one line ` * Result: ...' is wanted, {len(results)} are there"]
    # The model's files are found from where herd7 runs.
    status, lines = output([herd7, "-conf", "linux-kernel.cfg", path], cwd=model)
    found = [match for match in map(OBSERVATION.match, lines) if match]
    if status or len(found) != 1:
        return [f"{name}: herd7 has no answer:", *lines[-5:]]
    if found[0].group(1) != path.stem:
        return [f"{name}: the test is called {found[0].group(1)}"]
    if found[0].group(2) != results[0]:
        return [f"{name}: herd7 says {found[0].group(2)}, the file says {results[0]}"]
    return []
