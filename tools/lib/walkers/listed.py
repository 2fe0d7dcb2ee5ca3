# SPDX-License-Identifier: GPL-2.0
"""The walkers that the documentation answers for: tables of files, functions and answers.

They are the list-tables with the columns File, Function and Answer, and perhaps one that says why. The
first word of an answer is `publishes`, `broadcast` or `none`. Who publishes is the walker itself, unless the
next words are `in ``function()```, or `in ``function()`` of ``file```.
"""

import re
from typing import NamedTuple

from ..paths import REPO

DOCUMENT = REPO / "Documentation/locking-and-ordering.rst"
COLUMNS = ["File", "Function", "Answer"]
ANSWERS = ("publishes", "broadcast", "none")
LITERAL = re.compile(r"``([^`]+)``")
PUBLISHER = re.compile(r"publishes,? in ``(\w+)\(\)``(?: of ``([^`]+)``)?")


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
        named = PUBLISHER.match(self.answer)
        return (named.group(2) or self.path, named.group(1)) if named else (self.path, self.name)


def read(path=DOCUMENT):
    """All functions that are listed."""
    listed = []
    for line, cells in _rows(path.read_text(encoding="utf-8").split("\n")):
        paths, names = LITERAL.findall(cells[0]), LITERAL.findall(cells[1])
        for name in names:
            listed.append(Listed(paths[0] if paths else cells[0], name.replace("()", ""), " ".join(cells[2:]), line))
    return listed


def _rows(lines):
    """The rows of the tables, each with the number of its first line."""
    for begin, line in enumerate(lines):
        if line.startswith(".. list-table::"):
            end = begin + 1
            while end < len(lines) and (not lines[end] or lines[end].startswith(" ")):
                end += 1
            rows = list(_table(lines[begin:end], begin + 1))
            if rows and rows[0][1][:3] == COLUMNS:
                yield from (row for row in rows[1:] if len(row[1]) >= 3)


def _table(lines, first):
    """Line numbers and cells of one table."""
    rows = []
    for number, line in enumerate(lines, first):
        if re.match(r"\s+\* - ", line):
            rows.append((number, [line.split("- ", 1)[1]]))
        elif rows and re.match(r"\s+- ", line):
            rows[-1][1].append(line.split("- ", 1)[1])
        elif rows and line.strip():
            rows[-1][1][-1] += " " + line.strip()
    return rows
