# SPDX-License-Identifier: GPL-2.0
"""What series and module export is for modules under the GPL, see Documentation/security.rst."""

import re
import unittest

from .common import TOOLS

REPO = TOOLS.parent
# Each of these puts "GPL" beside the symbol; EXPORT_SYMBOL() and EXPORT_SYMBOL_NS() do not.
FREE = re.compile(r"\bEXPORT_SYMBOL(?!_GPL\b|_NS_GPL\b|_FOR_MODULES\b)\w*\s*\(")
ANY = re.compile(r"\bEXPORT_SYMBOL\w*\s*\(")


def exports():
    """Every line that exports something: where it is, and what it says."""
    for patch in sorted((REPO / "tools/kernel/patches").glob("*.patch")):
        for line in patch.read_text().splitlines():
            if line.startswith("+") and ANY.search(line):
                yield patch.name, line[1:]
    for path in sorted(REPO.glob("src/**/*.[ch]")):
        for line in path.read_text().splitlines():
            if ANY.search(line):
                yield str(path.relative_to(REPO)), line


class Exports(unittest.TestCase):
    """No symbol is for everybody."""

    def test_gpl_only(self):
        lines = list(exports())
        self.assertGreater(len(lines), 10, "the exports were not found")
        for where, line in lines:
            self.assertIsNone(FREE.search(line), f"{where}: {line.strip()}")

    def test_others_would_be_found(self):
        self.assertTrue(FREE.search("EXPORT_SYMBOL(fast_gup);"))
        self.assertTrue(FREE.search('EXPORT_SYMBOL_NS(fast_gup, "X");'))
        self.assertFalse(FREE.search("EXPORT_SYMBOL_GPL(fast_gup);"))
        self.assertFalse(FREE.search('EXPORT_SYMBOL_FOR_MODULES(gup, "fast_gup");'))
