# SPDX-License-Identifier: GPL-2.0
"""kernel-doc comments and the rst files."""

import sys

from ..paths import REPO
from .context import output


def kernel_doc(context):
    """The kernel's kernel-doc on our C API, every warning on."""
    headers = context.named(".h", under="include/linux/")
    if not headers:
        return ["there is no header in include/linux"]
    status, lines = output([sys.executable, context.tree / "scripts/kernel-doc", "-none", "-Wall", *headers])
    ours = [line.replace(f"{REPO}/", "") for line in lines if line.strip()]
    return ours or ([f"kernel-doc ended with status {status}"] if status else [])


def rst(context):
    """Documentation/*.rst parses as docutils wants it, with Sphinx's own names accepted."""
    files = context.named(".rst")
    if not files:
        return []
    helper = REPO / "tools/lib/checks/rst_syntax.py"
    status, lines = output([_python_with_docutils(), helper, *files])
    ours = [line.replace(f"{REPO}/", "") for line in lines]
    return ours if status else []


def _python_with_docutils():
    """Ours, or the distribution's: its docutils package is for that one only."""
    for python in (sys.executable, "/usr/bin/python3"):
        if output([python, "-c", "import docutils"])[0] == 0:
            return python
    return sys.executable
