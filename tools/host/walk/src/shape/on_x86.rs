// SPDX-License-Identifier: GPL-2.0

//! The entries of x86, with and without PAE.

use super::{Change, Shape};
use crate::c::x86::*;
use crate::flags::Flags;
use crate::format::Level;

/// Bits of an entry that may hold an address here.
pub(super) const FRAME: u64 = 0x0000_7fff_ffff_f000;

pub(super) const SPOILS: [u64; 8] = [
    _PAGE_RW,
    _PAGE_USER,
    _PAGE_PSE,
    _PAGE_PRESENT,
    _PAGE_PRESENT | _PAGE_PROTNONE,
    _PAGE_PRESENT | _PAGE_PSE,
    _PAGE_NX,
    _PAGE_ACCESSED,
];

pub(super) fn leaf(shape: Shape, level: Level, pfn: usize, flags: Flags) -> u64 {
    let noise = match shape {
        Shape::Pae => _PAGE_SAVED_DIRTY_32,
        _ => _PAGE_SAVED_DIRTY,
    };
    let bits = [
        (Flags::PRESENT, _PAGE_PRESENT),
        (Flags::WRITE, _PAGE_RW),
        (Flags::USER, _PAGE_USER),
        (Flags::NOEXEC, _PAGE_NX),
        (Flags::ACCESSED, _PAGE_ACCESSED),
        (Flags::DIRTY, _PAGE_DIRTY),
        (Flags::SOFT_DIRTY, _PAGE_SOFT_DIRTY),
        (Flags::SPECIAL, _PAGE_SPECIAL),
        (Flags::PROTNONE, _PAGE_PROTNONE),
        (Flags::MARK, _PAGE_UFFD),
        (Flags::NOISE, noise),
    ];
    let set = bits.into_iter().filter(|&(flag, _)| flags.has(flag));
    let raw = set.fold(0, |raw, (_, bit)| raw | bit);
    let key = match shape {
        Shape::Pae => 0,
        _ => u64::from(flags.the_key() & 15) * _PAGE_PKEY_BIT0,
    };
    let pse = if level == Level::PTE { 0 } else { _PAGE_PSE };

    (pfn as u64) << PAGE_SHIFT | raw | key | pse
}

pub(super) fn flags(raw: u64) -> Flags {
    let bits = [(Flags::WRITE, _PAGE_RW), (Flags::USER, _PAGE_USER)];
    let set = bits.into_iter().filter(|&(_, bit)| raw & bit != 0);
    set.fold(Flags::NONE, |flags, (flag, _)| flags | flag)
}

/// The flags of an entry of `level` that points to a table. See `pud_populate()` of PAE.
pub(crate) fn table_bits(shape: Shape, level: Level) -> u64 {
    match shape {
        Shape::Pae if level == Level::PUD => _PAGE_PRESENT,
        _ => _PAGE_TABLE,
    }
}

pub(super) fn points_to_table(raw: u64) -> bool {
    raw & (_PAGE_PRESENT | _PAGE_PSE) == _PAGE_PRESENT
}

pub(super) fn is_splitting(raw: u64) -> bool {
    raw & (_PAGE_PRESENT | _PAGE_PSE) == _PAGE_PSE
}

pub(super) fn changed(raw: u64, change: Change) -> u64 {
    match change {
        Change::WriteProtect => raw & !_PAGE_RW,
        Change::ProtNone => raw & !_PAGE_PRESENT | _PAGE_PROTNONE,
        Change::Accessed | Change::Hashed => raw | _PAGE_ACCESSED,
        Change::Dirty => raw | _PAGE_DIRTY,
        // There is no table of hashes.
        Change::Busy => raw,
        Change::Protect => 0,
        Change::Split | Change::Absent => raw & !_PAGE_PRESENT,
    }
}
