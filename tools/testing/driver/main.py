# SPDX-License-Identifier: GPL-2.0
"""The order of things: the host first, then each architecture's guests."""

import json
import time

from lib.console import duration, fail
from lib.paths import REPO

from . import boot, build, host, plan
from .arguments import parse
from .report import Report

TIMES = REPO / "build" / "selftests" / "times.json"


def _times():
    try:
        return json.loads(TIMES.read_text())
    except (OSError, ValueError):
        return {}


def _remember(key, seconds):
    """For the estimate of the next run; losing it costs nothing."""
    times = _times()
    times[key] = round(seconds)
    try:
        TIMES.parent.mkdir(parents=True, exist_ok=True)
        TIMES.write_text(json.dumps(times, indent=1) + "\n")
    except OSError:
        pass


def _show(chosen):
    for arch, boots in chosen:
        for one, programs in boots:
            names = " ".join(program.name for program in programs)
            print(f"{arch} {one.name}: {one.why}\n    {names}")


def _guests(report, arch, boots, options):
    flavours = [plan.flavour_of(one, options) for one, _ in boots]
    # Every kernel first: what cannot be built is known before anything is tested.
    values = {flavour: build.prepared(arch, flavour) for flavour in dict.fromkeys(flavours)}
    built = tests = None
    for number, ((one, programs), flavour) in enumerate(zip(boots, flavours), 1):
        if flavour != built:
            tests = build.selftests(arch, values[flavour])
            built = flavour
        key = f"{arch}-{flavour}-{one.name}"
        whole = len(programs) == len(one.programs) and not any(p.part for p in programs)
        before = _times().get(key)
        still = f", {duration(before)} last time" if before and whole else ""
        report.heading(f"{arch} {flavour}, boot {number} of {len(boots)}: "
                       f"{one.name} ({one.why}){still}")
        start = time.monotonic()
        failed = report.counts["failed"]
        boot.run(report, arch, flavour, one, programs, tests)
        if whole and report.counts["failed"] == failed:
            _remember(key, time.monotonic() - start)


def main(argv):
    options = parse(argv)
    arches = options.arches.replace(",", " ").split()
    if not arches:
        fail("no architecture to test", 'for example --arches "x86_64"')
    chosen = [(arch, plan.chosen(arch, options)) for arch in arches]
    if options.list:
        _show(chosen)
        return 0

    report = Report(options.verbose)
    start = time.monotonic()
    if plan.on_host(options, "host"):
        host.cargo(report)
    if plan.on_host(options, "host-fuzz"):
        host.fuzz(report)
    if plan.on_host(options, "prepare"):
        host.prepare(report)
    if plan.on_host(options, "bench"):
        host.bench(report)
    if plan.on_host(options, "runner"):
        # Its tests boot the kernel: make it first, with progress shown.
        build.prepared(arches[0], "release")
        host.runner(report, arches[0])
    for arch, boots in chosen:
        if boots:
            _guests(report, arch, boots, options)
    report.say()
    report.say(f"All of it took {duration(time.monotonic() - start)}.")
    return report.summary()
