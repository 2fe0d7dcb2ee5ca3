// SPDX-License-Identifier: GPL-2.0

//! How the format of PAE reads an entry of which the halves change one by one.
//!
//! Here is one entry and somebody who writes it, with every way to spread the writes over the
//! accesses of the load. What the barriers are for is shown in `models`, and by the litmus tests.

use crate::c::x86::*;
use crate::format::x86_pae::X86Pae;
use crate::format::{Format, Slot};
use std::cell::RefCell;

/// One write to the memory of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Write {
    Low(u32),
    High(u32),
    /// What the kernel does where the old value matters: `pxx_xchg64()`.
    Both(u64),
}

/// `native_set_pte()`.
fn set(entry: u64) -> [Write; 2] {
    [Write::High((entry >> 32) as u32), Write::Low(entry as u32)]
}

/// `native_pte_clear()`, and `native_pmd_clear()`.
fn clear() -> [Write; 2] {
    [Write::Low(0), Write::High(0)]
}

/// An entry, and who writes to it in front of which access.
struct Changing {
    entry: u64,
    due: Vec<(usize, Write)>,
    accesses: usize,
    /// The values that it had in the end of each access, and between them.
    held: Vec<u64>,
}

impl Changing {
    fn access(&mut self) -> u64 {
        while let Some(&(due, write)) = self.due.first() {
            if due > self.accesses {
                break;
            }
            self.due.remove(0);
            self.entry = match write {
                Write::Low(low) => self.entry & !0xffff_ffff | u64::from(low),
                Write::High(high) => self.entry & 0xffff_ffff | u64::from(high) << 32,
                Write::Both(entry) => entry,
            };
            self.held.push(self.entry);
        }
        self.accesses += 1;
        assert!(self.accesses < 100, "the load never ends");
        self.entry
    }
}

#[derive(Clone, Copy)]
struct SlotOf<'a>(&'a RefCell<Changing>);

impl Slot for SlotOf<'_> {
    fn read_u64(self) -> u64 {
        panic!("an entry of PAE is read at once");
    }
    fn read_low(self) -> u32 {
        self.0.borrow_mut().access() as u32
    }
    fn read_high(self) -> u32 {
        (self.0.borrow_mut().access() >> 32) as u32
    }
    fn read_barrier(self) {}
}

/// Loads the entry once for each way to make the writes in their order in front of any of the first
/// accesses; returns how often the value was made of two.
fn torn(first: u64, writes: &[Write]) -> usize {
    // Twice through the loop and once more, for each of the changes.
    let places = 3 + 2 * writes.len();
    let mut due = vec![0; writes.len()];
    let mut torn = 0;
    loop {
        let changing = RefCell::new(Changing {
            entry: first,
            due: due.iter().copied().zip(writes.iter().copied()).collect(),
            accesses: 0,
            held: vec![first],
        });
        let value = X86Pae::load(SlotOf(&changing));
        let present = value & _PAGE_PRESENT != 0;
        torn += usize::from(present && !changing.borrow().held.contains(&value));

        let Some(last) = due.iter().rposition(|&place| place + 1 < places) else {
            return torn;
        };
        let place = due[last] + 1;
        due[last..].fill(place);
    }
}

const FLAGS: u64 = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER;
/// A page above 4 GiB, that page not executable, the one 4 GiB above it, and its neighbour.
const HERE: u64 = 0x1_2345_6000 | FLAGS;
const HERE_NX: u64 = HERE | _PAGE_NX;
const ABOVE: u64 = 0x2_2345_6000 | FLAGS;
const NEIGHBOUR: u64 = 0x3_2345_7000 | FLAGS;
/// A swap entry and a PROT_NONE entry, with many bits in both halves.
const SWAP: u64 = 0x17ff_ffed_cba9_8000;
const NONE: u64 = (HERE ^ 0x000f_ffff_ffff_f000) & !FLAGS | _PAGE_PROTNONE;

#[test]
fn a_value_that_is_set_is_whole() {
    for entry in [HERE, HERE_NX] {
        assert_eq!(torn(0, &set(entry)), 0, "{entry:#x} is set");
        assert_eq!(torn(SWAP, &set(entry)), 0, "{entry:#x} is swapped in");
        assert_eq!(torn(NONE, &set(entry)), 0, "{entry:#x} is allowed again");
    }
}

#[test]
fn a_value_that_is_cleared_is_whole() {
    for entry in [HERE, HERE_NX] {
        assert_eq!(torn(entry, &clear()), 0, "{entry:#x} is cleared");
        let exchange = [Write::Both(0)];
        assert_eq!(torn(entry, &exchange), 0, "{entry:#x} is exchanged");
        for absent in [SWAP, NONE] {
            let writes = [&exchange[..], &set(absent)].concat();
            assert_eq!(torn(entry, &writes), 0, "{entry:#x} to {absent:#x}");
        }
    }
}

/// With lower halves that differ, it need not even be flushed.
#[test]
fn another_page_with_another_lower_half_is_whole() {
    let dirty = HERE | _PAGE_DIRTY;
    for other in [NEIGHBOUR, ABOVE | _PAGE_DIRTY, HERE_NX & !_PAGE_RW] {
        let writes = [clear(), set(other)].concat();
        assert_eq!(torn(HERE, &writes), 0, "{other:#x}");
    }
    // The CPU sets a bit meanwhile.
    let writes = [&[Write::Low(dirty as u32)][..], &clear()].concat();
    assert_eq!(torn(HERE, &writes), 0);
}

/// What the rule is for: an entry that becomes present again, with the same lower half, while the
/// load goes on. A flush of the TLB in between keeps that from happening.
#[test]
fn another_page_with_the_same_lower_half_is_not() {
    for other in [ABOVE, HERE_NX] {
        let writes = [clear(), set(other)].concat();
        assert!(torn(HERE, &writes) > 0, "{other:#x}");
    }
}

/// Low, high, low if nobody writes; every change costs a second reading of both.
#[test]
fn the_load_is_three_accesses() {
    for (due, accesses) in [(vec![], 3), (vec![(1, Write::Low(0))], 5)] {
        let changing = RefCell::new(Changing {
            entry: HERE_NX,
            due,
            accesses: 0,
            held: vec![HERE_NX],
        });
        X86Pae::load(SlotOf(&changing));
        assert_eq!(changing.borrow().accesses, accesses);
    }
}
