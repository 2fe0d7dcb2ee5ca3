// SPDX-License-Identifier: GPL-2.0

//! What entries have in common on 64-bit x86 and on 32-bit x86 with PAE.
//!
//! C header: [`arch/x86/include/asm/pgtable_types.h`](srctree/arch/x86/include/asm/pgtable_types.h)

use super::{Geometry, Level, Pfn};
use crate::refusal::Refusal;

/// `_PAGE_PRESENT`: the CPU may use the entry.
pub(super) const PRESENT: u64 = 1 << 0;
/// `_PAGE_RW`.
pub(super) const RW: u64 = 1 << 1;
/// `_PAGE_USER`.
pub(super) const USER: u64 = 1 << 2;
/// `_PAGE_ACCESSED`, which the CPU sets at any time.
pub(super) const ACCESSED: u64 = 1 << 5;
/// `_PAGE_DIRTY`, which the CPU sets at any time.
pub(super) const DIRTY: u64 = 1 << 6;
/// `_PAGE_PSE`: a leaf above the level of the pages.
pub(super) const PSE: u64 = 1 << 7;
/// `_PAGE_PROTNONE`, which is `_PAGE_GLOBAL` where the entry is not present.
pub(super) const PROTNONE: u64 = 1 << 8;
/// `_PAGE_SPECIAL`: no `struct page`, or none that may be looked at.
pub(super) const SPECIAL: u64 = 1 << 9;
/// `_PAGE_SOFT_DIRTY`.
pub(super) const SOFT_DIRTY: u64 = 1 << 11;

/// `_PAGE_TABLE`, as far as it matters: what an entry of user space that points to a table has.
pub(super) const TABLE: u64 = PRESENT | RW | USER;

pub(super) const PAGE_SHIFT: u8 = 12;

/// What an entry is that is not present.
#[inline(always)]
pub(super) fn not_present(raw: u64) -> Refusal {
    // If it is not PROT_NONE, it may also be a huge page that is being split, for which PSE alone
    // is left.
    if raw & PROTNONE != 0 {
        Refusal::ProtNone
    } else {
        Refusal::Absent
    }
}

/// The first page that a leaf of `level` maps.
#[inline(always)]
pub(super) fn pfn(raw: u64, level: Level, geometry: &Geometry) -> Pfn {
    let frame = raw & geometry.frame_mask();
    // The low bits of the address of a huge page are zero, except for _PAGE_PAT_LARGE.
    let low = if level == Level::PTE {
        0
    } else {
        geometry.size(level) as u64 - 1
    };
    // CAST: The geometry leaves no more bits of the address than a `Pfn` can tell.
    ((frame & !low) >> PAGE_SHIFT) as Pfn
}

/// See [`difference`](super::Format::difference).
#[inline(always)]
pub(super) fn difference(first: u64, raw: u64, nr: usize) -> u64 {
    first.wrapping_add((nr as u64).wrapping_shl(PAGE_SHIFT.into())) ^ raw
}
