// SPDX-License-Identifier: GPL-2.0

//! A walker that is slow and obviously right: one page at a time, from the root each time, nothing
//! remembered, nothing batched. Its rules are those of `gup_fast_pgd_range()` and all below it in
//! `mm/gup.c`; where that returns 0, the reason is named as `refusal.rs` describes it.

use crate::flags::Flags;
use crate::format::{Level, Pfn, PhysAddr};
use crate::memory::Memory;
use crate::refusal::Refusal;
use crate::shape::Shape;
use crate::world::{Request, World};

mod on_ppc64;
mod on_x86;

/// How a page is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mapped {
    pub(crate) pfn: Pfn,
    /// The entry, and what it maps in bytes.
    pub(crate) at: PhysAddr,
    pub(crate) index: usize,
    pub(crate) raw: u64,
    pub(crate) size: usize,
}

/// Bits of an entry in which those of a folio may differ.
fn insignificant(shape: Shape) -> u64 {
    let flags = Flags::ACCESSED | Flags::DIRTY | Flags::SOFT_DIRTY | Flags::NOISE;
    shape.leaf(Level::PTE, 0, flags) ^ shape.leaf(Level::PTE, 0, Flags::NONE)
}

/// What a walk of the tables as they are finds for one address.
pub(crate) fn look(memory: &Memory, request: &Request, addr: usize) -> Result<Mapped, Refusal> {
    match request.shape.ppc64(request.keys) {
        Some(machine) => on_ppc64::look(&machine, memory, request, addr),
        None => on_x86::look(memory, request, addr),
    }
}

/// What the walk must answer for a world that does not change.
#[derive(Default)]
pub(crate) struct Expected {
    pub(crate) pages: Vec<Pfn>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) sections: usize,
    /// Entries that the section with the most of them needs; what is read ahead comes on top.
    pub(crate) longest_section: usize,
    /// Where the pages that follow in a folio are not those that are mapped next. The walk may have
    /// taken references to them, and have looked at what maps others.
    pub(crate) broken: usize,
}

/// Gets one page after the other.
pub(crate) fn walk(world: &World, request: &Request) -> Expected {
    let memory = world.memory.borrow();
    let mut folios = world.folios.borrow_mut();
    let mut expected = Expected::default();
    let page_size = request.shape.page_size();
    let mut budget = 0;
    let mut addr = request.start;
    // Where the leaf ends that the last page was of, with the folio that it lies in.
    let mut same_leaf = 0;
    // The entry that would go on with the folio of the last page.
    let mut next = None;
    let ignored = insignificant(request.shape);

    while addr < request.end {
        if budget == 0 && addr >= same_leaf {
            expected.sections += 1;
            budget = request.max_section;
        }
        let mapped = look(&memory, request, addr);
        let entry = mapped.map(|mapped| mapped.raw & !ignored);
        if next.is_some_and(|next| Ok(next) != entry) {
            expected.broken += 1;
        }
        let mapped = match mapped {
            Ok(mapped) => mapped,
            Err(refusal) => {
                expected.refusal = Some(refusal);
                break;
            }
        };
        if addr >= same_leaf {
            budget -= 1;
            let looked_at = request.max_section - budget;
            expected.longest_section = expected.longest_section.max(looked_at);
            same_leaf = (addr & !(mapped.size - 1)) + mapped.size;
            if let Some(folio) = folios.of(mapped.pfn) {
                let left = folio.first + folio.pages() - mapped.pfn;
                same_leaf = same_leaf.min(addr + left * page_size);
            }
        }

        // Takes the reference, asks, and gives it back at once: nobody looks meanwhile.
        if let Err(refusal) = folios.grab(mapped.pfn, 1) {
            expected.refusal = Some(refusal);
            break;
        }
        let writable = request.shape.flags(mapped.raw).has(Flags::WRITE);
        let verdict = folios.verdict(
            mapped.pfn,
            1,
            request.unshares(writable),
            mapped.size > page_size,
        );
        folios.put(mapped.pfn, 1);
        if verdict.refusal.is_some() {
            expected.refusal = verdict.refusal;
            break;
        }
        expected.pages.push(mapped.pfn);
        let folio = folios.of(mapped.pfn);
        let more = folio.is_some_and(|folio| folio.contains(mapped.pfn + 1));
        next = (more && mapped.size == page_size)
            .then_some((mapped.raw + page_size as u64) & !ignored);
        addr += page_size;
    }
    expected
}
