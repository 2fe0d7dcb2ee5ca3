# SPDX-License-Identifier: GPL-2.0
"""sparse and checkpatch: the kernel's own tools on our C and on the series."""

import re

import kbuild.sparse

from ..paths import REPO
from .context import LEFTOVER, output

SERIES = "tools/kernel/patches"
# A new file wants a MAINTAINERS entry: the repository is one directory, and upstream would add it once.
# CamelCase is how the kernel names PageAnon() and so rust_helper_PageAnon(). EXPORT_SYMBOL wants the
# function above it, but the functions that the module exports from C are written in Rust. COMPLEX_MACRO
# wants parentheses around two attributes. UNKNOWN_COMMIT_ID looks for the kernel's commits in this
# repository.
IGNORED = ("FILE_PATH_CHANGES", "CAMELCASE", "EXPORT_SYMBOL", "COMPLEX_MACRO", "UNKNOWN_COMMIT_ID")
# Guest programs are no kernel code: they have no BIT(), READ_ONCE() and __printf(), and the
# harness's FIXTURE_DATA(x) *self is taken for a multiplication. Its EXPECT_*() are several
# statements, whatever they look like, and its SKIP() and FIXTURE_VARIANT_ADD() no expressions.
IGNORED_IN_TOOLS = IGNORED + ("BIT_MACRO", "VOLATILE", "EMBEDDED_FUNCTION_NAME", "SPACING", "BRACES",
                              "PREFER_DEFINED_ATTRIBUTE_MACRO", "MACRO_ARG_REUSE")


def sparse(context):
    """sparse on the module's C, with the flags of the build."""
    wanted = [f"mm/fast_gup/{path.relative_to(REPO).with_suffix('.o')}" for path in context.named(".c", under="src/")]
    checker = kbuild.sparse.find(context.build)
    status, lines = output(context.build.make("C=2", f"CHECK={checker}", *wanted), env=context.build.env)
    ours = [line for line in lines if re.search(r"mm/fast_gup/.*: (warning|error):", line)]
    seen = [line for line in lines if re.match(r"\s+CHECK\s+.*mm/fast_gup/", line)]
    if not ours and (status or len(seen) < len(wanted)):
        return ["sparse did not look at all files:", *lines[-10:]]
    return ours


def checkpatch(context):
    """checkpatch --strict on each patch, and on our C files as they are."""
    problems = []
    for path in context.named(".patch", under=SERIES):
        problems += _checkpatch(context, IGNORED, path)
    for path in context.named(".c", ".h"):
        name = path.relative_to(REPO)
        problems += _checkpatch(context, IGNORED_IN_TOOLS if name.parts[0] == "tools" else IGNORED, "-f", name)
    # checkpatch remembers the kernel's CamelCase names where it is run.
    for leftover in REPO.glob(f"{LEFTOVER}*"):
        leftover.unlink()
    return problems


def _checkpatch(context, ignored, *words):
    """checkpatch's complaints; when it ended badly without one, whatever it said."""
    status, lines = output([context.tree / "scripts/checkpatch.pl", "--strict", "--terse", "--no-summary",
                            "--show-types", f"--root={context.tree}", "--ignore", ",".join(ignored), *words], cwd=REPO)
    complaints = [line.replace(f"{REPO}/", "") for line in lines if re.search(r": (ERROR|WARNING|CHECK):", line)]
    return complaints or (lines if status else [])
