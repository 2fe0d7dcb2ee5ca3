# SPDX-License-Identifier: GPL-2.0
"""The tests that run on this machine: cargo's, and those of the tools."""

import os
import re
import shutil
import subprocess
import sys

from lib.console import fail
from lib.paths import REPO

from .ktap import Result, Stream

CARGO_TEST = re.compile(r"^test (.+?) \.\.\. (ok|FAILED|ignored)(?:, (.*))?$")
CARGO_END = re.compile(r"^test result: (ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored")
# The crate's name is that of its program: deps/NAME-HASH.
CARGO_SUITE = re.compile(r"^\s+(?:Running .*/deps/(\S+)-[0-9a-f]+\)|Doc-tests (\S+))")


def _lines(words, cwd, settings=None):
    """Every line the command prints; at the end its exit status."""
    env = dict(os.environ, CARGO_TERM_COLOR="never", **(settings or {}))
    child = subprocess.Popen(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for raw in child.stdout:
            yield raw.decode("utf-8", "replace").rstrip("\n")
        yield child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def cargo(report):
    """cargo test of tools/host, test by test; its totals must agree."""
    where = REPO / "tools" / "host"
    words = ["cargo", "test", "--workspace", "--no-fail-fast"]
    repeat = "cd tools/host && " + " ".join(words)
    report.heading("host: " + repeat)
    if shutil.which("cargo") is None:
        fail("cargo is not here", "install Rust with rustup, or run: make setup")
    suite, said, status = "host", [], 0
    counted, failed, told = 0, 0, 0
    for line in _lines(words, where):
        if isinstance(line, int):
            status = line
            continue
        test, end, start = CARGO_TEST.match(line), CARGO_END.match(line), CARGO_SUITE.match(line)
        if start:
            suite = start.group(1) or start.group(2) + " (doc)"
        elif test:
            name, verdict, why = test.groups()
            counted += 1
            failed += verdict == "FAILED"
            report.add(Result(f"host {suite}", name,
                              {"ok": "passed", "FAILED": "failed"}.get(verdict, "skipped"),
                              why or ("ignored" if verdict == "ignored" else "")), repeat)
        elif end:
            told += sum(int(end.group(i)) for i in (2, 3, 4))
        else:
            said.append(line)
            del said[:-60]
    if failed:
        # What the failed tests printed comes after all of them.
        for line in said:
            report.say(f"          | {line}")
    if (status and not failed) or not told:
        reason = f"cargo test ended with status {status}"
    elif told != counted:
        reason = f"cargo told of {told} tests, {counted} were seen"
    else:
        return
    report.add(Result("host", "cargo test", "failed", reason, said=said), repeat)


def fuzz(report):
    """The walk under libFuzzer, for a bounded number of cases."""
    _tap(report, "host-fuzz", "tools/host/fuzz/run")


def prepare(report):
    """The tests of tools/kernel."""
    _tap(report, "prepare", "tools/kernel/test")


def bench(report):
    """The tests of tools/bench."""
    _tap(report, "bench", "tools/bench/test")


def runner(report, arch):
    """The tests of tools/vm/run, with guests of one architecture."""
    _tap(report, "runner", "tools/vm/test_run.py", {"ARCH": arch})


def _tap(report, suite, program, env=None):
    """A Python program whose tests speak TAP."""
    settings = [f"{key}={value}" for key, value in (env or {}).items()]
    repeat = " ".join([*settings, f"python3 {program}"])
    report.heading(f"{suite}: {repeat}")
    stream = Stream(suite)
    status = 0
    for line in _lines([sys.executable, str(REPO / program)], REPO, env):
        if isinstance(line, int):
            status = line
            continue
        result = stream.line(line)
        if result is not None:
            report.add(result, f"{repeat} {result.name.rsplit('.', 1)[-1]}")
    for result in stream.end(status):
        report.add(result, repeat)
