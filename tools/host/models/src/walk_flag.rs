// SPDX-License-Identifier: GPL-2.0

//! A walk publishes itself, and whoever takes a table out of the tree interrupts only who walks: see
//! `include/linux/lockless_pgtable_walk.h`. The walk must be out of a table that is reused, whether it
//! was found or not.
//!
//! There is one CPU that walks, in mm [`OURS`], and in an NMI inside of that in mm [`OTHER`].
//! Interrupts that are off are a lock that the walk holds, and an interrupt takes the lock: it comes
//! in front of the section or behind it, and who sent it sees what was done up to there.

use crate::{smp_mb, smp_rmb};
use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicBool, AtomicUsize};
use loom::sync::{Arc, Mutex};
use loom::thread;

const NONE: usize = 0;
const OURS: usize = 1;
const OTHER: usize = 2;
/// `LOCKLESS_PGTBL_WALK_ANY`
const ANY: usize = 3;

struct Kernel {
    /// Held while interrupts are off on the CPU that walks.
    irqs: Mutex<()>,
    /// `lockless_pgtbl_walk` of that CPU.
    walked: AtomicUsize,
    /// The entry points to the table.
    entry: AtomicBool,
    /// The table is used for something else. Loom fails if it is while somebody reads it.
    reused: UnsafeCell<bool>,
    /// `lockless_pgtbl_walks_published`
    published: AtomicBool,
    /// `lockless_pgtbl_walks_known`
    known: AtomicBool,
    /// RCU read-side sections of those that look for walks, made simple.
    looking: AtomicUsize,
}

/// What a model may lack.
#[derive(Clone, Copy)]
struct Model {
    /// The barrier of `begin_lockless_pgtbl_walk()`.
    begin: bool,
    /// The barrier of a walk that is not published.
    unpublished: bool,
    /// The release of `end_lockless_pgtbl_walk()`.
    end: bool,
    /// The barrier of `wait_for_lockless_pgtbl_walks()`.
    sync: bool,
    /// The acquire of `lockless_pgtbl_walk_on()`.
    acquire: bool,
    /// The interrupt.
    interrupt: bool,
    /// An NMI walks as well.
    nmi: bool,
    /// It publishes that it stands for both.
    any: bool,
    /// It restores what was there.
    restore: bool,
    /// What the switch waits for in between.
    wait: bool,
}

const WHOLE: Model = Model {
    begin: true,
    unpublished: true,
    end: true,
    sync: true,
    acquire: true,
    interrupt: true,
    nmi: false,
    any: true,
    restore: true,
    wait: true,
};

impl Kernel {
    fn new(on: bool) -> Arc<Self> {
        Arc::new(Self {
            irqs: Mutex::new(()),
            walked: AtomicUsize::new(NONE),
            entry: AtomicBool::new(true),
            reused: UnsafeCell::new(false),
            published: AtomicBool::new(on),
            known: AtomicBool::new(on),
            looking: AtomicUsize::new(0),
        })
    }

    /// `begin_lockless_pgtbl_walk()`
    fn begin(&self, mm: usize, model: Model) -> usize {
        let outer = self.walked.load(Relaxed);
        if self.published.load(Relaxed) {
            let hides = outer != NONE && outer != mm;
            let mm = if hides && model.any { ANY } else { mm };
            self.walked.store(mm, Relaxed);
            smp_mb(model.begin);
        } else {
            smp_rmb(model.unpublished);
        }
        outer
    }

    /// `end_lockless_pgtbl_walk()`
    fn end(&self, outer: usize, model: Model) {
        let order = if model.end { Release } else { Relaxed };
        self.walked.store(outer, order);
    }

    fn walk(&self, model: Model) {
        let irqs_off = self.irqs.lock().unwrap();
        let outer = self.begin(OURS, model);
        if self.entry.load(Relaxed) {
            if model.nmi {
                let outer = self.begin(OTHER, model);
                self.end(if model.restore { outer } else { NONE }, model);
            }
            // SAFETY: Reading a boolean; loom tells if somebody writes meanwhile.
            let reused = self.reused.with(|reused| unsafe { *reused });
            assert!(!reused, "a walk in a table that is used again");
        }
        self.end(outer, model);
        drop(irqs_off);
    }

    fn interrupt(&self) {
        drop(self.irqs.lock().unwrap());
    }

    /// `pmdp_collapse_flush_sync()`, and what is done with the table.
    fn collapse(&self, model: Model) {
        self.entry.store(false, Relaxed);
        self.looking.fetch_add(1, Relaxed);
        smp_mb(true);
        let known = self.known.load(Relaxed);
        self.looking_for_walks(known, model);
        self.looking.fetch_sub(1, Release);
        // SAFETY: Writing a boolean; loom tells if somebody reads meanwhile.
        self.reused.with_mut(|reused| unsafe { *reused = true });
    }

    /// `__sync_lockless_pgtbl_walks()`
    fn looking_for_walks(&self, known: bool, model: Model) {
        if !known {
            return self.interrupt();
        }
        smp_mb(model.sync);
        let order = if model.acquire { Acquire } else { Relaxed };
        let walked = self.walked.load(order);
        if model.interrupt && (walked == OURS || walked == ANY) {
            self.interrupt();
        }
    }

    /// `set_lockless_pgtbl_walks_known()`
    fn switch(&self, on: bool, model: Model) {
        if on {
            self.published.store(true, Relaxed);
            if model.wait {
                self.interrupt();
            }
            self.known.store(true, Release);
        } else {
            self.known.store(false, Relaxed);
            if model.wait {
                smp_mb(true);
                while self.looking.load(Acquire) != 0 {
                    thread::yield_now();
                }
            }
            // A grace period is a full barrier.
            self.published.store(false, Release);
        }
    }
}

/// A walk and a collapse.
fn explore(model: Model) {
    loom::model(move || {
        let kernel = Kernel::new(true);
        let walker = {
            let kernel = kernel.clone();
            thread::spawn(move || kernel.walk(model))
        };
        // Nothing else orders these two, so the barrier that is looked into is the only one.
        kernel.entry.store(false, Relaxed);
        kernel.looking_for_walks(true, model);
        // SAFETY: Writing a boolean; loom tells if somebody reads meanwhile.
        kernel.reused.with_mut(|reused| unsafe { *reused = true });
        walker.join().unwrap();
        assert_eq!(
            kernel.walked.load(Relaxed),
            NONE,
            "a walk that does not end"
        );
    });
}

/// The same while the flag is switched on, or off.
fn explore_switch(on: bool, model: Model) {
    loom::model(move || {
        let kernel = Kernel::new(!on);
        let others = [
            {
                let kernel = kernel.clone();
                thread::spawn(move || kernel.walk(model))
            },
            {
                let kernel = kernel.clone();
                thread::spawn(move || kernel.switch(on, model))
            },
        ];
        kernel.collapse(model);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(
            kernel.walked.load(Relaxed),
            NONE,
            "a walk that does not end"
        );
    });
}

#[test]
fn a_walk_and_a_collapse() {
    explore(WHOLE);
}

#[test]
fn a_walk_in_a_walk_and_a_collapse() {
    explore(Model { nmi: true, ..WHOLE });
}

#[test]
fn a_switch_on() {
    explore_switch(true, WHOLE);
}

#[test]
fn a_switch_off() {
    explore_switch(false, WHOLE);
}

#[test]
#[should_panic]
fn fails_without_the_barrier_of_begin() {
    explore(Model {
        begin: false,
        ..WHOLE
    });
}

#[test]
#[should_panic]
fn fails_without_the_barrier_of_sync() {
    explore(Model {
        sync: false,
        ..WHOLE
    });
}

#[test]
#[should_panic]
fn fails_without_the_release_of_end() {
    explore(Model {
        end: false,
        ..WHOLE
    });
}

#[test]
#[should_panic]
fn fails_without_the_acquire() {
    explore(Model {
        acquire: false,
        ..WHOLE
    });
}

#[test]
#[should_panic]
fn fails_without_the_interrupt() {
    explore(Model {
        interrupt: false,
        ..WHOLE
    });
}

#[test]
#[should_panic]
fn fails_if_the_inner_walk_hides_the_outer_one() {
    explore(Model {
        nmi: true,
        any: false,
        ..WHOLE
    });
}

#[test]
#[should_panic]
fn fails_if_the_inner_walk_ends_the_outer_one() {
    explore(Model {
        nmi: true,
        restore: false,
        ..WHOLE
    });
}

#[test]
#[should_panic]
fn fails_if_the_switch_on_does_not_interrupt() {
    explore_switch(
        true,
        Model {
            wait: false,
            ..WHOLE
        },
    );
}

#[test]
#[should_panic]
fn fails_without_the_barrier_of_a_walk_that_is_not_published() {
    explore_switch(
        false,
        Model {
            unpublished: false,
            ..WHOLE
        },
    );
}

#[test]
#[should_panic]
fn fails_if_the_switch_off_does_not_wait() {
    explore_switch(
        false,
        Model {
            wait: false,
            ..WHOLE
        },
    );
}
