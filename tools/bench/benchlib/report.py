# SPDX-License-Identifier: GPL-2.0
"""The tables, for the terminal and for Documentation/performance.rst."""

from .kinds import CALLERS

OPS = ("GET", "PIN", "put", "unpin")


def number(value):
    """Three digits that mean something."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 1:
        return f"{value:.1f}"
    return f"{value:.3f}" if value >= 0.01 else f"{value:.2g}"


def ratio(value):
    """Three digits, too: those of 1.02 are about C."""
    return number(value) if value is None or value < 1 else f"{value:.2f}"


def instructions(made, ops=OPS, numbers=None):
    """A table's head and lines: instructions of a page, and beside the C what part of it is left."""
    rows = {(row["op"], row["n"], row["memory"], row["impl"]): row for row in made["rows"]}
    order = []
    for row in made["rows"]:
        key = (row["op"], row["n"], row["memory"])
        if key not in order and row["op"] in ops and (numbers is None or row["n"] in numbers):
            order.append(key)
    memories = list(dict.fromkeys(memory for _, _, memory in order))
    order.sort(key=lambda key: (memories.index(key[2]), OPS.index(key[0])))
    lines = []
    for op, n, memory in order:
        values = [rows.get((op, n, memory, impl), {}).get("instructions_per_page") for impl in CALLERS]
        reference = values[0]
        ratios = [value / reference if value is not None and reference else None for value in (values[1], values[3])]
        lines.append([memory, op, str(n), *map(number, values), *map(ratio, ratios)])
    return ["memory", "call", "n", *CALLERS, "ours/C", "ranges/C"], lines


def locked(made, numbers=(1, 512)):
    """The same of instructions that lock memory."""
    head, lines = ["memory", "call", "n", *CALLERS], []
    rows = {(row["op"], row["n"], row["memory"], row["impl"]): row for row in made["rows"] if "locked_per_page" in row}
    for row in made["rows"]:
        if row["impl"] != "C" or row["n"] not in numbers or "locked_per_page" not in row:
            continue
        values = [rows.get((row["op"], row["n"], row["memory"], impl), {}).get("locked_per_page") for impl in CALLERS]
        lines.append([row["memory"], row["op"], str(row["n"]), *("" if value is None else f"{value:.3f}" for value in values)])
    return head, lines


def sections(made):
    """How long interrupts are off in a call for all of the base pages, and what sections cost."""
    head, lines = ["call", "caller", "longest", "of C", "a section", "cost"], []
    late, cost = made["sections"].get("late", {}), made["sections"].get("cost", {})
    for op, callers in late.items():
        for caller, worst in callers.items():
            mine = cost.get(op, {}).get(caller)
            lines.append([op, caller, str(worst), f"1/{callers['C'] / worst:.0f}" if caller != "C" and worst else "",
                          f"{mine['instructions']:.0f}" if mine else "", f"{mine['share']:.2%}" if mine else ""])
    return head, lines


def direct_io(made):
    """Reads a second beside the writer."""
    head, lines = ["threads", "bytes", "C", "ours", "ours/C", "rounds, C", "rounds, ours"], []
    rows = {(row["threads"], row["bytes"], row["impl"]): row for row in made["direct_io"].get("rows", ())}
    for nr, size, impl in rows:
        if impl == "C" and (nr, size, "ours") in rows:
            pair = [rows[nr, size, one] for one in ("C", "ours")]
            spread = [f"{min(one['rounds']):.0f}-{max(one['rounds']):.0f}" for one in pair]
            lines.append([str(nr), str(size), *(f"{one['reads_per_second']:.0f}" for one in pair),
                          f"{pair[1]['reads_per_second'] / pair[0]['reads_per_second']:.2f}", *spread])
    return head, lines


def _size(kilobytes):
    return f"{kilobytes >> 10}M" if kilobytes >= 1024 else f"{kilobytes}K"


def collapses(made):
    """What a gigabyte takes, as it was and with walks published; counts of interrupts are the kernel's own."""
    head = ["folios", "walkers", "sleepers", "interrupts", "published", "broadcast", "targeted", "skipped", "ms", "published",
            "munmap ms", "published"]
    found = made.get("walk_flag", {}).get("rows", ())
    rows = {(row["kilobytes"], row["walkers"], row["sleepers"], row["published"]): row for row in found}
    lines = []
    for kilobytes, walkers, sleepers, published in rows:
        before, after = (rows.get((kilobytes, walkers, sleepers, one)) for one in (False, True))
        if published and before:
            lines.append([_size(kilobytes), str(walkers), str(sleepers),
                          *(f"{one['interrupts']:.0f}" for one in (before, after)),
                          *(f"{after[name]:.0f}" for name in ("broadcast", "targeted", "skipped")),
                          *(number(one["nanoseconds"] / 1e6) for one in (before, after)),
                          *(number(one["unmap_nanoseconds"] / 1e6) for one in (before, after))])
    return head, sorted(lines, key=lambda line: (line[0] != "2M", line[0], int(line[2]), int(line[1])))


def flag_cost(made):
    """What publishing costs a call."""
    cost = made.get("walk_flag", {}).get("cost", {})
    lines, shown = [], []
    for op, impls in cost.items():
        for impl, numbers in impls.items():
            shown = list(numbers)
            lines.append([op, impl, *(text for one in numbers.values()
                                      for text in (f"{one['instructions']:.1f}", f"{one['share']:.2%}"))])
    # An empty cell would continue the one before.
    return ["call", "caller", *(text for n in shown for text in (f"n={n}", "part"))], lines


def hold(made):
    """How long the lock is held, and by whom it is slept with."""
    head, lines = ["memory", "caller", "held a call", "longest", "sleeps a call"], []
    for row in made.get("hold", {}).get("rows", ()):
        lines.append([row["memory"], row["impl"], number(row["held_per_call"]), str(row["longest"]),
                      f"{row['slept_per_call']:.2f}"])
    return head, lines


def _widths(head, lines):
    return [max(len(line[at]) for line in (head, *lines)) for at in range(len(head))]


def plain(table):
    """For a terminal: numbers to the right."""
    head, lines = table
    widths = _widths(head, lines)
    return "\n".join("  ".join(word.ljust(width) if at == 0 else word.rjust(width)
                               for at, (word, width) in enumerate(zip(line, widths))).rstrip() for line in (head, *lines))


def rst(table):
    """For the documentation. An empty first cell would continue the line above; there is none."""
    head, lines = table
    widths = _widths(head, lines)
    rule = "  ".join("=" * width for width in widths)
    shown = ["  ".join(word.ljust(width) if at < 2 else word.rjust(width)
                       for at, (word, width) in enumerate(zip(line, widths))).rstrip() for line in (head, *lines)]
    return "\n".join([rule, shown[0], rule, *shown[1:], rule])
