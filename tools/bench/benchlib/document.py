# SPDX-License-Identifier: GPL-2.0
"""Puts the tables into Documentation/performance.rst: no figure there is typed by hand.

A comment `.. bench GUEST PART` begins a table, `.. bench end` is behind it.
"""

import re

from lib.console import fail, say
from lib.paths import REPO

from . import plots, report

PAGE = REPO / "Documentation" / "performance.rst"
PICTURES = REPO / "Documentation" / "performance"
NUMBERS = (1, 512, "whole")
PLACE = re.compile(r"^\.\. bench (?P<guest>\S+) (?P<part>\S+)\n.*?^\.\. bench end$", re.MULTILINE | re.DOTALL)


def _about(made):
    """What is in front of the tables, as sentences."""
    options = made["config"]
    inline = "RUST_INLINE_HELPERS" if options.get("RUST_INLINE_HELPERS") else "without RUST_INLINE_HELPERS"
    mitigations = "" if options.get("CPU_MITIGATIONS") else ", mitigations are not configured"
    differ = made["locked"].get("clock_differs_by")
    clock = "" if differ is None else f";\nthe plugin's count and the clock differ by {differ} instructions in a row at the most"
    return (f"Linux {made['release']}, page tables of {options['PGTABLE_LEVELS']} levels, {inline}{mitigations}.\n"
            f"{options['CC_VERSION_TEXT']}; {options['RUSTC_VERSION_TEXT']}; {made['qemu']}.\n"
            f"{made['round_count']} rounds. The loop is {made['loop_instructions']:.1f} instructions of each call{clock}.")


def _direct_io(made):
    """The table, and what it was measured on."""
    found = made["direct_io"]
    return f"{found['cpus']} CPUs ({found['cpu']}), {found['seconds']} s each.\n\n{report.rst(report.direct_io(made))}"


def _collapses(made):
    """The table, and what it was measured on."""
    found = made.get("walk_flag", {})
    if not found.get("rows"):
        return f"Not measured: {found['why']}."
    parts = sorted({(row["kilobytes"], row["megabytes"]) for row in found["rows"] if row["megabytes"] != 1024})
    scaled = "".join(f" Of folios of {kilobytes} KiB, {megabytes} MiB were made, and the figures scaled."
                     for kilobytes, megabytes in parts)
    return f"{found['cpus']} CPUs ({found['cpu']}), the middle of {made['round_count']} rounds.{scaled}\n\n" + report.rst(
        report.collapses(made))


def _targets(made):
    """A table of the targets."""
    head, lines = ["target", "at most", "is", ""], []
    for one in made["targets"]:
        lines.append([one["name"], f"{one['most']:g}", f"{one['value']:.4f}", "reached" if one["reached"] else "missed"])
    return head, lines


PARTS = {
    "about": _about,
    "get": lambda made: report.rst(report.instructions(made, ("GET", "PIN"), NUMBERS)),
    "release": lambda made: report.rst(report.instructions(made, ("put", "unpin"), NUMBERS)),
    "locked": lambda made: report.rst(report.locked(made, (512,))),
    "sections": lambda made: report.rst(report.sections(made)),
    "direct-io": _direct_io,
    "collapses": _collapses,
    "flag-cost": lambda made: report.rst(report.flag_cost(made)) if made.get("walk_flag", {}).get("cost") else "Not measured.",
    "hold": lambda made: report.rst(report.hold(made)),
    "targets": lambda made: report.rst(_targets(made)),
}

# Whether there is what --without leaves out; if not, its table stays as it is.
OPTIONAL = {
    "locked": lambda made: made["locked"],
    "direct-io": lambda made: made["direct_io"],
    "collapses": lambda made: made.get("walk_flag", {}).keys() - {"cost"},
    "hold": lambda made: made.get("hold"),
}


def write(made):
    """Replace the tables of this guest, and its pictures where there is a place for them."""
    text, replaced = PAGE.read_text(), []

    def table(found):
        guest, part = found["guest"], found["part"]
        if guest != made["guest"]:
            return found[0]
        if part not in PARTS:
            fail(f"{PAGE.name} asks for {part}, which is no table", f"one of: {' '.join(PARTS)}")
        if part in OPTIONAL and not OPTIONAL[part](made):
            return found[0]
        replaced.append(part)
        return f".. bench {guest} {part}\n\n{PARTS[part](made)}\n\n.. bench end"

    PAGE.write_text(PLACE.sub(table, text))
    for op in ("GET", "PIN", "unpin"):
        name = f"{made['guest']}-{op}.svg"
        if f"performance/{name}" in text:
            PICTURES.mkdir(exist_ok=True)
            (PICTURES / name).write_text(plots.draw(made, op))
            replaced.append(name)
    if not replaced:
        fail(f"{PAGE.name} has no place for {made['guest']}", f"add the comments .. bench {made['guest']} PART and .. bench end")
    say(f"{PAGE.relative_to(REPO)}: {' '.join(replaced)}")


