// SPDX-License-Identifier: GPL-2.0

//! Who takes a page away clears its entry, and then looks for references; the walk takes a
//! reference, and then looks at the entry again. One of them sees the other: see
//! `__folio_try_share_anon_rmap()` and "grab, barrier, look again" in `walk.rs`.

use crate::{smp_mb, smp_rmb};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::sync::Arc;
use loom::thread;

/// Values of the entry.
const NONE: usize = 0;
const READ_ONLY: usize = 1;
const WRITABLE: usize = 2;

struct Page {
    entry: AtomicUsize,
    pins: AtomicUsize,
    exclusive: AtomicBool,
}

/// The barriers of a model.
#[derive(Clone, Copy)]
struct Barriers {
    /// Behind taking the reference.
    grab: bool,
    /// Between the second look and the question whether the page is exclusive.
    ask: bool,
    /// Behind clearing the entry.
    clear: bool,
}

const ALL: Barriers = Barriers {
    grab: true,
    ask: true,
    clear: true,
};

/// Pins the page; whether the walk keeps it.
fn walk(page: &Page, barriers: Barriers) -> bool {
    let entry = page.entry.load(Relaxed);
    if entry == NONE {
        return false;
    }
    page.pins.fetch_add(1, Relaxed);
    smp_mb(barriers.grab);
    let mut keep = page.entry.load(Relaxed) == entry;
    if keep && entry != WRITABLE {
        smp_rmb(barriers.ask);
        keep = page.exclusive.load(Relaxed);
    }
    if !keep {
        page.pins.fetch_sub(1, Relaxed);
    }
    keep
}

/// Shares the page, as KSM does; whether it could.
fn share(page: &Page, barriers: Barriers) -> bool {
    let entry = page.entry.load(Relaxed);
    page.entry.store(NONE, Relaxed);
    smp_mb(barriers.clear);
    if page.pins.load(Relaxed) != 0 {
        page.entry.store(entry, Relaxed);
        return false;
    }
    page.exclusive.store(false, Relaxed);
    smp_mb(true);
    page.entry.store(READ_ONLY, Relaxed);
    true
}

fn explore(entry: usize, barriers: Barriers) {
    loom::model(move || {
        let page = Arc::new(Page {
            entry: AtomicUsize::new(entry),
            pins: AtomicUsize::new(0),
            exclusive: AtomicBool::new(true),
        });
        let walker = {
            let page = page.clone();
            thread::spawn(move || walk(&page, barriers))
        };
        let shared = share(&page, barriers);
        let kept = walker.join().unwrap();

        assert!(!(kept && shared), "a page is pinned, and shared");
        assert_eq!(page.pins.load(Relaxed), usize::from(kept), "a pin is lost");
    });
}

#[test]
fn a_writable_page() {
    explore(WRITABLE, ALL);
}

/// Its entry is the same before and after, so that only the page can tell.
#[test]
fn a_read_only_page() {
    explore(READ_ONLY, ALL);
}

#[test]
#[should_panic(expected = "a page is pinned, and shared")]
fn fails_without_a_barrier_behind_the_grab() {
    explore(WRITABLE, Barriers { grab: false, ..ALL });
}

#[test]
#[should_panic(expected = "a page is pinned, and shared")]
fn fails_without_a_barrier_behind_the_clearing() {
    explore(
        WRITABLE,
        Barriers {
            clear: false,
            ..ALL
        },
    );
}

#[test]
#[should_panic(expected = "a page is pinned, and shared")]
fn fails_without_a_barrier_in_front_of_the_question() {
    explore(READ_ONLY, Barriers { ask: false, ..ALL });
}
