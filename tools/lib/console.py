# SPDX-License-Identifier: GPL-2.0
"""The one name other tools import: messages, progress and logged commands."""

from .logged import run_logged
from .progress import Progress, duration
from .speak import fail, run_main, say, warn

__all__ = ["Progress", "duration", "fail", "run_logged", "run_main", "say", "warn"]
