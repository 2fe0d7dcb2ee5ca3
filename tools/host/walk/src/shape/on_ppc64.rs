// SPDX-License-Identifier: GPL-2.0

//! The entries of ppc64, of radix and of hash.

use super::Change;
use crate::c::ppc64::*;
use crate::flags::Flags;
use crate::format::{Level, PhysAddr};

pub(super) const SPOILS: [u64; 8] = [
    _PAGE_PRESENT,
    _PAGE_PTE,
    _PAGE_INVALID,
    _PAGE_PRESENT | _PAGE_INVALID,
    _PAGE_PRESENT | _PAGE_PTE,
    // What is not an address, at both ends.
    _PAGE_DIRTY,
    _RPAGE_RPN41,
    _RPAGE_PKEY_BIT4,
];

/// See `pfn_pte()`, `pfn_pmd()` and `pfn_pud()`, and the table of `protection_map`.
pub(super) fn leaf(machine: &Machine, level: Level, pfn: usize, flags: Flags) -> u64 {
    let noise = if machine.radix {
        _PAGE_EXEC
    } else {
        machine.hpteflags() & !_RPAGE_RSV1
    };
    let bits = [
        (Flags::PRESENT, _PAGE_PRESENT),
        (Flags::WRITE, _PAGE_WRITE),
        (Flags::ACCESSED, _PAGE_ACCESSED),
        (Flags::DIRTY, _PAGE_DIRTY),
        (Flags::SOFT_DIRTY, _PAGE_SOFT_DIRTY),
        (Flags::SPECIAL, _PAGE_SPECIAL),
        (Flags::MARK, _RPAGE_SW1),
        (Flags::NOISE, noise),
    ];
    let set = bits.into_iter().filter(|&(flag, _)| flags.has(flag));
    let mut raw = set.fold(_PAGE_PTE | _PAGE_READ | _PAGE_EXEC, |raw, (_, bit)| {
        raw | bit
    });

    if flags.has(Flags::NOEXEC) {
        raw &= !_PAGE_EXEC;
    }
    if flags.has(Flags::PROTNONE) {
        raw = raw & !_PAGE_RWX | _PAGE_PRESENT;
    } else if !flags.has(Flags::USER) {
        raw |= _PAGE_PRIVILEGED;
    }
    if level != Level::PTE {
        raw |= machine.thp_huge();
    }
    (pfn as u64) << machine.page_shift | raw | machine.pkey_bits(flags.the_key())
}

pub(super) fn flags(raw: u64) -> Flags {
    let write = if raw & _PAGE_WRITE != 0 {
        Flags::WRITE
    } else {
        Flags::NONE
    };
    let user = if raw & _PAGE_PRIVILEGED == 0 {
        Flags::USER
    } else {
        Flags::NONE
    };
    write | user
}

/// What holds the address of a table here, without the size that radix has below.
pub(super) fn table_at(raw: u64) -> PhysAddr {
    raw & !MASKED_BITS & ((1 << _PAGE_PA_MAX) - 1)
}

pub(super) fn points_to_table(raw: u64) -> bool {
    raw & (_PAGE_PRESENT | _PAGE_PTE) == _PAGE_PRESENT
}

pub(super) fn is_present(raw: u64) -> bool {
    raw & _PAGE_PRESENT != 0
}

pub(super) fn swap_entry(machine: &Machine) -> u64 {
    // The third file, and its page 0x1234.
    3 | 0x1234 << machine.page_shift | _PAGE_PTE
}

pub(super) fn changed(machine: &Machine, raw: u64, change: Change) -> u64 {
    let hashed = machine.hpteflags() & !_RPAGE_RSV1;
    match change {
        Change::WriteProtect => raw & !_PAGE_WRITE,
        Change::ProtNone => raw & !_PAGE_RWX,
        Change::Accessed => raw | _PAGE_ACCESSED,
        Change::Dirty => raw | _PAGE_DIRTY,
        Change::Busy | Change::Hashed if machine.radix => raw | _PAGE_ACCESSED,
        Change::Busy => raw | _RPAGE_RSV1,
        Change::Hashed => raw & !_RPAGE_RSV1 | _PAGE_ACCESSED | hashed,
        Change::Protect | Change::Split => raw & !_PAGE_PRESENT | _PAGE_INVALID,
        Change::Absent => raw & !_PAGE_PRESENT,
    }
}
