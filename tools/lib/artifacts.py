# SPDX-License-Identifier: GPL-2.0
"""The artifacts file: KEY=VALUE lines that say where everything built for one guest is."""

import os

from .paths import artifacts_file


def read(name):
    """The values of the guest `name` (ARCH-FLAVOUR) as a dict; None when nothing was prepared or what was prepared is gone."""
    try:
        text = artifacts_file(name).read_text()
    except FileNotFoundError:
        return None
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if not os.path.exists(values.get("kernel", "")):
        return None
    return values


def write(name, values):
    """Replace the file at once, so that a reader never sees half of it."""
    path = artifacts_file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{key}={value}\n" for key, value in values.items())
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)
