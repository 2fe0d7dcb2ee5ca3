// SPDX-License-Identifier: GPL-2.0

//! The naive look at the tables of ppc64, radix and hash.

use super::Mapped;
use crate::c::ppc64::*;
use crate::format::{Level, PhysAddr};
use crate::memory::Memory;
use crate::refusal::Refusal;
use crate::world::Request;

/// What neither an address has nor the flags of an entry that points to a table. C does not look.
const HIGH: u64 = !MASKED_BITS & !((1 << _PAGE_PA_MAX) - 1);

pub(super) fn look(
    machine: &Machine,
    memory: &Memory,
    request: &Request,
    addr: usize,
) -> Result<Mapped, Refusal> {
    let mut at = memory.root();

    for level in [Level::P4D, Level::PUD, Level::PMD] {
        let number = level.index();
        let index = index(machine, number, addr);
        let raw = memory.read(at, index);
        // pud_present() and p4d_present(); pmd_access_permitted() refuses what is being split.
        if !machine.pud_present(raw) {
            return Err(Refusal::Absent);
        }
        if machine.leaf(raw) && number < 3 {
            return leaf(machine, request, (at, index, raw), number, addr);
        }
        at = below(machine, raw, number)?;
    }
    let index = index(machine, 0, addr);
    leaf(
        machine,
        request,
        (at, index, memory.read(at, index)),
        0,
        addr,
    )
}

fn index(machine: &Machine, level: usize, addr: usize) -> usize {
    addr >> machine.shift(level) & ((1 << machine.index_sizes()[level]) - 1)
}

fn leaf(
    machine: &Machine,
    request: &Request,
    (at, index, raw): (PhysAddr, usize, u64),
    level: usize,
    addr: usize,
) -> Result<Mapped, Refusal> {
    // The C takes a page whose entry is being changed for present. Here it is not.
    if !machine.pte_present(raw) || machine.pmd_is_serializing(raw) {
        return Err(Refusal::Absent);
    }
    if machine.pte_protnone(raw) {
        return Err(Refusal::ProtNone);
    }
    let write = request.write;
    let readable = machine.pte_user(raw) && machine.pte_read(raw);
    if !readable || (write && !machine.pte_write(raw)) {
        return Err(Refusal::Permission);
    }
    if !machine.arch_pte_access_permitted(raw, write) {
        return Err(Refusal::Key);
    }
    if machine.pte_special(raw) {
        return Err(Refusal::Special);
    }
    let size = 1 << machine.shift(level);
    Ok(Mapped {
        pfn: machine.pte_pfn(raw) + ((addr & (size - 1)) >> machine.page_shift),
        at,
        index,
        raw,
        size,
    })
}

/// The table below. The C asks for more than that of hash with pages of 64K: the tables have a
/// second half there, and are aligned to both.
fn below(machine: &Machine, raw: u64, level: usize) -> Result<PhysAddr, Refusal> {
    let entries = (8u64 << machine.index_sizes()[level - 1]) - 1;
    let bad = if machine.radix {
        machine.bad(raw, level)
    } else {
        raw & entries != 0
    };
    if bad || machine.leaf(raw) || raw & HIGH != 0 {
        return Err(Refusal::Bad);
    }
    Ok(machine.table(raw) & !0xff)
}
