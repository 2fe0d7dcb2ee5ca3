# SPDX-License-Identifier: GPL-2.0
"""Direct I/O of several threads beside one that maps and unmaps: throughput, in time and not in instructions."""

import os

from lib.console import say

from . import boot

BYTES = (4096, 65536, 1 << 20)
SECONDS = 3


def _threads(cpus):
    """1, 2, 4, ... as many as there are CPUs."""
    return [1 << power for power in range(cpus.bit_length()) if 1 << power <= cpus]


def measure(options, programs, rounds):
    """Rows of reads a second; the guest's CPUs are threads of the host."""
    cpus = min(8, max(2, os.cpu_count() or 2))
    threads = _threads(cpus)
    command = ["sh", "/bench/direct_io.sh", str(rounds), str(SECONDS), " ".join(map(str, threads)), *map(str, BYTES)]
    total = rounds * 2 * (len(threads) * len(BYTES) + 1) + 1
    caller, cpu, found = None, "unknown", {}
    for words in boot.lines(options, "transparent_hugepage=madvise", "2G", programs, command, "direct I/O", ("--smp", str(cpus)), total):
        if words[0] == "@caller":
            caller = words[1]
        elif words[0] == "@cpu":
            cpu = " ".join(words[1:])
        elif words[0] == "@io":
            nr, size, reads, maps, nanoseconds = map(int, words[1:])
            found.setdefault((nr, size, caller), []).append((reads * 1e9 / nanoseconds, maps * 1e9 / nanoseconds))
    say(f"direct I/O: {cpus} CPUs ({cpu}), {rounds} rounds of {SECONDS} s")
    rows = []
    for (nr, size, caller), rounds_found in found.items():
        reads = sorted(one[0] for one in rounds_found)
        rows.append({"threads": nr, "bytes": size, "impl": caller, "reads_per_second": reads[len(reads) // 2],
                     "rounds": reads, "maps_per_second": sum(one[1] for one in rounds_found) / len(rounds_found)})
    return {"cpus": cpus, "cpu": cpu, "seconds": SECONDS, "rows": rows}
