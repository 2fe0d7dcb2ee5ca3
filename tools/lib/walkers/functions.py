# SPDX-License-Identifier: GPL-2.0
"""The functions and macros of a file of C or Rust, as far as the kernel's style tells them apart.

This is no parser. In C, what is at the left margin is outside of functions; in Rust, a function ends at the
brace that is indented as its `fn` is.
"""

import re
from typing import NamedTuple

# Comments and strings keep their line ends, so that lines keep their numbers.
QUIET = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
C_OPENS = re.compile(r"\{|[A-Za-z_][^;=]*\)[^;=()]*\{")
C_OUTSIDE = re.compile(r"[}#]|.*[;:}]\s*$")
NAME = re.compile(r"(\w+)\s*\(")
# What stands in front of a name, or behind the parameters, and has parentheses too.
ATTRIBUTES = re.compile(r"\b(?:__attribute__|__printf|__aligned|__section|__must_hold|__acquires|__releases"
                        r"|__cond_acquires|__free|DEFINE_\w+)\b")
DEFINE = re.compile(r"#\s*define\s+(\w+)")
RUST_FN = re.compile(r"(\s*)(?:\w+(?:\([^)]*\))?\s+|extern\s+)*fn\s+(\w+)")


class Function(NamedTuple):
    """A function or a macro: its name, the number of its first line, and its text without what it is called."""

    name: str
    line: int
    body: str


def functions(text, suffix):
    """All functions of a file, in order."""
    lines = QUIET.sub(lambda quiet: "\n" * quiet.group().count("\n") or " ", text).split("\n")
    return list(_rust(lines) if suffix == ".rs" else _c(lines))


def _c(lines):
    number = 0
    while number < len(lines):
        start, line = number, lines[number]
        number += 1
        if DEFINE.match(line):
            while lines[number - 1].endswith("\\") and number < len(lines):
                number += 1
            name = DEFINE.match(line)
            yield Function(name.group(1), start + 1, "\n".join([line[name.end():], *lines[start + 1:number]]))
        elif C_OPENS.match(line):
            if not _closes(line):
                while number < len(lines) and not lines[number].startswith("}"):
                    number += 1
            body = "\n".join([line[line.index("{"):], *lines[start + 1:number]])
            yield Function(_c_name(lines, start), start + 1, body)


def _closes(line):
    """A function of one line."""
    return "{" in line and line.count("{") == line.count("}")


def _c_name(lines, opens):
    """The name in front of the line that opens a function: that of its first parenthesis."""
    head = [lines[opens].split("{", 1)[0]]
    above = opens - 1
    while above >= 0 and not head[0].strip() and not lines[above].strip():
        above -= 1
    while above >= 0 and lines[above].strip() and not C_OUTSIDE.match(lines[above]):
        head.insert(0, lines[above])
        above -= 1
    head = " ".join(head)
    names = [match for match in NAME.finditer(head) if not ATTRIBUTES.match(match.group(1))]
    if not names:
        return "?"
    name = names[0].group(1)
    # SYSCALL_DEFINE3(name, ...)
    inner = re.match(r"\s*(\w+)", head[names[0].end():])
    return inner.group(1) if name.isupper() and inner else name


def _rust(lines):
    for number, line in enumerate(lines):
        starts = RUST_FN.match(line)
        if not starts:
            continue
        end = number
        while end < len(lines) and not (lines[end].rstrip().endswith(";") and "{" not in "".join(lines[number:end + 1])):
            if re.match(starts.group(1) + r"\}", lines[end]) or _closes(lines[end]) and end == number:
                break
            end += 1
        yield Function(starts.group(2), number + 1, "\n".join([line[starts.end():], *lines[number + 1:end + 1]]))
