# SPDX-License-Identifier: GPL-2.0
"""Who walks page tables without a lock in a kernel tree, and who of them is accounted for."""

from .found import walkers
from .listed import DOCUMENT, read
from .verdict import problems

__all__ = ["DOCUMENT", "problems", "read", "walkers"]
