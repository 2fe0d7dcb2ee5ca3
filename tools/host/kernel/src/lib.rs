// SPDX-License-Identifier: GPL-2.0

//! The part of the kernel that `src/folio.rs` calls, played on the host.
//!
//! It has the name of the kernel's crate, so that the sources of the module find their
//! [`bindings`]. The memory behind them is a [`Machine`] of each thread.

#![warn(missing_docs, rust_2018_idioms)]

use std::cell::RefCell;
use std::collections::BTreeMap;

pub mod bindings;

/// A folio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folio {
    /// It has `1 << order` pages.
    pub order: u32,
    /// `_refcount`
    pub refs: i32,
    /// `_pincount`, where it has one.
    pub pins: i32,
    /// `folio_is_longterm_pinnable()`
    pub longterm: bool,
}

/// What somebody does to a folio while references to it are taken.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Splits it into folios of this order, if nobody else refers to it.
    Split(u32),
    /// Frees it, if nobody else refers to it, and uses the memory again as a folio of this order.
    Reuse(u32),
    /// Takes and keeps a reference.
    Refer,
}

/// Memory, from page 0 on.
#[derive(Default)]
pub struct Machine {
    /// `CONFIG_64BIT`
    pub is_64bit: bool,
    /// The folios by their first pages.
    pub folios: BTreeMap<usize, Folio>,
    /// The page of zeros.
    pub zero: Option<usize>,
    /// The balance of `nr_foll_pin_acquired` and `nr_foll_pin_released`.
    pub counted: isize,
    /// What happens to the folio of a page, in front of which call from now on.
    pub change: Option<(usize, usize, Change)>,
    calls: usize,
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::default();
}

/// Makes `machine` that of this thread.
pub fn boot(machine: Machine) {
    MACHINE.with(|m| *m.borrow_mut() = machine);
}

/// Looks at the machine, or changes it.
pub fn with<R>(f: impl FnOnce(&mut Machine) -> R) -> R {
    MACHINE.with(|m| f(&mut m.borrow_mut()))
}

/// A call of the kernel, in front of which something may happen.
fn call<R>(f: impl FnOnce(&mut Machine) -> R) -> R {
    with(|machine| {
        if let Some((pfn, call, change)) = machine.change {
            if machine.calls == call {
                machine.apply(pfn, change);
            }
        }
        machine.calls += 1;
        f(machine)
    })
}

impl Machine {
    /// The calls that were made.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Adds a folio that its owner has one reference to.
    pub fn add(&mut self, first: usize, order: u32) {
        let folio = Folio {
            order,
            refs: 1,
            pins: 0,
            longterm: true,
        };
        assert!(first % (1 << order) == 0, "a folio is aligned naturally");
        self.folios.insert(first, folio);
    }

    /// The first page of the folio that a page is of.
    pub fn head(&self, pfn: usize) -> usize {
        let (&head, folio) = self.folios.range(..=pfn).next_back().expect("a page");
        assert!(pfn < head + (1 << folio.order), "a page of a folio");
        head
    }

    /// The folio that begins at a page. The part of one that was split may be asked for by who
    /// remembers the whole.
    pub fn folio(&mut self, head: usize) -> &mut Folio {
        let head = self.head(head);
        self.folios.get_mut(&head).expect("a folio")
    }

    /// `folio_has_pincount()`
    pub fn has_pincount(&mut self, head: usize) -> bool {
        let order = self.folio(head).order;
        if self.is_64bit {
            order > 0
        } else {
            order > 1
        }
    }

    fn apply(&mut self, pfn: usize, change: Change) {
        let head = self.head(pfn);
        let whole = self.folio(head).clone();
        let parts = match change {
            Change::Refer => {
                self.folio(head).refs += 1;
                return;
            }
            Change::Split(order) | Change::Reuse(order) if order > whole.order => return,
            Change::Split(order) | Change::Reuse(order) => order,
        };
        // folio_ref_freeze() does not succeed if there are others.
        if whole.refs != 1 {
            return;
        }
        self.folios.remove(&head);
        for first in (head..head + (1 << whole.order)).step_by(1 << parts) {
            self.add(first, parts);
        }
    }
}
