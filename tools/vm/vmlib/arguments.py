# SPDX-License-Identifier: GPL-2.0
"""The command line of the runner."""

import argparse
import os
import re

from .machine import ARCHITECTURES
from .trouble import Trouble

DESCRIPTION = """\
Boot the prepared kernel under QEMU, load fast_gup.ko, run COMMAND in the guest
as root, stream its output and return its exit status."""

EPILOG = """\
exit status:
  COMMAND's own, and
  124  timed out: the guest or COMMAND hung
  125  the runner could not do its work (no kernel, QEMU failed, insmod failed)
  126  the kernel panicked, or it warned (oops, WARN, lockdep, KASAN, stall ...)
       although COMMAND itself succeeded
  For 124-126 stderr has one line with the reason and the console's tail.

in the guest:
  COMMAND's arguments arrive unchanged; no shell looks at them (use sh -c '...').
  Everything is busybox, plus what --add brought.  Other modules of the build are
  in /lib/modules/extra.  VM_DISKS and VM_NVME name the block devices of --disk
  and --nvme in order: /dev/vda ..., /dev/nvme0n1 ..., and VM_SLOW those of
  --slow-disk.

environment:
  ACCEL=auto|kvm|tcg   auto tries KVM once with a short boot and remembers
  CACHE=DIR            default ~/.cache/fast_gup
  ARCH=, FLAVOUR=      defaults of --arch and --flavour

examples:
  tools/vm/run -- cat /proc/version
  tools/vm/run --add ./prog:/root/prog -- /root/prog --option 'a b'
  tools/vm/run --disk ext4.img -- sh -c 'mount /dev/vda /mnt && ls /mnt'
  tools/vm/run --append no5lvl --module-args provide=0 -- dmesg
  tools/vm/run --arch ppc64le --cpu power8 -- grep MMU /proc/cpuinfo
  tools/vm/run --interactive"""

UNITS = {"": 1, "M": 1, "G": 1024}


def megabytes(text):
    match = re.fullmatch(r"(\d+)([MG]?)", text.upper())
    if not match or int(match.group(1)) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 512M or 4G")
    return int(match.group(1)) * UNITS[match.group(2)]


def positive(text):
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


class Parser(argparse.ArgumentParser):
    """Failures in the runner's words: one line, status 125."""

    def error(self, message):
        raise Trouble(message, "see tools/vm/run --help")


def parse(argv):
    parser = Parser(prog="tools/vm/run", description=DESCRIPTION, epilog=EPILOG,
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                    usage="tools/vm/run [OPTION]... -- COMMAND [ARGUMENT]...",
                    allow_abbrev=False)
    add = parser.add_argument
    add("--arch", default=os.environ.get("ARCH") or "x86_64", metavar="A",
        help="architecture of the guest (default: x86_64)")
    add("--flavour", default=os.environ.get("FLAVOUR") or "release", metavar="F",
        help="release or debug, and for ppc64le also 4k, its pages of 4 KiB (default: release)")
    add("--smp", type=positive, metavar="N", help="virtual CPUs (default: 2 to 4, 1 with --icount)")
    add("--mem", type=megabytes, metavar="M",
        help="memory, e.g. 512M or 4G (default: 2G, 4G for i386, and room for what is added); "
             "a ppc64le guest gets a multiple of 256M")
    add("--nodes", type=positive, default=1, metavar="N",
        help="NUMA nodes that CPUs and memory are shared out to (default: 1)")
    add("--cpu", metavar="MODEL",
        help="QEMU's CPU model (default: host with KVM, else max, power9 for ppc64le); it decides "
             "about a ppc64le guest's page tables: power9 has radix trees, power8 a hash table, "
             "with huge pages of 16M")
    add("--icount", action="store_true",
        help="guest time counts instructions (TCG, one CPU): repeatable to the microsecond")
    add("--disk", action="append", default=[], metavar="IMG",
        help="raw or qcow2 image as virtio disk; the guest writes to it")
    add("--slow-disk", action="append", default=[], metavar="IMG",
        help="the same, serving 4 requests a second: who reads from it waits")
    add("--nvme", action="append", default=[], metavar="IMG", help="the same as an NVMe disk")
    add("--nvme-memory", type=megabytes, default=0, metavar="M",
        help="memory of each NVMe disk, for P2PDMA")
    add("--plugin", metavar="FILE[,ARG=VALUE]", help="load a plugin into QEMU (TCG)")
    add("--add", action="append", default=[], metavar="HOST:GUEST",
        help="put a file or a directory into the guest; programs bring their libraries")
    add("--module", metavar="FILE", help="load this fast_gup.ko, not the prepared one")
    add("--module-args", default="", metavar="S", help="parameters for insmod fast_gup.ko")
    add("--no-module", action="store_true", help="do not load fast_gup.ko")
    add("--append", action="append", default=[], metavar="ARGS",
        help="more kernel arguments, e.g. no5lvl")
    add("--timeout", type=positive, metavar="S",
        help="seconds for boot and COMMAND (default: 600, with TCG 1800)")
    add("--interactive", action="store_true",
        help="COMMAND (default: a shell) on this terminal; Ctrl-A X ends the guest")
    add("--verbose", action="store_true", help="show the kernel's console on stderr")
    # Everything behind "--" is the command, also what looks like an option.
    cut = argv.index("--") if "--" in argv else len(argv)
    options, rest = parser.parse_known_args(argv[:cut])
    if rest and rest[0].startswith("-"):
        parser.error(f"unknown option {rest[0]}")
    if rest and cut < len(argv):
        parser.error(f"unexpected argument {rest[0]!r} before --")
    if rest:
        parser.error(f"COMMAND goes behind --, like: tools/vm/run -- {rest[0]}")
    options.command = argv[cut + 1:]
    _check(options, parser)
    return options


def _check(options, parser):
    if options.arch not in ARCHITECTURES:
        parser.error(f"unknown architecture {options.arch!r}, "
                     f"known are {', '.join(ARCHITECTURES)}")
    if not options.command:
        if not options.interactive:
            parser.error("no COMMAND to run")
        options.command = ["sh"]
    if options.icount:
        if options.smp not in (None, 1):
            parser.error("--icount counts the instructions of one CPU, --smp must be 1")
        if os.environ.get("ACCEL") == "kvm":
            parser.error("--icount needs TCG, unset ACCEL=kvm")
        options.smp = 1
    if options.plugin and not options.icount and os.environ.get("ACCEL") != "tcg":
        parser.error("--plugin needs TCG: --icount, or ACCEL=tcg")
    if options.smp is None:
        options.smp = min(4, max(2, os.cpu_count() or 2))
    if options.smp % options.nodes:
        parser.error(f"{options.smp} CPUs cannot be shared out to {options.nodes} nodes")
    if options.no_module and (options.module_args or options.module):
        parser.error("--module and --module-args have no use with --no-module")
    if options.module and not os.path.isfile(options.module):
        parser.error(f"there is no module {options.module}")
