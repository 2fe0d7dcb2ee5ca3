// SPDX-License-Identifier: GPL-2.0

//! `fork()` does not clear the entry before it looks for pins: it makes it read-only afterwards. So
//! it says that it runs by `write_protect_seq`, see `copy_page_range()`, and a walk that pins gives
//! back what it got when the number is not the same and even before and behind it.

use crate::{smp_mb, smp_rmb, smp_wmb};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::sync::Arc;
use loom::thread;

struct Mm {
    write_protect_seq: AtomicUsize,
    writable: AtomicBool,
    pins: AtomicUsize,
}

/// What a model may lack.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Model {
    /// The number is looked at behind the walk.
    check: bool,
    /// The barrier of the grab.
    grab: bool,
    /// The full barrier between the number and the pins, which the series adds. There is a weaker
    /// one in `raw_write_seqcount_begin()`, and the lock of the table is a full one on x86 alone.
    fork: bool,
}

const WHOLE: Model = Model {
    check: true,
    grab: true,
    fork: true,
};

/// Pins the page for writing; whether it is kept.
fn pin(mm: &Mm, model: Model) -> bool {
    let seq = mm.write_protect_seq.load(Relaxed);
    smp_rmb(true);
    if seq % 2 != 0 || !mm.writable.load(Relaxed) {
        return false;
    }
    mm.pins.fetch_add(1, Relaxed);
    smp_mb(model.grab);
    let same = mm.writable.load(Relaxed);
    smp_rmb(true);
    let keep = same && (!model.check || mm.write_protect_seq.load(Relaxed) == seq);
    if !keep {
        mm.pins.fetch_sub(1, Relaxed);
    }
    keep
}

/// Copies the page to the child, or lets them share it; whether it is shared.
fn fork(mm: &Mm, model: Model) -> bool {
    mm.write_protect_seq.store(1, Relaxed);
    smp_wmb();
    smp_mb(model.fork);
    let share = mm.pins.load(Relaxed) == 0;
    if share {
        mm.writable.store(false, Relaxed);
    }
    smp_wmb();
    mm.write_protect_seq.store(2, Relaxed);
    share
}

fn explore(model: Model) {
    let mut explorer = loom::model::Builder::new();
    if model != WHOLE {
        // What a mistake shows in needs no more switches from one thread to the other. Without the
        // limit, a minute goes by before it is found.
        explorer.preemption_bound = Some(2);
    }
    explorer.check(move || {
        let mm = Arc::new(Mm {
            write_protect_seq: AtomicUsize::new(0),
            writable: AtomicBool::new(true),
            pins: AtomicUsize::new(0),
        });
        let walker = {
            let mm = mm.clone();
            thread::spawn(move || pin(&mm, model))
        };
        let shared = fork(&mm, model);
        let kept = walker.join().unwrap();

        // The parent would write to a copy, and the device to the page of the child.
        assert!(
            !(kept && shared),
            "a page is pinned, and shared with a child"
        );
        assert_eq!(mm.pins.load(Relaxed), usize::from(kept), "a pin is lost");
    });
}

#[test]
fn a_pin_and_a_fork() {
    explore(WHOLE);
}

#[test]
#[should_panic(expected = "shared with a child")]
fn fails_without_looking_at_the_number_again() {
    explore(Model {
        check: false,
        ..WHOLE
    });
}

#[test]
#[should_panic(expected = "shared with a child")]
fn fails_without_a_barrier_behind_the_grab() {
    explore(Model {
        grab: false,
        ..WHOLE
    });
}

#[test]
#[should_panic(expected = "shared with a child")]
fn fails_without_the_barrier_of_fork() {
    explore(Model {
        fork: false,
        ..WHOLE
    });
}
