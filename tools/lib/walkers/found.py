# SPDX-License-Identifier: GPL-2.0
"""Functions that go through page tables with nothing but interrupts turned off to keep the tables.

They are known by what they call: the helpers that are for such walks, or any step down the tree together with
interrupts that are turned off, in the function itself or in one of the same file that calls it. Whoever does
neither, and relies on a caller in another file or on an interrupt handler being one, is not found.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from .functions import functions

# Architectures that we build a kernel for, and all that is not of an architecture.
PLACES = ("arch/x86", "arch/powerpc", "block", "crypto", "drivers", "fs", "include", "init", "io_uring", "ipc", "kernel",
          "lib", "mm", "net", "rust", "samples", "security", "sound", "virt",
          # A symlink, which grep follows where it is named.
          "mm/fast_gup/src")

DESCENDS = re.compile(r"\b((?:p4d|pud|pmd|pgd)_offset_lockless\w*|(?:__)?find_(?:linux|\w*_mm|kvm_\w+)_pte(?:_unlocked)?"
                      r"|lookup_address_in_(?:pgd|mm)\w*)\s*\(")
READS = re.compile(r"\b((?:ptep|pmdp|pudp|p4dp|pgdp)_get_lockless)\s*\(")
PUBLISHES = re.compile(r"\b((?:rust_helper_)?begin_lockless_pgtbl_walk\w*)\s*\(")
STEPS = re.compile(r"\b((?:p4d|pud|pmd|pte)_offset(?:_kernel|_map\w*|_huge)?|huge_pte_offset)\s*\(")
IRQS_OFF = re.compile(r"\b(?:raw_local_irq_\w+|local_irq_(?:save|disable)|arch_local_irq_(?:save|disable)|hard_irq_disable"
                      r"|local_interrupt_disable|lockdep_assert_irqs_disabled)\b|\bguard\(irq(?:save)?\)")
RUST_TABLES = re.compile(r"\bpgd\b|page.?table", re.I)
# For grep: a file that has none of these has no walker.
CANDIDATE = (r"_offset_lockless|_get_lockless|find_[a-z_]*_pte|lookup_address_in_|begin_lockless_pgtbl_walk"
             r"|(p4d|pud|pmd|pte)_offset|local_irq_save.*bindings|bindings::local_irq")


class Walker(NamedTuple):
    """A function of a file of the tree, and by what it is known."""

    path: str
    name: str
    line: int
    why: str


def walkers(tree):
    """All walkers of a kernel tree, in the order of their files."""
    tree = Path(tree)
    found = []
    for path in _candidates(tree):
        text = (tree / path).read_text(encoding="utf-8", errors="replace")
        found += _of_file(path, text)
    return found


def _candidates(tree):
    """Files that may have a walker; grep reads a gigabyte faster than we do."""
    places = [place for place in PLACES if (tree / place).exists()]
    if not places:
        return []
    done = subprocess.run(["grep", "-rlE", "--include=*.[chS]", "--include=*.rs", CANDIDATE, *places], cwd=tree, text=True,
                          env={**os.environ, "LC_ALL": "C"}, stdout=subprocess.PIPE, check=False)
    return sorted(set(done.stdout.splitlines()))


def _of_file(path, text):
    ours = functions(text, Path(path).suffix)
    in_section = _with_irqs_off(ours)
    # Rust has names of its own for steps.
    of_tables = path.endswith(".rs") and RUST_TABLES.search(text)
    for function in ours:
        why = _why(function, function in in_section, of_tables)
        if why:
            yield Walker(path, function.name, function.line, why)


def _with_irqs_off(ours):
    """The functions that turn interrupts off, and those of the same file that they call, at any depth."""
    named = {function.name: function for function in ours}
    todo = [function for function in ours if IRQS_OFF.search(function.body)]
    known = set(todo)
    while todo:
        for name in set(re.findall(r"\b(\w+)\s*\(", todo.pop().body)) & named.keys():
            if named[name] not in known:
                known.add(named[name])
                todo.append(named[name])
    return known


def _why(function, irqs_off, of_tables):
    for rule, words in ((PUBLISHES, "publishes a walk by {}()"), (DESCENDS, "goes down by {}()"),
                        (READS, "reads an entry by {}()")):
        match = rule.search(function.body)
        if match:
            return words.format(match.group(1))
    step = STEPS.search(function.body)
    if irqs_off and step:
        return f"goes down by {step.group(1)}() with interrupts off"
    if of_tables and IRQS_OFF.search(function.body):
        return "turns interrupts off beside page tables"
    return None
