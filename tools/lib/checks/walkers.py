# SPDX-License-Identifier: GPL-2.0
"""Nobody walks page tables with interrupts off that Documentation/locking-and-ordering.rst has no answer for."""

from .. import walkers as lib


def walkers(context):
    """Walkers of the tree that are not on the list, and rows of the list that are not true of the tree."""
    return lib.problems(context.tree, lib.walkers(context.tree), lib.read())
