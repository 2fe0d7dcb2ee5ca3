# SPDX-License-Identifier: GPL-2.0
"""rustfmt, clippy and rustdoc on the module and the host workspace."""

import os
import re
import shlex
import tempfile

from ..paths import REPO
from .context import output


def rustfmt(context):
    """The kernel's own format for all our Rust."""
    problems = []
    for path in context.named(".rs"):
        # From stdin: given a path, rustfmt would follow its `mod` lines and report files many times.
        with open(path, "rb") as file:
            _, lines = output(["rustfmt", "--check", "--color", "never", "--edition", "2021",
                               "--config-path", context.tree / ".rustfmt.toml"], stdin=file)
        # The status is 0 even then: what it prints is the difference.
        problems += [line.replace("<stdin>", str(path.relative_to(REPO))) for line in lines]
    return problems


def _kbuild_command(context):
    """The words with which kbuild compiled our crate, from its .cmd file.

    `make CLIPPY=1` would do the same with clippy, but it compiles the kernel crate with clippy as
    well, and then again without.
    """
    saved = context.build.path / "mm/fast_gup/src/.fast_gup_main.o.cmd"
    line = saved.read_text().split("\n", 1)[0].split(":=", 1)[1]
    line = line.replace("$$", "$").replace("$(pound)", "#")
    # With inlined helpers, the compiler's command is followed by the one that links the bitcode.
    words = shlex.split(line.split(" ;", 1)[0].split(";", 1)[0])
    variables = {}
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        variables[name] = value
    # Of the features that the kernel turns off on PowerPC, rustc says that it does not know them well. They
    # are for the code that is generated, and here there is none.
    words = [word for word in words[1:] if not word.startswith(("--emit", "-Ctarget-feature="))]
    place = words.index("--out-dir")
    del words[place:place + 2]
    return variables, words


def _with(context, driver, drop, *more):
    """Run another driver of the compiler as kbuild runs rustc."""
    variables, words = _kbuild_command(context)
    words = [word for word in words if not re.match(drop, word)] if drop else words
    # The kernel's own way to get the unstable features it needs from a stable compiler.
    env = dict(context.build.env, RUSTC_BOOTSTRAP="1", CLIPPY_CONF_DIR=str(context.tree), **variables)
    with tempfile.TemporaryDirectory() as out:
        status, lines = output([driver, *words, "--out-dir", out, *more], cwd=context.build.path, env=env)
    ours = [line.replace(f"{context.tree}/", "").replace("mm/fast_gup/", "").replace(f"{REPO}/", "") for line in lines]
    if status == 0 and not any(re.match(r"(warning|error)", line) for line in lines):
        return []
    return ours or [f"{driver} ended with status {status}"]


def clippy(context):
    """The kernel's lints and clippy's, all of them errors."""
    return _with(context, "clippy-driver", None, "--emit=metadata", "-Dwarnings")


def rustdoc(context):
    """Documentation comments: links that lead somewhere, for private items as well."""
    return _with(context, "rustdoc", r"--remap-path-scope",
                 "--document-private-items", "-Arustdoc::private_intra_doc_links", "-Dwarnings")
