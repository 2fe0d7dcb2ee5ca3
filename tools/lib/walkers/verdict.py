# SPDX-License-Identifier: GPL-2.0
"""What is wrong between the walkers of a tree and those that the documentation answers for."""

from pathlib import Path

from .found import PUBLISHES
from .functions import functions
from .listed import ANSWERS, COLUMNS, DOCUMENT

HINT = "add it to Documentation/{document}, with who publishes it, or why it needs the broadcast or neither"


def problems(tree, walkers, listed, document=DOCUMENT.name):
    """A line for each walker without an answer, and for each answer that is not true of the tree."""
    if not listed:
        return [f"{document}: there is no list-table of {', '.join(COLUMNS)}"]
    known = {(entry.path, entry.name): entry for entry in listed}
    found = {(walker.path, walker.name) for walker in walkers}
    wrong = [f"{walker.path}:{walker.line}: {walker.name}() {walker.why}: {HINT.format(document=document)}"
             for walker in walkers if (walker.path, walker.name) not in known]
    for entry in listed:
        if (entry.path, entry.name) not in found and (Path(tree) / entry.path).exists():
            wrong.append(f"{document}:{entry.line}: {entry.path} has no walker {entry.name}() any more: take it out")
        elif not (Path(tree) / entry.path).exists():
            wrong.append(f"{document}:{entry.line}: there is no {entry.path}: take it out, or name where it went")
        if entry.kind not in ANSWERS:
            wrong.append(f"{document}:{entry.line}: {entry.name}(): an answer begins with {', '.join(ANSWERS)}")
        elif entry.kind == "publishes" and not _publishes(Path(tree), *entry.publisher):
            wrong.append(f"{document}:{entry.line}: {entry.name}() is said to be published by {entry.publisher[1]}() of "
                         f"{entry.publisher[0]}, which does not call begin_lockless_pgtbl_walk()")
    return wrong


def _publishes(tree, path, name):
    if not (tree / path).exists():
        return False
    text = (tree / path).read_text(encoding="utf-8", errors="replace")
    return any(PUBLISHES.search(function.body) for function in functions(text, Path(path).suffix) if function.name == name)
