// SPDX-License-Identifier: GPL-2.0

//! `mremap()` moves a table of pages to another address and back, and it maps another page in
//! between. At the second look the walk reads the parent first, and what is below it behind a read
//! barrier: see `Path::unchanged()` in `walk/path.rs`. The addresses of both are known by then, so
//! that nothing else keeps the reads in order.

use crate::{smp_mb, smp_rmb, smp_wmb};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::sync::Arc;
use loom::thread;

/// The page that the table maps here, and the one that it maps elsewhere.
const HERE: usize = 1;
const ELSEWHERE: usize = 2;

struct Tables {
    /// Whether the table is in our tree.
    parent: AtomicBool,
    entry: AtomicUsize,
    refs: AtomicUsize,
}

/// Gets the page; the one that it is, if it is kept.
fn walk(tables: &Tables, barrier: bool) -> Option<usize> {
    if !tables.parent.load(Relaxed) {
        return None;
    }
    let found = tables.entry.load(Relaxed);
    tables.refs.fetch_add(1, Relaxed);
    smp_mb(true);

    let parent = tables.parent.load(Relaxed);
    smp_rmb(barrier);
    let same = tables.entry.load(Relaxed) == found;
    (parent && same).then_some(found)
}

/// Each step is made with the page table lock held, which orders it behind the one before.
fn move_there_and_back(tables: &Tables) {
    tables.parent.store(false, Relaxed);
    smp_wmb();
    tables.entry.store(ELSEWHERE, Relaxed);
    smp_wmb();
    tables.entry.store(HERE, Relaxed);
    smp_wmb();
    tables.parent.store(true, Relaxed);
}

/// `barrier`: the one between the parent and the entry.
fn explore(barrier: bool) {
    loom::model(move || {
        let tables = Arc::new(Tables {
            parent: AtomicBool::new(true),
            entry: AtomicUsize::new(HERE),
            refs: AtomicUsize::new(0),
        });
        let walker = {
            let tables = tables.clone();
            thread::spawn(move || walk(&tables, barrier))
        };
        move_there_and_back(&tables);

        let kept = walker.join().unwrap();
        assert!(kept != Some(ELSEWHERE), "a page that was never mapped here");
    });
}

#[test]
fn a_table_that_comes_back() {
    explore(true);
}

#[test]
#[should_panic(expected = "never mapped here")]
fn fails_without_a_barrier_between_parent_and_child() {
    explore(false);
}
