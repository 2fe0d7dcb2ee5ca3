# SPDX-License-Identifier: GPL-2.0
"""From nothing to a booting kernel with the module: one idea a file, joined by prepare.py."""
