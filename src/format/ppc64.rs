// SPDX-License-Identifier: GPL-2.0

//! What radix and hash tables of ppc64 (Book3S) have in common, which is most of it.
//!
//! C header: [`arch/powerpc/include/asm/book3s/64/pgtable.h`](srctree/arch/powerpc/include/asm/book3s/64/pgtable.h)
//!
//! Entries are big-endian in memory, whatever the CPU is: a [`Format::Raw`](super::Format::Raw) is
//! in the order of the CPU. Pages have 4K or 64K, and the tables of a level have a size of their
//! own, so that all of the geometry is read from the kernel. What C calls the PGD is the level of
//! the P4D here, which is folded into it.

use super::{Access, Entry, Geometry, Level, Pfn, Slot};
use crate::refusal::Refusal;

/// `_PAGE_EXEC`.
pub(crate) const EXEC: u64 = 1 << 0;
/// `_PAGE_WRITE`.
pub(crate) const WRITE: u64 = 1 << 1;
/// `_PAGE_READ`: clear in entries that PROT_NONE is for, or that may be executed only.
pub(crate) const READ: u64 = 1 << 2;
/// `_PAGE_PRIVILEGED`: for the kernel only.
pub(crate) const PRIVILEGED: u64 = 1 << 3;
/// `_PAGE_DIRTY`.
pub(crate) const DIRTY: u64 = 1 << 7;
/// `_PAGE_ACCESSED`.
pub(crate) const ACCESSED: u64 = 1 << 8;
/// `_PAGE_SOFT_DIRTY`.
pub(crate) const SOFT_DIRTY: u64 = 1 << 9;
/// `_PAGE_SPECIAL`: no `struct page`, or none that may be looked at.
pub(crate) const SPECIAL: u64 = 1 << 10;
/// `_RPAGE_PKEY_BIT0` and the four above it; with pages of 4K, hash has some for other things.
pub(crate) const PKEY: u64 = 0x1f << 56;
/// The ones that are left for the key with pages of 4K.
pub(crate) const PKEY_4K: u64 = 0x0e << 56;
/// `_PAGE_PTE`: maps memory, and does not point to a table.
pub(crate) const PTE: u64 = 1 << 62;
/// `_PAGE_PRESENT`.
pub(crate) const PRESENT: u64 = 1 << 63;

/// `PAGE_SHIFT` of the smaller pages.
pub(super) const SHIFT_4K: u8 = 12;

/// Bits that may differ between the entries of two pages which are got in the same way.
///
/// Hash clears `EXEC` until the instruction cache is known to be coherent.
pub(crate) const INSIGNIFICANT: u64 = EXEC | DIRTY | ACCESSED | SOFT_DIRTY;

/// Bits of the address of a table; the inverse of `PMD_MASKED_BITS`, less what no memory has.
pub(crate) const TABLE_ADDRESS: u64 = ((1 << 53) - 1) & !0xff;

/// Whether the protection keys of a thread allow an access.
pub(crate) trait Keys: Copy + 'static {
    /// Whether the key of the entry `raw` does. See `arch_pte_access_permitted()`.
    fn allow(self, raw: u64, access: Access) -> bool;
}

/// What an entry of a page that may be read has set, and clear.
const NEED: u64 = PRESENT | PTE | READ;
const NEVER: u64 = PRIVILEGED | SPECIAL;

/// What a thread may do to a page, see `pte_access_permitted()`.
///
/// C counts an entry as present that has `_PAGE_INVALID` in its place for a moment, for the pages at
/// least. Here it is not: the fallback waits for whoever changes it.
#[derive(Clone, Copy)]
pub(crate) struct Rights<K> {
    /// What an entry has, of these bits and those that it must not have.
    need: u64,
    /// The same for an entry with key 0, of these bits and those of the key.
    fast: u64,
    key: u64,
    access: Access,
    keys: K,
}

impl<K: Keys> Rights<K> {
    #[inline(always)]
    pub(crate) fn new(access: Access, keys: K, geometry: &Geometry) -> Self {
        let need = match access {
            Access::Read => NEED,
            Access::Write => NEED | WRITE,
        };
        Self {
            need,
            // If key 0 does not allow it, a value that no entry has.
            fast: if keys.allow(0, access) { need } else { !0 },
            key: if geometry.page_shift() == SHIFT_4K {
                PKEY_4K
            } else {
                PKEY
            },
            access,
            keys,
        }
    }

    /// Whether a leaf may be accessed.
    #[inline(always)]
    pub(super) fn permit(&self, raw: u64) -> bool {
        // Nearly all pages have key 0.
        raw & (self.need | NEVER | self.key) == self.fast
            || raw & (self.need | NEVER) == self.need && self.keys.allow(raw, self.access)
    }

    /// Why not.
    #[cold]
    pub(super) fn refusal(&self, raw: u64) -> Refusal {
        if raw & (PRESENT | PTE) != PRESENT | PTE {
            Refusal::Absent
        } else if raw & (READ | WRITE | EXEC) == 0 {
            Refusal::ProtNone
        } else if raw & (self.need | PRIVILEGED) != self.need {
            Refusal::Permission
        } else if !self.keys.allow(raw, self.access) {
            Refusal::Key
        } else {
            Refusal::Special
        }
    }
}

/// Interprets an entry above the level of the pages; one that points to a table has none of the
/// `reserved` bits.
#[inline(always)]
pub(super) fn entry(raw: u64, level: Level, reserved: u64) -> Entry {
    if raw & (PRESENT | PTE | reserved) == PRESENT {
        return Entry::Table(raw & TABLE_ADDRESS);
    }
    if raw & PRESENT == 0 {
        // None, a swap entry, or one that `pmdp_invalidate()` has made invalid to split the page:
        // see `pmd_is_serializing()`.
        return Entry::Refused(Refusal::Absent);
    }
    if raw & PTE != 0 && level <= Level::PUD {
        return Entry::Leaf;
    }
    Entry::Refused(Refusal::Bad)
}

/// The first page that a leaf maps.
#[inline(always)]
pub(super) fn pfn(raw: u64, geometry: &Geometry) -> Pfn {
    // CAST: A physical address has fewer than 64 bits.
    (raw & geometry.frame_mask()).wrapping_shr(geometry.page_shift().into()) as Pfn
}

/// See [`difference`](super::Format::difference).
#[inline(always)]
pub(super) fn difference(first: u64, raw: u64, nr: usize, geometry: &Geometry) -> u64 {
    first.wrapping_add((nr as u64).wrapping_shl(geometry.page_shift().into())) ^ raw
}

/// Reads an entry in the byte order of the machine.
#[inline(always)]
pub(super) fn load<S: Slot>(slot: S) -> u64 {
    u64::from_be(slot.read_u64())
}
