# SPDX-License-Identifier: GPL-2.0
"""The walkers that the documentation answers for: tables of files, functions and answers.

They are the list-tables whose name begins with `lockless-walkers`. The first word of an answer is
`publishes`, and then the first name behind it is the function that does so, or `broadcast`, or `none`.
"""

import re
from typing import NamedTuple

from ..paths import REPO

DOCUMENT = REPO / "Documentation/locking-and-ordering.rst"
NAME = "lockless-walkers"
ANSWERS = ("publishes", "broadcast", "none")
LITERAL = re.compile(r"``([^`]+)``")


class Listed(NamedTuple):
    """One function of the list, and the line where its row begins."""

    path: str
    name: str
    answer: str
    line: int

    @property
    def kind(self):
        """The first word of the answer."""
        return re.match(r"\w*", self.answer).group()

    @property
    def publisher(self):
        """The file and the function that publish the walk."""
        names = LITERAL.findall(self.answer)
        functions = [name[:-2] for name in names if name.endswith("()")]
        files = [name for name in names if "/" in name]
        return (files[0] if files else self.path), (functions[0] if functions else None)


def read(path=DOCUMENT):
    """All functions that are listed."""
    listed = []
    for line, cells in _rows(path.read_text(encoding="utf-8").split("\n")):
        paths, names = LITERAL.findall(cells[0]), LITERAL.findall(cells[1])
        for name in names:
            listed.append(Listed(paths[0] if paths else cells[0], name.replace("()", ""), cells[2], line))
    return listed


def _rows(lines):
    """The rows of the tables, each with the number of its first line; the row of headings is not one."""
    inside = named = False
    row = None
    for number, line in enumerate(lines, 1):
        if line.startswith(".. list-table::"):
            inside, named = True, False
        elif inside and line and not line.startswith(" "):
            inside = False
        elif inside and re.match(rf"\s+:name: {NAME}", line):
            named = True
        if not (inside and named):
            yield from _finished(row)
            row = None
        elif re.match(r"\s+\* - ", line):
            yield from _finished(row)
            row = (number, [line.split("- ", 1)[1]])
        elif row and re.match(r"\s+- ", line):
            row[1].append(line.split("- ", 1)[1])
        elif row and line.strip():
            row[1][-1] += " " + line.strip()
    yield from _finished(row)


def _finished(row):
    if row and len(row[1]) == 3 and LITERAL.search(row[1][0]):
        yield row
