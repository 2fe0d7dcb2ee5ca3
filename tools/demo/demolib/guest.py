# SPDX-License-Identifier: GPL-2.0
"""Runs the jobs in a guest and takes down what they and the counters say."""

import os
import subprocess
import sys

from lib.console import Progress, fail, say

TOOLS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPOSITORY = os.path.dirname(TOOLS)

JOBS = {
    "direct": "O_DIRECT copy, {threads} threads",
    "uring": "io_uring copy, fixed buffers",
    "splice": "vmsplice + splice copy",
    "churn": "O_DIRECT beside mmap/munmap",
}
MODES = {"loaded": "module loaded", "unloaded": "module unloaded"}

# What each step takes of the whole, in tenths of a second of an emulated guest.
# Only the estimate of the time left depends on it.
WEIGHTS = {"boot": 40, "direct": 8, "uring": 8, "splice": 12, "churn": 60, "check": 40}


def artifacts(arch, flavour):
    """The runner's view of what was prepared; made first if missing."""
    sys.path.insert(0, os.path.join(TOOLS, "vm"))
    from vmlib import artifacts as made
    from vmlib.trouble import Trouble
    try:
        return made.load(arch, flavour)
    except Trouble as trouble:
        fail(trouble.message, trouble.hint)


class Job:
    """One job in one mode: how long, what copy, counters before and after."""

    def __init__(self):
        self.milliseconds = None
        self.sha256 = None
        self.before, self.after = {}, {}

    def delta(self, *key):
        """How much a counter grew; a counter that is not there did not."""
        return self.after.get(key, 0) - self.before.get(key, 0)


class Results:
    """Everything one boot said, by (mode, job)."""

    def __init__(self, digest):
        self.digest = digest
        self.jobs = {}
        self.status = None
        self.failed = None

    def total(self, mode, *key):
        return sum(job.delta(*key) for (where, _), job in self.jobs.items() if where == mode)

    def last(self, mode, *key):
        """A counter's last value: for those that only keep the highest."""
        values = [job.after[key] for (where, _), job in self.jobs.items()
                  if where == mode and key in job.after]
        return values[-1] if values else None

    def sites(self, mode):
        return sorted({key[0] for (where, _), job in self.jobs.items() if where == mode
                       for key in job.after if key[0] not in ("vmstat", "all")})


class Reader:
    """The guest's lines, those with @ for us and the others for people."""

    def __init__(self, results, size, chunk_bytes, shown):
        self.results = results
        self.bytes = {"churn": chunk_bytes}
        self.size = size
        self.shown = shown
        self.finished = 0
        self.weight = WEIGHTS["boot"]
        self.job = None
        self.mode = self.name = None

    def line(self, line):
        if not line.startswith("@"):
            if line:
                say("    " + line)
            return
        word, *rest = line[1:].split()
        getattr(self, "on_" + word)(*rest)

    def on_step(self, mode, name):
        self.finished += self.weight
        self.weight = WEIGHTS[name]
        self.mode, self.name = mode, name
        self.shown.update(self.finished)
        if name != "check":
            self.job = self.results.jobs[mode, name] = Job()

    def on_progress(self, done):
        share = int(done) / self.bytes.get(self.name, self.size)
        self.shown.update(self.finished + self.weight * min(share, 1))

    def on_before(self, site, key, value="0"):
        self.job.before[site, key] = int(value)

    def on_after(self, site, key, value="0"):
        self.job.after[site, key] = int(value)

    def on_took(self, milliseconds):
        self.job.milliseconds = int(milliseconds)

    def on_sha256(self, digest):
        self.job.sha256 = digest

    def on_failed(self, name):
        self.results.failed = (self.mode, name)


def run(options, built, image, size, digest, threads, chunks):
    words = [os.path.join(TOOLS, "vm", "run"), "--arch", options.arch,
             "--flavour", options.flavour, "--smp", str(threads), "--disk", image,
             "--add", f"{built}:/demo", "--", "/demo/job.sh", "file", str(threads), str(chunks)]
    results = Results(digest)
    total = WEIGHTS["boot"] + 2 * (sum(WEIGHTS.values()) - WEIGHTS["boot"]
                                   + 2 * WEIGHTS["check"])
    with Progress("    guest at work", total) as shown:
        reader = Reader(results, size, threads * chunks * (256 << 10), shown)
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True, errors="replace") as guest:
            try:
                for line in guest.stdout:
                    reader.line(line.rstrip("\n"))
            finally:
                if guest.poll() is None and sys.exc_info()[0] is not None:
                    guest.terminate()
        results.status = guest.returncode
        if results.status:
            shown.failed()
    if results.status:
        where = f"{JOBS.get(reader.name, 'check of the copy')}, {MODES.get(reader.mode, 'boot')}"
        fail(f"the guest failed with status {results.status} ({where.format(threads=threads)})",
             "see the lines above; look around with: make shell")
    return results
