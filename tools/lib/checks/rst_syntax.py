#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Parse rst files with docutils and print what is wrong with them.

The kernel's documentation is built with Sphinx, which is heavy; its directives and roles are
accepted here unseen, so that what is left is the syntax itself.
"""

import sys

import docutils.core
import docutils.nodes
import docutils.utils
from docutils.parsers.rst import Directive, directives, roles

DIRECTIVES = ("kernel-doc", "toctree", "code-block", "c:function", "c:macro", "c:type", "c:struct", "flat-table",
              "kernel-figure", "versionadded", "index", "only", "literalinclude")
ROLES = ("doc", "ref", "c:func", "c:type", "c:struct", "c:macro", "c:expr", "term", "manpage")


class Accepted(Directive):
    """A directive of Sphinx: any arguments, options and content."""

    has_content = True
    optional_arguments = 100
    final_argument_whitespace = True

    class Anything(dict):
        """Every option is known."""

        def __bool__(self):
            return True

        def __contains__(self, _name):
            return True

        def __getitem__(self, _name):
            return directives.unchanged

    option_spec = Anything()

    def run(self):
        """Leave nothing in the document."""
        return []


def accepted_role(_name, rawtext, text, _lineno, _inliner, options=None, content=None):
    """A role of Sphinx: plain text."""
    del options, content
    return [docutils.nodes.literal(rawtext, text)], []


def main():
    """Check the files of the command line."""
    for name in DIRECTIVES:
        directives.register_directive(name, Accepted)
    for name in ROLES:
        roles.register_local_role(name, accepted_role)
    wrong = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        settings = {"report_level": 5, "halt_level": 5, "file_insertion_enabled": False}
        tree = docutils.core.publish_doctree(text, source_path=path, settings_overrides=settings)
        for message in tree.parse_messages + tree.transform_messages:
            if message["level"] >= 2:
                print(f"{path}:{message.get('line', 1)}: {message.astext()}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
