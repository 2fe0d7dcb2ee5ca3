# SPDX-License-Identifier: GPL-2.0
"""The command line of the test driver."""

import argparse

from lib.console import fail

DESCRIPTION = """\
Run every test: on the host (the walk on synthetic tables, the tools), then the kselftests in guests. One line a test; the last line counts them:
N passed, N failed, N skipped. The exit status is 1 when one failed."""

EPILOG = """\
examples:
  tools/testing/run                          everything, x86_64
  tools/testing/run --only races             one program, in every boot that has it
  tools/testing/run --only races:fork_thp    one variant (or fixture, or test) of it
  tools/testing/run --only dio --boot 5-level
  tools/testing/run --only host              the host's cargo tests alone
  tools/testing/run --flavour debug          under KASAN and lockdep, with fewer rounds
  tools/testing/run --arches ppc64le --boot hash
  tools/testing/run --list                   boots and programs, nothing run

environment:
  ACCEL=auto|kvm|tcg        as for tools/vm/run
  FAST_GUP_...=             handed on to the guest (iterations, seeds, seconds, cycles)"""


class Parser(argparse.ArgumentParser):
    """Mistakes in one line, as all the tools do."""

    def error(self, message):
        fail(message, "see tools/testing/run --help")


def parse(argv):
    parser = Parser(prog="tools/testing/run", description=DESCRIPTION, epilog=EPILOG,
                    formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--arches", default="x86_64", metavar="LIST",
                        help="guests to test in, separated by spaces (default: x86_64)")
    parser.add_argument("--flavour", default="release", metavar="F",
                        help="the kernel of the guests: release, debug, or 4k for ppc64le with its pages "
                             "of 4 KiB (default: what each boot is for, which is release for most)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME[:PART]",
                        help="this program, or host, host-fuzz, prepare or runner, may be repeated")
    parser.add_argument("--boot", action="append", default=[], metavar="NAME",
                        help="this boot only, may be repeated")
    parser.add_argument("--list", action="store_true", help="show what would run")
    parser.add_argument("--verbose", action="store_true",
                        help="also show what the tests print when they pass")
    return parser.parse_args(argv)
