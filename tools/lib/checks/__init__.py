# SPDX-License-Identifier: GPL-2.0
"""The checks behind `make check`: each takes a Context and returns the lines that are wrong."""

from . import docs, kernel, litmus, rust, scripts, walkers
from .context import Context, Skipped

ALL = (
    ("spdx", scripts.spdx),
    ("rustfmt", rust.rustfmt),
    ("clippy", rust.clippy),
    ("rustdoc", rust.rustdoc),
    ("sparse", kernel.sparse),
    ("checkpatch", kernel.checkpatch),
    ("kernel-doc", docs.kernel_doc),
    ("rst", docs.rst),
    ("litmus", litmus.litmus),
    ("walkers", walkers.walkers),
    ("shell", scripts.shell),
    ("python", scripts.python),
)

__all__ = ["ALL", "Context", "Skipped"]
