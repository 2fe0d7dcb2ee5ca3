# SPDX-License-Identifier: GPL-2.0
"""What is measured in the guest of each architecture."""

from dataclasses import dataclass

# Numbers of pages of a call; "whole" is all of the memory, and 0 for the guest.
NUMBERS = (1, 8, 64, 512, 4096, "whole")
# Rows of a kind are made with this many pages, all of them for "whole".
PAGES = 16384
# The other lengths of a section, to see what a section costs.
SECTIONS = (256, 128, 64)
CALLERS = ("C", "ours", "provided", "ranges")


@dataclass(frozen=True)
class Kind:
    """Memory in folios of one size, so many MiB of it."""

    name: str
    kind: str
    kilobytes: int
    megabytes: int

    def argument(self):
        """As the guest wants it."""
        return f"{self.name}:{self.kind}:{self.kilobytes}:{self.megabytes}"


@dataclass(frozen=True)
class Guest:
    """Memory of the guest, its kernel arguments, and the kinds; the first kind is base pages."""

    memory: str
    append: str
    kinds: tuple


GIGABYTE = 1024
THP = "transparent_hugepage=madvise"
X86 = (Kind("4K", "anon", 4, GIGABYTE), Kind("16K", "anon", 16, 64), Kind("64K", "anon", 64, 64),
       Kind("2M", "anon", 2048, GIGABYTE), Kind("hugetlb-2M", "hugetlb", 2048, 64))
GIGANTIC = Kind("hugetlb-1G", "hugetlb", 1 << 20, GIGABYTE)
POWER = (Kind("64K", "anon", 64, GIGABYTE), Kind("256K", "anon", 256, 256), Kind("1M", "anon", 1024, 256))
POWER_4K = (Kind("4K", "anon", 4, GIGABYTE), Kind("16K", "anon", 16, 64), Kind("64K", "anon", 64, 64),
            Kind("2M", "anon", 2048, GIGABYTE), Kind("hugetlb-2M", "hugetlb", 2048, 64))


def guest(arch, cpu, flavour):
    """The guest to measure in; with a hash table, huge pages of POWER are of 16M."""
    if arch == "x86_64":
        return Guest("4G", f"{THP} hugepagesz=1G hugepages=1", (*X86, GIGANTIC))
    if arch == "i386":
        return Guest("4G", THP, X86)
    if flavour == "4k":
        return Guest("4G", THP, POWER_4K)
    if cpu == "power8":
        return Guest("4G", THP, (*POWER, Kind("16M", "anon", 16 << 10, 512), Kind("hugetlb-16M", "hugetlb", 16 << 10, 256)))
    return Guest("4G", THP, (*POWER, Kind("2M", "anon", 2048, GIGABYTE), Kind("hugetlb-2M", "hugetlb", 2048, 256)))
