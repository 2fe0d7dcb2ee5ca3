# SPDX-License-Identifier: GPL-2.0
"""From the command line to the exit status."""

import os
import signal
import sys
import termios

from . import accel, arguments, artifacts
from .boot import Boot
from .process import raise_on_signals
from .stream import ReaderGone
from .trouble import RUNNER_FAILED, Interrupted, Trouble


def _run(argv):
    options = arguments.parse(argv)
    made = artifacts.load(options.arch, options.flavour, not options.no_module)
    if options.module:
        made["module"] = options.module
    chosen = accel.choose(made, options)
    boot = Boot(made, options, chosen)
    if not options.interactive:
        return boot.run()
    print(f"{options.arch} guest, {chosen}, {options.smp} CPUs; Ctrl-A X ends it",
          file=sys.stderr)
    settings = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        return boot.run()
    finally:
        # QEMU puts the terminal into raw mode, and may not get to undo it.
        if settings is not None:
            termios.tcsetattr(0, termios.TCSANOW, settings)


def main(argv):
    raise_on_signals()
    try:
        return _run(argv)
    except Trouble as trouble:
        print(trouble.line(), file=sys.stderr)
        return trouble.status
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror} — check space and permissions", file=sys.stderr)
        return RUNNER_FAILED
    except ReaderGone:
        # As if the pipe's signal had ended us: quietly.
        return 128 + signal.SIGPIPE
    except Interrupted as interrupted:
        return 128 + interrupted.signum
