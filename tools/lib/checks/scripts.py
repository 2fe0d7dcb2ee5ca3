# SPDX-License-Identifier: GPL-2.0
"""Licences of all files; shell and Python as their own tools see them."""

import ast

from ..paths import REPO
from .context import output

TAG = "SPDX-License-Identifier: GPL-2.0"
# Made by tools and not written by anybody, or without a place for a comment.
NO_COMMENTS = {".lock", ".json", ".patch", ".png", ".svg", ".sha256"}
SHELLS = ("sh", "bash", "dash")


def spdx(context):
    """The licence is named at the top of every file."""
    problems = []
    for path in context.paths:
        if path.suffix in NO_COMMENTS or path.name == "COPYING":
            continue
        with open(path, "rb") as file:
            head = file.read(600).decode("utf-8", "replace")
        if TAG not in head:
            problems.append(f"{path.relative_to(REPO)}: no line with {TAG}")
    return problems


def shell(context):
    """shellcheck on everything that a shell runs."""
    files = sorted(set(context.scripts(*SHELLS) + context.named(".sh")))
    if not files:
        return []
    # SC2187: busybox's ash is checked as dash, which is what we want.
    status, lines = output(["shellcheck", "--format=gcc", "--severity=warning", "-e", "SC2187", "-x", "-P", "SCRIPTDIR",
                            *(path.relative_to(REPO) for path in files)], cwd=REPO)
    return lines if status else []


def python(context):
    """Python that compiles; the tools promise 3.9, so newer syntax is refused."""
    problems = []
    for path in sorted(set(context.scripts("python3") + context.named(".py"))):
        try:
            compile_for_39(path)
        except SyntaxError as error:
            problems.append(f"{path.relative_to(REPO)}:{error.lineno}: {error.msg}")
    return problems


def compile_for_39(path):
    """Parse a file as Python 3.9 would."""
    ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 9))
