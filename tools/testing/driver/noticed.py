# SPDX-License-Identifier: GPL-2.0
"""Who noticed which mistake: kept from run to run, and put into the page about the classes.

A comment `.. mutations` begins the table there, `.. mutations end` is behind it.
"""

import json
import re

from lib.console import fail, say
from lib.paths import REPO

KEPT = REPO / "build" / "mutations.json"
PAGE = REPO / "Documentation" / "bug-classes.rst"
ROW = re.compile(r"^   \* - (.+)\n     - (.+)\n     - (.+)$", re.MULTILINE)
PLACE = re.compile(r"^\.\. mutations\n.*?^\.\. mutations end$", re.MULTILINE | re.DOTALL)


def _read():
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def keep(of, mistake, by):
    """Remember the answer to one mistake; None is that nobody noticed."""
    found = _read()
    found[f"{of}: {mistake}"] = by
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def document(wanted):
    """Put the table of all classes and mistakes into the page; each must have been noticed.

    What was not asked in this checkout stays as it is in the page.
    """
    page = PAGE.read_text()
    found = {f"{of}: {mistake}": by for of, mistake, by in ROW.findall(page)} | _read()
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 18 34 48", "",
             "   * - class", "     - what is taken away", "     - who notices"]
    for of, mistake in wanted:
        by = found.get(f"{of}: {mistake}")
        if by is None:
            fail(f"nobody has noticed `{mistake}` of {of}", f"run: tools/testing/mutate {of.split()[0]}")
        lines += [f"   * - {of}", f"     - {mistake}", f"     - {by}"]
    table = "\n".join([".. mutations", "", *lines, "", ".. mutations end"])
    if not PLACE.search(page):
        fail(f"{PAGE.relative_to(REPO)} has no place for the table", "put `.. mutations` and `.. mutations end` there")
    PAGE.write_text(PLACE.sub(lambda _: table, page))
    say(f"{PAGE.relative_to(REPO)}: {len(wanted)} mistakes")
