// SPDX-License-Identifier: GPL-2.0

//! The naive look at the tables of x86, with and without PAE.

use super::Mapped;
use crate::c::x86::*;
use crate::format::{Level, Pfn, PhysAddr};
use crate::memory::Memory;
use crate::refusal::Refusal;
use crate::shape::{table_bits, Shape};
use crate::world::Request;

/// Bits that are clear in an entry that maps memory, or a table.
fn reserved(shape: Shape) -> u64 {
    match shape {
        Shape::Pae => !_PAGE_NX & !((1 << 36) - 1),
        _ => 0,
    }
}

/// What a walk of the tables as they are finds for one address.
pub(super) fn look(memory: &Memory, request: &Request, addr: usize) -> Result<Mapped, Refusal> {
    let machine = Machine {
        physical_mask: request.physical_mask,
        pkru: request.keys as u32,
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
        if raw & reserved(request.shape) != 0 {
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
        Shape::Pae => &[],
        _ => &[39],
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
    let set = table_bits(shape, level) & permissions;
    let mut looked_at = permissions;
    if level > Level::PUD || shape == Shape::Pae {
        looked_at |= _PAGE_PSE;
    }
    if shape == Shape::Pae {
        looked_at |= _PAGE_NX | reserved(shape);
    }
    if entry & looked_at != set {
        return Err(Refusal::Bad);
    }
    Ok(machine.table(entry))
}
