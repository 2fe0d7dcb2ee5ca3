# SPDX-License-Identifier: GPL-2.0
"""From samples to rows: instructions of a page, and of a call."""

from .kinds import SECTIONS

# What one interrupt of the timer costs, at the most; rounds differ by such.
TICK = 4000
# By how much rounds may differ besides.
AGREE = 0.02
LIMIT = 512
OPS = {(False, "get"): "GET", (True, "get"): "PIN", (False, "put"): "put", (True, "put"): "unpin"}
# Released by the same function as in the rows of C.
SAME_RELEASE = {("put", "ours"), ("put", "provided"), ("unpin", "provided")}


def _groups(samples):
    """Rounds that count, by what they measure; and the clock's own share of each."""
    groups, clock = {}, []
    for one in samples:
        if one.round == 0 or one.section or one.timer or one.published is not None:
            continue
        if one.caller == "nothing":
            # Nothing is released: what remains is reading the clock.
            clock.append(one.put)
            continue
        groups.setdefault((one.memory, one.n, one.pin, one.caller), []).append(one)
    return groups, min(clock)


def make(samples):
    """The rows, and sentences about rounds that do not agree."""
    groups, clock = _groups(samples)
    rows, differing = [], []
    for (memory, n, pin, caller), rounds in groups.items():
        for phase in ("get", "put"):
            op = OPS[pin, phase]
            if (op, caller) in SAME_RELEASE:
                continue
            counts = sorted(getattr(one, phase) - clock for one in rounds)
            least, middle = counts[0], counts[len(counts) // 2]
            if middle - least > AGREE * least + TICK:
                differing.append(f"{op} {memory} n={n} {caller}: {least} to {counts[-1]} instructions")
            pages, entries = rounds[0].pages, rounds[0].entries
            calls = 1 if n == "whole" else pages // n
            rows.append({"op": op, "n": n, "memory": memory, "impl": caller,
                         "instructions_per_page": least / pages,
                         "instructions_per_call": least / calls,
                         "pages": pages, "entries": entries, "rounds": [count / pages for count in counts]})
    return rows, differing


def loop(samples):
    """Instructions of a call's share of the loop, which are part of every row."""
    empty = [one for one in samples if one.caller == "nothing" and one.n == 1 and one.round and not one.section
             and not one.timer and one.published is None]
    return min((one.get - one.put) / one.pages for one in empty) if empty else None


def lateness(samples):
    """How late an interrupt was in the one call for all of the memory: {op: {caller: instructions}}."""
    found = {}
    for one in samples:
        if one.timer and one.round and one.caller != "nothing":
            callers = found.setdefault(OPS[one.pin, "get"], {})
            callers[one.caller] = max(callers.get(one.caller, 0), one.late)
    return found


def section_cost(samples, rows, memory):
    """What sections of the usual length cost, from calls with shorter ones.

    A call of P pages with sections of S entries takes a + b * P / S. The shortest sections and
    those of the usual length give b; the lengths between must agree.
    """
    found = {}
    for op, pin in (("GET", False), ("PIN", True)):
        for caller in ("ours", "ranges"):
            usual = next((row for row in rows if (row["op"], row["n"], row["memory"], row["impl"])
                          == (op, "whole", memory, caller)), None)
            at = {}
            for one in samples:
                if one.section and one.round and one.pin == pin and one.caller == caller:
                    at[one.section] = min(at.get(one.section, one.get), one.get)
            if usual is None or set(at) != set(SECTIONS):
                continue
            pages = usual["pages"]
            at[LIMIT] = usual["instructions_per_page"] * pages
            shortest = min(at)
            section = (at[shortest] - at[LIMIT]) / (pages / shortest - pages / LIMIT)
            of_all = section * pages / LIMIT
            worst = max(abs(at[LIMIT] + section * (pages / length - pages / LIMIT) - value) / value
                        for length, value in at.items())
            found.setdefault(op, {})[caller] = {"instructions": section, "share": of_all / (at[LIMIT] - of_all),
                                                "disagreement": worst}
    return found
