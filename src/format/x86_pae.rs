// SPDX-License-Identifier: GPL-2.0

//! Page tables of 32-bit x86 with PAE: three levels of 64-bit entries, read by halves.
//!
//! C headers: [`arch/x86/include/asm/pgtable_types.h`](srctree/arch/x86/include/asm/pgtable_types.h),
//! [`arch/x86/include/asm/pgtable-3level.h`](srctree/arch/x86/include/asm/pgtable-3level.h)
//!
//! What C calls the PGD, with its four entries, is the level of the PUD here: P4D and PUD are
//! folded into it, and `pud_t` is the type by which C reads and writes it.

use super::x86::{
    self, ACCESSED, DIRTY, PAGE_SHIFT, PRESENT, PSE, RW, SOFT_DIRTY, SPECIAL, TABLE, USER,
};
use super::{Access, Entry, Format, Geometry, Level, Pfn, PhysAddr, Slot};
use crate::refusal::Refusal;

/// `_PAGE_SAVED_DIRTY`, at the place that `_PAGE_UFFD` has on x86_64.
pub(crate) const SAVED_DIRTY: u64 = 1 << 10;
/// `_PAGE_NX`, all that the high half of an entry has besides the address.
pub(crate) const NX: u64 = 1 << 63;

/// Bits that hold an address, or are reserved. There are no protection keys, and no software bits
/// above the address.
const ADDRESS: u64 = !NX & !((1 << PAGE_SHIFT) - 1);

/// Bits of the address that a [`Pfn`] of 32 bits can tell.
const PFN_LIMIT: u64 = (1 << (32 + PAGE_SHIFT)) - 1;

/// Bits that may differ between the entries of two pages which are got in the same way.
const INSIGNIFICANT: u64 = ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;

/// The format of 32-bit x86 with PAE.
pub(crate) enum X86Pae {}

/// What a thread may do to a page, see `__pte_access_permitted()`.
#[derive(Clone, Copy)]
pub(crate) struct Rights {
    need: u64,
    /// The address behind the last page that has a `struct page`.
    end: PhysAddr,
}

impl Rights {
    #[inline(always)]
    pub(crate) fn new(access: Access, geometry: &Geometry) -> Self {
        let write = access == Access::Write;
        Self {
            need: PRESENT | USER | if write { RW } else { 0 },
            end: geometry.memory_end(),
        }
    }
}

impl Rights {
    /// Whether a leaf maps memory, and not what is behind its end.
    ///
    /// An entry that is present and not special always does, and yet it is asked. A swap entry, and
    /// a PROT_NONE entry, whose address is inverted, have many bits in the high half. Should that
    /// ever come together with the low half of another value, see [`X86Pae::load`], it is refused
    /// here, and not looked up as a page that does not exist.
    #[inline(always)]
    fn has_page(&self, raw: u64) -> bool {
        raw & ADDRESS < self.end
    }
}

impl X86Pae {
    /// The shape of the tables. `frame` is `PTE_PFN_MASK`, and `end` the address behind the last
    /// page of memory.
    pub(crate) const fn geometry(frame: PhysAddr, end: PhysAddr) -> Geometry {
        let needed = end.next_power_of_two() - 1;
        let frame = frame & needed & ADDRESS & PFN_LIMIT;

        Geometry::new(PAGE_SHIFT, [9, 9, 2], frame).with_memory_end(end)
    }
}

impl Format for X86Pae {
    const NAME: &'static str = "x86_pae";

    type Raw = u64;
    type Rights = Rights;

    /// See `ptep_get_lockless()` in
    /// [`include/linux/pgtable.h`](srctree/include/linux/pgtable.h).
    ///
    /// Who makes an entry present writes the high half first, `native_set_pte()`; who clears it
    /// writes the low half first, `native_pte_clear()`. Others exchange both at once. So, if the
    /// low half that is read has `PRESENT` set, the high half that is read behind it is the one
    /// that belongs to it or a newer one. To make it newer, the low half was cleared before, and
    /// the second read of the low half shows that: unless the entry has become present *again*,
    /// with the same low half. Between two addresses in one entry there is a flush of the TLB,
    /// which waits until this CPU has interrupts on.
    ///
    /// What is not present may be made of two values. The walk stops there in any case.
    /// Documentation/locking-and-ordering.rst has the proof, and where the kernel bends that rule.
    #[inline(always)]
    fn load<S: Slot>(slot: S) -> u64 {
        let mut low = slot.read_low();
        loop {
            slot.read_barrier();
            let high = slot.read_high();
            slot.read_barrier();

            let now = slot.read_low();
            if now == low {
                return u64::from(high) << 32 | u64::from(low);
            }
            low = now;
        }
    }

    #[inline(always)]
    fn entry(raw: u64, level: Level, geometry: &Geometry) -> Entry {
        // An entry of user space that points to a table of pages has all of `_PAGE_TABLE`. In the
        // topmost table, all but PRESENT and the address is reserved, see pud_populate().
        let reserved = ADDRESS & !geometry.frame_mask();
        let flags = raw & (TABLE | PSE | NX | reserved);
        let table = if level == Level::PMD { TABLE } else { PRESENT };

        if flags == table {
            return Entry::Table(raw & geometry.frame_mask());
        }
        if raw & PRESENT == 0 {
            return Entry::Refused(x86::not_present(raw));
        }
        if raw & PSE != 0 && level == Level::PMD {
            return Entry::Leaf;
        }
        Entry::Refused(Refusal::Bad)
    }

    #[inline(always)]
    fn permitted(raw: u64, rights: Rights) -> bool {
        raw & (rights.need | SPECIAL) == rights.need && rights.has_page(raw)
    }

    #[cold]
    fn refusal(raw: u64, rights: Rights) -> Refusal {
        if raw & PRESENT == 0 {
            x86::not_present(raw)
        } else if raw & rights.need != rights.need {
            Refusal::Permission
        } else if raw & SPECIAL != 0 {
            Refusal::Special
        } else {
            Refusal::Bad
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
    fn writable(raw: u64) -> bool {
        raw & RW != 0
    }

    #[inline(always)]
    fn difference(first: u64, raw: u64, nr: usize, _geometry: &Geometry) -> u64 {
        // The sum carries into the high half where memory crosses a border of 4 GiB.
        x86::difference(first, raw, nr)
    }

    #[inline(always)]
    fn matters(difference: u64, _geometry: &Geometry) -> bool {
        difference & !INSIGNIFICANT != 0
    }
}
