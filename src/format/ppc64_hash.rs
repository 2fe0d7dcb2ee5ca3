// SPDX-License-Identifier: GPL-2.0

//! Hash tables of ppc64: the tree is the kernel's own, and it fills the table of hashes, which the
//! MMU looks into, from it.
//!
//! C headers: [`arch/powerpc/include/asm/book3s/64/hash.h`](srctree/arch/powerpc/include/asm/book3s/64/hash.h),
//! [`arch/powerpc/include/asm/book3s/64/hash-64k.h`](srctree/arch/powerpc/include/asm/book3s/64/hash-64k.h),
//! [`arch/powerpc/include/asm/book3s/64/hash-4k.h`](srctree/arch/powerpc/include/asm/book3s/64/hash-4k.h)
//!
//! Behind the entries of a table of pages there may be as many words of another kind, about the
//! table of hashes. No index leads there.

use super::ppc64::{self, Keys, Rights};
use super::{Entry, Format, Geometry, Level, Pfn, Slot};
use crate::refusal::Refusal;
use core::marker::PhantomData;

/// `H_PAGE_BUSY`: somebody is filling the table of hashes from this entry.
pub(crate) const BUSY: u64 = 1 << 6;

/// What else an entry says of the table of hashes, with pages of 64K: `H_PAGE_COMBO` and
/// `H_PAGE_HASHPTE`.
pub(crate) const HASHED_64K: u64 = 1 << 12 | 1 << 55;

/// The same with pages of 4K: `H_PAGE_HASHPTE`, `H_PAGE_F_SECOND` and `H_PAGE_F_GIX`.
pub(crate) const HASHED_4K: u64 = 1 << 60 | 1 << 56 | 0x7 << 53;

/// What an entry that points to a table has none of, besides the low bits of the address.
const RESERVED: u64 = !(ppc64::PRESENT | ppc64::TABLE_ADDRESS);

/// The format of hash tables.
pub(crate) struct Ppc64Hash<K>(PhantomData<K>);

/// Bits that may differ between the entries of two pages which are got in the same way.
///
/// They change whenever a page is touched for the first time. The second look counts that as a
/// change of the entry, as C does.
#[inline(always)]
fn insignificant(geometry: &Geometry) -> u64 {
    let hashed = if geometry.page_shift() == ppc64::SHIFT_4K {
        HASHED_4K
    } else {
        HASHED_64K
    };
    ppc64::INSIGNIFICANT | BUSY | hashed
}

impl<K: Keys> Format for Ppc64Hash<K> {
    const NAME: &'static str = "ppc64_hash";

    type Raw = u64;
    type Rights = Rights<K>;

    #[inline(always)]
    fn load<S: Slot>(slot: S) -> u64 {
        ppc64::load(slot)
    }

    #[inline(always)]
    fn entry(raw: u64, level: Level, geometry: &Geometry) -> Entry {
        // A table is aligned to its size, which is that of its entries at least.
        let size = level
            .below()
            .map_or(1, |below| geometry.entries(below) as u64 * 8);

        ppc64::entry(raw, level, RESERVED | (size - 1))
    }

    #[inline(always)]
    fn permitted(raw: u64, rights: Rights<K>) -> bool {
        rights.permit(raw)
    }

    #[cold]
    fn refusal(raw: u64, rights: Rights<K>) -> Refusal {
        rights.refusal(raw)
    }

    #[inline(always)]
    fn pfn(raw: u64, _level: Level, geometry: &Geometry) -> Pfn {
        ppc64::pfn(raw, geometry)
    }

    #[inline(always)]
    fn writable(raw: u64) -> bool {
        raw & ppc64::WRITE != 0
    }

    #[inline(always)]
    fn difference(first: u64, raw: u64, nr: usize, geometry: &Geometry) -> u64 {
        ppc64::difference(first, raw, nr, geometry)
    }

    #[inline(always)]
    fn matters(difference: u64, geometry: &Geometry) -> bool {
        difference & !insignificant(geometry) != 0
    }
}
