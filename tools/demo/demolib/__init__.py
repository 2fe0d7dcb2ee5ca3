# SPDX-License-Identifier: GPL-2.0
"""The host's side of the demo, one idea a file."""
