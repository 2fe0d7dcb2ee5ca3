// SPDX-License-Identifier: GPL-2.0

//! Page tables of x86_64, with four or five levels.
//!
//! C headers: [`arch/x86/include/asm/pgtable_types.h`](srctree/arch/x86/include/asm/pgtable_types.h),
//! [`arch/x86/include/asm/pgtable.h`](srctree/arch/x86/include/asm/pgtable.h)

use super::x86::{
    self, ACCESSED, DIRTY, PAGE_SHIFT, PRESENT, PSE, RW, SOFT_DIRTY, SPECIAL, TABLE, USER,
};
use super::{Access, Entry, Format, Geometry, Level, Pfn, PhysAddr, Slot};
use crate::refusal::Refusal;

/// `_PAGE_SAVED_DIRTY`.
pub(crate) const SAVED_DIRTY: u64 = 1 << 58;
/// `_PAGE_PKEY_BIT0` and the three above it.
pub(crate) const PKEY_SHIFT: u32 = 59;
/// `_PAGE_PKEY_MASK`.
pub(crate) const PKEY: u64 = 0xf << PKEY_SHIFT;

const INDEX_BITS: u8 = 9;

/// Bits that may differ between the entries of two pages which are got in the same way.
const INSIGNIFICANT: u64 = ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;

/// The format of x86_64.
pub(crate) enum X86_64 {}

/// What a thread may do to a page, see `__pte_access_permitted()`.
#[derive(Clone, Copy)]
pub(crate) struct Rights {
    need: u64,
    /// What an entry with key 0 is that may be accessed, without the bits that do not matter.
    fast: u64,
    forbidden: u32,
    pkru: u32,
}

impl Rights {
    /// `pkru` is the register of that name, or 0 where the CPU has none: each key has a bit that
    /// forbids access and a bit that forbids writing.
    #[inline]
    pub(crate) fn new(access: Access, pkru: u32) -> Self {
        let (need, forbidden) = match access {
            Access::Read => (PRESENT | USER, 0b01),
            Access::Write => (PRESENT | USER | RW, 0b11),
        };
        Self {
            need,
            // If key 0 does not allow it, a value that no entry has.
            fast: if pkru & forbidden == 0 { need } else { !0 },
            forbidden,
            pkru,
        }
    }

    /// See `__pkru_allows_pkey()`.
    #[inline(always)]
    fn key_allows(&self, raw: u64) -> bool {
        let key = ((raw & PKEY) >> PKEY_SHIFT) as u32;
        self.pkru.wrapping_shr(2 * key) & self.forbidden == 0
    }
}

impl X86_64 {
    /// The shape of the tables. `frame` is `PTE_PFN_MASK`, which is a variable: encrypted memory
    /// takes a bit of the address.
    pub(crate) const fn geometry(five_levels: bool, frame: PhysAddr) -> Geometry {
        if five_levels {
            Geometry::new(PAGE_SHIFT, [INDEX_BITS; 5], frame)
        } else {
            Geometry::new(PAGE_SHIFT, [INDEX_BITS; 4], frame)
        }
    }
}

impl Format for X86_64 {
    const NAME: &'static str = "x86_64";

    type Raw = u64;
    type Rights = Rights;

    #[inline(always)]
    fn load<S: Slot>(slot: S) -> u64 {
        slot.read_u64()
    }

    #[inline(always)]
    fn entry(raw: u64, level: Level, geometry: &Geometry) -> Entry {
        // An entry of user space that points to a table always has all three: `_PAGE_TABLE`. A
        // not-present entry may have any of the other bits, so it comes first.

        if raw & (TABLE | PSE) == TABLE {
            return Entry::Table(raw & geometry.frame_mask());
        }
        if raw & PRESENT == 0 {
            return Entry::Refused(x86::not_present(raw));
        }
        if raw & PSE != 0 && level <= Level::PUD {
            return Entry::Leaf;
        }
        Entry::Refused(Refusal::Bad)
    }

    #[inline(always)]
    fn permitted(raw: u64, rights: Rights) -> bool {
        // A shadow stack page has RW clear and DIRTY set, and is refused for writing like any other
        // page with RW clear. A PROT_NONE page has PRESENT clear.
        // Nearly all pages have key 0.
        raw & (rights.need | SPECIAL | PKEY) == rights.fast
            || raw & (rights.need | SPECIAL) == rights.need && rights.key_allows(raw)
    }

    #[cold]
    fn refusal(raw: u64, rights: Rights) -> Refusal {
        if raw & PRESENT == 0 {
            x86::not_present(raw)
        } else if raw & rights.need != rights.need {
            Refusal::Permission
        } else if !rights.key_allows(raw) {
            Refusal::Key
        } else {
            Refusal::Special
        }
    }

    #[inline(always)]
    fn pfn(raw: u64, level: Level, geometry: &Geometry) -> Pfn {
        x86::pfn(raw, level, geometry)
    }

    #[inline(always)]
    fn page_shift(_geometry: &Geometry) -> u32 {
        u32::from(PAGE_SHIFT)
    }

    #[inline(always)]
    fn index(level: Level, addr: usize, _geometry: &Geometry) -> usize {
        let shift = u32::from(INDEX_BITS) * level.index() as u32 + u32::from(PAGE_SHIFT);

        addr.wrapping_shr(shift) & ((1 << INDEX_BITS) - 1)
    }

    #[inline(always)]
    fn writable(raw: u64) -> bool {
        // C counts shadow stack pages as writable, too. Taking them for read-only asks one more
        // question, whether the page is exclusive, which a shadow stack page always answers yes.
        raw & RW != 0
    }

    #[inline(always)]
    fn difference(first: u64, raw: u64, nr: usize, _geometry: &Geometry) -> u64 {
        x86::difference(first, raw, nr)
    }

    #[inline(always)]
    fn matters(difference: u64, _geometry: &Geometry) -> bool {
        difference & !INSIGNIFICANT != 0
    }
}
