# SPDX-License-Identifier: GPL-2.0
"""What runs where: the boots, and the programs of each."""

from dataclasses import dataclass, field

from lib.console import fail

KERNEL_ARGS = "secretmem.enable=1 transparent_hugepage=madvise"
# Huge pages are reserved at boot, when memory is not fragmented yet.
HUGE = "default_hugepagesz=2M hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=64"
HUGE_NOT_GIGANTIC = "default_hugepagesz=2M hugepagesz=2M hugepages=64"
# With pages of 64K, a range of 4096 of them needs more of both.
HUGE_RADIX = "default_hugepagesz=2M hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=160"
HUGE_RADIX_NOT_GIGANTIC = "default_hugepagesz=2M hugepagesz=2M hugepages=160"
HUGE_HASH = "default_hugepagesz=16M hugepagesz=16M hugepages=32"

RELEASE = "release"


@dataclass
class Boot:
    """One guest, and the programs that run in it one after the other."""

    name: str
    why: str
    programs: list
    append: str = ""
    module_args: str = ""
    smp: int = 4
    memory: str = "5G"
    huge: str = HUGE
    nodes: int = 1          # of NUMA
    slow: int = 0           # MiB of a slow disk
    p2pdma: int = 0         # MiB of the NVMe disk's memory
    cpu: str = ""           # QEMU's model, where it matters
    flavour: str = RELEASE  # of the kernel, unless another is asked for
    debug: list = None      # of the programs, those of a debug kernel, or PROGRAM:PART; None: all
    env: dict = field(default_factory=dict)


RANGES = ["ranges", "ranges_calls", "ranges_held", "ranges_race"]
EVERYTHING = ["abi", "abuse", "fuzz", "security", "fail", "errors", "signals", "permissions",
              "vmstat", "layouts", "values", "fork", "fork_race", "races", "races_file",
              "races_table", "races_collapse", "walk_flag", "order1", *RANGES,
              "dio", "aio", "splice", "user_ranges", "dio_ranges", "dio_leak",
              "samples", "samples_held", "faults", "slow_path", "pin_copy"]
# Pages that are freed are overwritten, where the kernel can do that.
WALK_FLAG = {"programs": ["walk_flag", "races_collapse"], "smp": 8, "append": "page_poison=1",
             "env": {"FAST_GUP_PINNERS": "6"}}
# Calls that meet disks, nodes, memory and devices.
WAITS = ["slow_io", "memlock", "numa", "p2pdma", "slow_path"]
# Where it matters most that sections end in the middle of everything.
CUT = ["layouts", "fork", "ranges"]
# What callers do without the walk. The values of the module's own API are the same there: a debug
# kernel has seen them in its first boot.
UNSERVED = ["errors", "vmstat", "dio", "splice", "user_ranges", "dio_ranges", "dio_leak"]
CORE = ["errors", "permissions", "vmstat", "layouts", "values", "fork", "races", "races_table",
        *RANGES, "dio", "splice"]

BOOTS = {
    "x86_64": [
        Boot("5-level", "five-level tables, four CPUs, every program", EVERYTHING),
        # Sections of seven entries end in the middle of everything.
        Boot("4-level", "four-level tables, sections of at most 7 entries",
             ["errors", "permissions", "layouts", "values", "vmstat", "fork", "fork_race",
              "races", "races_file", *RANGES, "dio", "splice"],
             append="no5lvl", module_args="max_section=7", env={"FAST_GUP_SECONDS": "2"},
             debug=CUT),
        Boot("provide=0", "the module serves its own API only",
             [*UNSERVED, "values", "samples", "samples_held"], module_args="provide=0",
             debug=[*UNSERVED, "samples", "samples_held"]),
        # Without pages of 1G, which these tests copy for a minute each.
        Boot("kernel", "the kernel's own tests, their callers served by the module",
             ["gup_matrix.sh", "kernel_cow", "kernel_gup_longterm"],
             memory="1536M", huge=HUGE_NOT_GIGANTIC, env={"FAST_GUP_SWAP": "1"}),
        Boot("walk-flag", "eight CPUs: who waits for a walk, and who is left alone",
             memory="3G", huge=HUGE_NOT_GIGANTIC, **WALK_FLAG),
        Boot("waits", "two nodes, a slow disk, swap, memory of a device", WAITS,
             append="movablecore=768M", nodes=2, slow=64, p2pdma=16, memory="2G", huge="",
             env={"FAST_GUP_SWAP": "1"}),
        Boot("unload", "loaded and unloaded under direct I/O", ["load.sh"]),
        Boot("kunit", "the unit tests and examples of the Rust API", ["kunit.sh"],
             append="kunit.enable=1", memory="1G", huge=""),
    ],
    # 4 GiB on q35: two below the hole, two above 4 GiB.
    "i386": [
        Boot("highmem", "memory above what the kernel maps, four CPUs, every program",
             [*EVERYTHING, "highmem", "pae_flip"], memory="4G", huge=HUGE_NOT_GIGANTIC),
        Boot("sections", "one CPU, no huge pages by themselves, sections of at most 7 entries",
             ["errors", "permissions", "layouts", "values", "vmstat", "fork", "fork_race",
              "races", "races_file", "order1", *RANGES, "dio", "splice",
              "highmem", "pae_flip"],
             append="transparent_hugepage=never", module_args="max_section=7", smp=1,
             memory="4G", huge=HUGE_NOT_GIGANTIC, env={"FAST_GUP_SECONDS": "2"}, debug=CUT),
        # Two GiB that must not move are those below 4 GiB.
        Boot("movable", "memory above 4 GiB is movable: pins for long move pages below",
             ["permissions", "kernel_gup_longterm", "highmem", "pae_flip"],
             append="kernelcore=2G", memory="4G", huge=HUGE_NOT_GIGANTIC,
             env={"FAST_GUP_MOVABLE": "1"},
             debug=["permissions", "kernel_gup_longterm", "pae_flip:pae_migrate"]),
        Boot("provide=0", "the module serves its own API only",
             [*UNSERVED, "values"], module_args="provide=0", memory="4G", huge=HUGE_NOT_GIGANTIC,
             debug=UNSERVED),
        Boot("kernel", "the kernel's own tests, their callers served by the module",
             ["gup_matrix.sh", "kernel_cow", "kernel_gup_longterm"],
             memory="3G", huge=HUGE_NOT_GIGANTIC, env={"FAST_GUP_SWAP": "1"}),
        Boot("walk-flag", "eight CPUs: who waits for a walk, and who is left alone",
             memory="3G", huge=HUGE_NOT_GIGANTIC, **WALK_FLAG),
        Boot("waits", "a slow disk and swap", WAITS, slow=64, memory="2G", huge="",
             env={"FAST_GUP_SWAP": "1"}),
        Boot("unload", "loaded and unloaded under direct I/O", ["load.sh"],
             memory="4G", huge=HUGE_NOT_GIGANTIC),
    ],
    "ppc64le": [
        Boot("radix", "POWER9: radix trees, four CPUs, every program", EVERYTHING,
             cpu="power9", huge=HUGE_RADIX),
        Boot("hash", "POWER8: hash table, huge pages of 16M, four CPUs, every program", EVERYTHING,
             cpu="power8", memory="4G", huge=HUGE_HASH),
        Boot("sections", "hash table, sections of at most 7 entries",
             ["errors", "permissions", "layouts", "values", "vmstat", "fork", "fork_race",
              "races", "races_file", *RANGES, "dio", "splice"],
             module_args="max_section=7", cpu="power8", memory="4G", huge=HUGE_HASH,
             env={"FAST_GUP_SECONDS": "2"}, debug=CUT),
        Boot("provide=0", "the module serves its own API only",
             [*UNSERVED, "values"], module_args="provide=0", cpu="power9", huge=HUGE_RADIX,
             debug=UNSERVED),
        Boot("kernel", "the kernel's own tests, their callers served by the module",
             ["gup_matrix.sh", "kernel_cow", "kernel_gup_longterm"],
             cpu="power9", memory="3G", huge=HUGE_RADIX_NOT_GIGANTIC, env={"FAST_GUP_SWAP": "1"}),
        Boot("kernel-hash", "the same with a hash table",
             ["gup_matrix.sh", "kernel_cow", "kernel_gup_longterm"],
             cpu="power8", memory="3G", huge=HUGE_HASH, env={"FAST_GUP_SWAP": "1"}),
        Boot("walk-flag", "hash table, eight CPUs: who waits for a walk, and who is left alone",
             cpu="power8", memory="4G", huge=HUGE_HASH, **WALK_FLAG),
        Boot("waits", "radix trees, two nodes, a slow disk and swap", WAITS,
             append="movablecore=1G", nodes=2, slow=256, cpu="power9", memory="3G", huge="",
             env={"FAST_GUP_SWAP": "1"}),
        Boot("waits-hash", "the same with a hash table", WAITS,
             append="movablecore=1G", nodes=2, slow=256, cpu="power8", memory="3G", huge="",
             env={"FAST_GUP_SWAP": "1"}),
        Boot("unload", "loaded and unloaded under direct I/O", ["load.sh"],
             cpu="power9", memory="2G", huge=HUGE_RADIX_NOT_GIGANTIC),
        Boot("4k-radix", "pages of 4K, radix trees", CORE, cpu="power9", flavour="4k"),
        Boot("4k-hash", "pages of 4K, hash table, no THP", CORE,
             cpu="power8", flavour="4k", memory="4G", huge=HUGE_HASH),
    ],
}

# A debug kernel is several times slower: each program, with fewer rounds.
DEBUG_ENV = {
    "FAST_GUP_CYCLES": "100",
    "FAST_GUP_FORKS": "100",
    "FAST_GUP_FUZZ": "1500",
    "GUP_TEST_MB": "4",
}


def debug_append(arch, flavour, boot):
    """Without these, a debug kernel has the checks and does not make them."""
    if flavour != "debug":
        return ""
    # The kernel's examples of Rust have timers on the stack that nobody tells debug objects of.
    words = f"page_poison=1 {'no_debug_objects' if boot.name == 'kunit' else 'debug_objects'}"
    # While x86 identifies its first CPU, five levels are not known for a moment, and an interrupt
    # in it is a wild access to KASAN (7.3; known upstream). So one boot has five levels, not all.
    return words if arch != "x86_64" or boot.name == "5-level" else f"{words} no5lvl"


# Seconds until a program is taken to hang; emulated guests are slow.
LIMITS = {"load.sh": 900, "races": 700, "races_collapse": 700, "gup_matrix.sh": 900}
LIMIT = 600
DEBUG_FACTOR = 3


@dataclass
class Program:
    """A program and what of it runs."""

    name: str
    part: str = ""

    def arguments(self):
        """A part can be a fixture, a variant or a test: the harness takes each."""
        if not self.part or self.name.endswith(".sh") or self.name.startswith("kernel_"):
            return []
        words = []
        for piece in self.part.split("."):
            for option in "fvt":
                words += [f"-{option}", piece]
        return words


def flavour_of(boot, options):
    """The kernel that a boot runs."""
    return boot.flavour if options.flavour == RELEASE else options.flavour


def _boots(arch, options):
    """All of them, or those of the flavour asked for, or those of release with a kernel that has no boots of its own."""
    boots = BOOTS[arch]
    if options.flavour == RELEASE:
        return boots
    return ([boot for boot in boots if boot.flavour == options.flavour]
            or [boot for boot in boots if boot.flavour == RELEASE])


def _programs(boot, options):
    """The names of a boot's programs: of those not asked for by name, a debug kernel leaves some to release."""
    less = options.flavour == "debug" and boot.debug is not None and not options.only
    return boot.debug if less else boot.programs


def chosen(arch, options):
    """The boots of one architecture, with the programs asked for."""
    if arch not in BOOTS:
        fail(f"no tests for {arch}", f"known are {', '.join(BOOTS)}")
    boots = _boots(arch, options)
    names = [boot.name for boot in boots]
    for name in options.boot:
        if name not in names:
            fail(f"no boot {name!r}", f"known are {', '.join(names)}")
    only = [text.partition(":") for text in options.only]
    programs = {name for boot in boots for name in boot.programs}
    known = {"host", "host-fuzz", "prepare", "bench", "runner"} | {name.replace(".sh", "") for name in programs}
    for name, _, _ in only:
        if name.replace(".sh", "") not in known:
            fail(f"no program {name!r}", f"known are {', '.join(sorted(known))}")

    result = []
    for boot in boots:
        if options.boot and boot.name not in options.boot:
            continue
        programs = []
        for name, _, own in (entry.partition(":") for entry in _programs(boot, options)):
            parts = [part for wanted, _, part in only if wanted.replace(".sh", "") == name.replace(".sh", "")]
            if only and not parts:
                continue
            programs += [Program(name, part) for part in parts or [own]]
        if programs:
            result.append((boot, programs))
    return result


def limit(program, flavour):
    seconds = LIMITS.get(program.name, LIMIT)
    return seconds * DEBUG_FACTOR if flavour == "debug" else seconds


def on_host(options, name):
    """Does `name` (host, host-fuzz, prepare, bench, runner) run? A chosen boot means guests only.

    They know no flavours: with release they run, and with others if they are asked for.
    """
    if options.only:
        return any(text.partition(":")[0] == name for text in options.only)
    return not options.boot and options.flavour == RELEASE
