// SPDX-License-Identifier: GPL-2.0

//! A walker that is slow and obviously right: one page at a time, from the root each time, nothing
//! remembered, nothing batched. Its rules are those of `gup_fast_pgd_range()` and all below it in
//! `mm/gup.c`; where that returns 0, the reason is named as `refusal.rs` describes it.

use crate::c::x86::*;
use crate::format::{Level, Pfn, PhysAddr};
use crate::memory::Memory;
use crate::refusal::Refusal;
use crate::shape::Shape;
use crate::world::{Request, World};

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

/// What a walk of the tables as they are finds for one address.
pub(crate) fn look(memory: &Memory, request: &Request, addr: usize) -> Result<Mapped, Refusal> {
    let machine = Machine {
        physical_mask: request.physical_mask,
        pkru: request.pkru,
    };
    let entry = |table: PhysAddr, shift: u32| {
        let index = addr >> shift & 511;
        (index, memory.read(table, index))
    };
    let leaf = |at, (index, raw), shift: u32, pfn: Pfn| {
        if !machine.need_bits(raw, request.write) {
            return Err(Refusal::Permission);
        }
        if !machine.pkey_allowed(raw, request.write) {
            return Err(Refusal::Key);
        }
        if machine.special(raw) {
            return Err(Refusal::Special);
        }
        if raw & request.shape.reserved() != 0 {
            return Err(Refusal::Bad);
        }
        let size = 1 << shift;
        Ok(Mapped {
            pfn: pfn + ((addr & (size - 1)) >> 12),
            at,
            index,
            raw,
            size,
        })
    };

    let mut table = memory.root();

    // pgd and p4d: one of them is folded with four levels. They have no leaves.
    // With PAE, both are, and the PUD is the root.
    let above: &[u32] = match request.shape {
        Shape::Five => &[48, 39],
        Shape::Four => &[39],
        Shape::Pae => &[],
    };
    for shift in above {
        let (_, p4d) = entry(table, *shift);
        if !machine.p4d_present(p4d) {
            return Err(absent(p4d));
        }
        table = below(p4d, Level::P4D, request.shape, &machine)?;
    }

    let at = table;
    let (index, pud) = entry(table, PUD_SHIFT);
    if !machine.pud_present(pud) {
        return Err(absent(pud));
    }
    if machine.pud_leaf(pud) && request.shape != Shape::Pae {
        return leaf(at, (index, pud), PUD_SHIFT, machine.pud_pfn(pud));
    }
    table = below(pud, Level::PUD, request.shape, &machine)?;

    let at = table;
    let (index, pmd) = entry(table, PMD_SHIFT);
    // The C calls a PROT_NONE leaf and one that is being split present, and refuses them later.
    if !machine.pmd_present(pmd) || pmd & _PAGE_PRESENT == 0 {
        return Err(absent(pmd));
    }
    if machine.pmd_leaf(pmd) {
        return leaf(at, (index, pmd), PMD_SHIFT, machine.pmd_pfn(pmd));
    }
    table = below(pmd, Level::PMD, request.shape, &machine)?;

    let at = table;
    let (index, pte) = entry(table, 12);
    if pte & _PAGE_PRESENT == 0 {
        return Err(absent(pte));
    }
    leaf(at, (index, pte), 12, machine.pte_pfn(pte))
}

/// Why an entry that is not present is refused.
fn absent(entry: u64) -> Refusal {
    let machine = Machine {
        physical_mask: 0,
        pkru: 0,
    };
    if machine.pte_protnone(entry) {
        Refusal::ProtNone
    } else {
        Refusal::Absent
    }
}

/// The table below. The C does not check what it follows; a table of user space has all three bits,
/// and is not a leaf. With PAE, NX is for leaves alone, and the entries of the root have neither
/// permissions nor leaves.
fn below(entry: u64, level: Level, shape: Shape, machine: &Machine) -> Result<PhysAddr, Refusal> {
    let permissions = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER;
    let set = shape.table_bits(level) & permissions;
    let mut looked_at = permissions;
    if level > Level::PUD || shape == Shape::Pae {
        looked_at |= _PAGE_PSE;
    }
    if shape == Shape::Pae {
        looked_at |= _PAGE_NX | shape.reserved();
    }
    if entry & looked_at != set {
        return Err(Refusal::Bad);
    }
    Ok(machine.table(entry))
}

/// What the walk must answer for a world that does not change.
#[derive(Default)]
pub(crate) struct Expected {
    pub(crate) pages: Vec<Pfn>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) sections: usize,
    /// Entries that the section with the most of them needs; what is read ahead comes on top.
    pub(crate) longest_section: usize,
}

/// Gets one page after the other.
pub(crate) fn walk(world: &World, request: &Request) -> Expected {
    let memory = world.memory.borrow();
    let mut folios = world.folios.borrow_mut();
    let mut expected = Expected::default();
    let mut budget = 0;
    let mut addr = request.start;
    // Where the leaf ends that the last page was of, with the folio that it lies in.
    let mut same_leaf = 0;

    while addr < request.end {
        if budget == 0 && addr >= same_leaf {
            expected.sections += 1;
            budget = request.max_section;
        }
        let mapped = match look(&memory, request, addr) {
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
                same_leaf = same_leaf.min(addr + (left << 12));
            }
        }

        // Takes the reference, asks, and gives it back at once: nobody looks meanwhile.
        if let Err(refusal) = folios.grab(mapped.pfn, 1) {
            expected.refusal = Some(refusal);
            break;
        }
        let writable = Machine::writable(mapped.raw);
        let verdict = folios.verdict(mapped.pfn, 1, request.unshares(writable));
        folios.put(mapped.pfn, 1);
        if verdict.refusal.is_some() {
            expected.refusal = verdict.refusal;
            break;
        }
        expected.pages.push(mapped.pfn);
        addr += 4096;
    }
    expected
}
