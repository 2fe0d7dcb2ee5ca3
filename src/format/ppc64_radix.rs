// SPDX-License-Identifier: GPL-2.0

//! Radix tables of ppc64: the MMU walks them itself.
//!
//! C headers: [`arch/powerpc/include/asm/book3s/64/radix.h`](srctree/arch/powerpc/include/asm/book3s/64/radix.h),
//! [`arch/powerpc/include/asm/book3s/64/radix-64k.h`](srctree/arch/powerpc/include/asm/book3s/64/radix-64k.h),
//! [`arch/powerpc/include/asm/book3s/64/radix-4k.h`](srctree/arch/powerpc/include/asm/book3s/64/radix-4k.h)
//!
//! An entry that points to a table tells the MMU the size of that table, too. It is not looked at
//! here: the tables of a level all have the same.

use super::ppc64::{self, Keys, Rights};
use super::{Entry, Format, Geometry, Level, Pfn, Slot};
use crate::refusal::Refusal;
use core::marker::PhantomData;

/// Bits that tell the size of a table, in an entry that points to it.
const TABLE_SIZE: u64 = 0x1f;

/// What else such an entry has none of; `RADIX_PMD_BAD_BITS`, and what is not an address.
const RESERVED: u64 = !(ppc64::PRESENT | ppc64::TABLE_ADDRESS | TABLE_SIZE);

/// The format of radix tables.
pub(crate) struct Ppc64Radix<K>(PhantomData<K>);

impl<K: Keys> Format for Ppc64Radix<K> {
    const NAME: &'static str = "ppc64_radix";

    type Raw = u64;
    type Rights = Rights<K>;

    #[inline(always)]
    fn load<S: Slot>(slot: S) -> u64 {
        ppc64::load(slot)
    }

    #[inline(always)]
    fn entry(raw: u64, level: Level, _geometry: &Geometry) -> Entry {
        ppc64::entry(raw, level, RESERVED)
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
    fn matters(difference: u64, _geometry: &Geometry) -> bool {
        difference & !ppc64::INSIGNIFICANT != 0
    }
}
