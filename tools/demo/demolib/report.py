# SPDX-License-Identifier: GPL-2.0
"""The table at the end, and the judgement on it."""

from .guest import JOBS, MODES

SITES = {"direct_io": "direct I/O", "splice": "splice", "io_uring": "io_uring",
         "other": "other callers", "api": "the module's API"}

# Call sites that the jobs exercise, so that nothing served there is wrong.
EXPECTED = ("direct_io", "splice", "io_uring")

LABEL, COLUMN = 38, 30
PINS = ("nr_foll_pin_acquired", "nr_foll_pin_released")


def number(value):
    return f"{value:,}"


def row(label, loaded, unloaded):
    return f"{label:<{LABEL}}{loaded:>{COLUMN}}{unloaded:>{COLUMN}}".rstrip()


def _job(results, mode, name):
    job = results.jobs.get((mode, name))
    if job is None or job.milliseconds is None:
        return "did not end"
    if name == "churn":
        checked = "data ok"
    else:
        checked = "sha256 ok" if job.sha256 == results.digest else "sha256 WRONG"
    return f"{job.milliseconds / 1000:.2f} s, {checked}"


def _reasons(results, mode, site):
    """The reasons of the refusals, most frequent first."""
    found = {}
    for (where, _), job in results.jobs.items():
        if where != mode:
            continue
        for key in job.after:
            if key[0] == site and key[1].startswith("refused_"):
                reason = key[1][len("refused_"):]
                found[reason] = found.get(reason, 0) + job.delta(*key)
    return sorted(((count, reason) for reason, count in found.items() if count), reverse=True)


def _pins(results, mode):
    acquired, released = (results.total(mode, "vmstat", key) for key in PINS)
    sign = "=" if acquired == released else "IS NOT"
    return f"{number(acquired)} {sign} {number(released)}"


def _used_sites(results):
    """Sites worth a line: the expected ones, and others that saw a call."""
    return [site for site in SITES if site in EXPECTED
            or results.total("loaded", site, "calls")]


def table(results, size, threads):
    lines = [row(f"a file of {size / 1e6:.1f} MB on ext4", MODES["loaded"], MODES["unloaded"]),
             "-" * (LABEL + 2 * COLUMN)]
    for name, label in JOBS.items():
        lines.append(row(label.format(threads=threads), _job(results, "loaded", name),
                         _job(results, "unloaded", name)))
    lines += ["", row("pages served without a lock (fast_gup)",
                      number(results.total("loaded", "vmstat", "fast_gup")),
                      number(results.total("unloaded", "vmstat", "fast_gup")))]
    for site in _used_sites(results):
        lines.append(row(f"  {SITES[site]}", number(results.total("loaded", site, "pages")), "-"))
    lines += ["", row("calls fallen back (fast_gup_slow)",
                      number(results.total("loaded", "vmstat", "fast_gup_slow")),
                      number(results.total("unloaded", "vmstat", "fast_gup_slow")))]
    for site in _used_sites(results):
        slow = results.total("loaded", site, "slow_calls")
        calls = results.total("loaded", site, "calls")
        lines.append(row(f"  {SITES[site]}", f"{number(slow)} of {number(calls)}", "-"))
        for count, reason in _reasons(results, "loaded", site):
            lines.append(row(f"    because {reason}", number(count), ""))
    longest = results.last("loaded", "all", "longest_section")
    lines += ["", row("longest section (table entries)",
                      "-" if longest is None else number(longest), "-"),
              row("references taken and given back",
                  number(results.total("loaded", "all", "wasted")), "-"),
              row("pins acquired = released", _pins(results, "loaded"),
                  _pins(results, "unloaded"))]
    return "\n".join(lines)


def check(results):
    """What is wrong, a line each; an empty list is a good demo."""
    wrong = []
    for mode in MODES:
        for name in JOBS:
            job = results.jobs.get((mode, name))
            what = f"{JOBS[name].split(',')[0]}, {MODES[mode]}"
            if job is None or job.milliseconds is None:
                wrong.append(f"{what}: did not end")
                continue
            if name != "churn" and job.sha256 != results.digest:
                wrong.append(f"{what}: the copy has sha256 {job.sha256}")
            acquired, released = (job.delta("vmstat", key) for key in PINS)
            if acquired != released:
                wrong.append(f"{what}: {acquired} pages pinned, {released} released")
            if acquired == 0:
                wrong.append(f"{what}: no page was pinned, the counters or the job do not work")
    for site in EXPECTED:
        if results.total("loaded", site, "pages") <= 0:
            wrong.append(f"module loaded: no page served without a lock for {SITES[site]}")
    if results.total("loaded", "vmstat", "fast_gup") <= 0:
        wrong.append("module loaded: fast_gup in /proc/vmstat did not grow")
    for key in ("fast_gup", "fast_gup_slow"):
        grown = results.total("unloaded", "vmstat", key)
        if grown:
            wrong.append(f"module unloaded: {key} in /proc/vmstat still grew by {grown}")
    return wrong


def summary(results, threads):
    served = results.total("loaded", "vmstat", "fast_gup")
    sites = results.sites("loaded")
    calls = sum(results.total("loaded", site, "calls") for site in sites)
    whole = sum(results.total("loaded", site, "fast_calls") for site in sites)
    reasons = sorted((entry for site in sites for entry in _reasons(results, "loaded", site)),
                     reverse=True)
    why = f", mostly because of \"{reasons[0][1]}\" entries" if reasons else ""
    return (f"The Rust walk found {number(served)} pages for the kernel's own direct I/O, splice and "
            f"io_uring without a lock,\nand answered {100 * whole / max(calls, 1):.1f} % of the "
            f"{number(calls)} calls alone; the rest went to the kernel's fallback{why}.\n"
            f"Every copy is right, with {threads} threads beside munmap too, and every pin was "
            "dropped.\n"
            "(The seconds are those of one run on this machine, perhaps emulated: no benchmark.)\n"
            "Next: `make shell` for a guest with the module loaded, `make test` for the proof.")
