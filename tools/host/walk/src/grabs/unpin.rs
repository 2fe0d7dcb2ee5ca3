// SPDX-License-Identifier: GPL-2.0

//! Arrays of pages that are unpinned at once, by the module's own `folio/unpin.rs`.

use super::*;
use crate::ffi::page;

/// Pins a page by itself, and counts that.
fn pin_one(pfn: usize) -> *mut page {
    let (run, _) = grab(pfn, 1, Flags::PIN).expect("a pin");
    if run.is_held() {
        count(&run, 1);
    }
    run.first().as_ptr()
}

/// Pages of all folios, up and down and some of them twice, and the page of zeros among them.
#[test]
fn an_array_is_unpinned_at_once() {
    for (is_64bit, zero) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut machine = machine(is_64bit);
        machine.zero = zero.then_some(first(0));
        boot(machine);

        let up = ORDERS
            .into_iter()
            .flat_map(|order| first(order)..first(order) + (1 << order).min(32));
        let up: Vec<usize> = up.collect();
        let down = up.iter().rev().copied();
        let pfns: Vec<usize> = up.iter().copied().chain(down).collect();
        let pages: Vec<_> = pfns.into_iter().map(pin_one).collect();

        // SAFETY: These are the pages that were pinned above.
        unsafe { folio::unpin(pages.as_ptr(), pages.len()) };
        with(|machine| {
            for &pfn in &up {
                let head = machine.head(pfn);
                assert_eq!(held(machine.folio(head)), (0, 0), "{head:x}");
            }
            assert_eq!(machine.counted, 0, "pins that are counted");
        });
    }
}

/// Folios that follow each other, and an array that ends within one of them.
#[test]
fn what_is_behind_an_array_stays_pinned() {
    for is_64bit in [false, true] {
        for order in ORDERS {
            boot(machine(is_64bit));
            let size = 1usize << order;
            let begin = first(order) - size;
            let pages: Vec<_> = (begin..begin + 3 * size).map(pin_one).collect();
            let (given, kept) = pages.split_at(size + size / 2);

            let pinned = |nr| expected(is_64bit, order, nr, Flags::PIN);
            let are_left = |left: [(i32, i32); 3]| {
                with(|machine| {
                    for (nth, left) in left.into_iter().enumerate() {
                        let now = held(machine.folio(begin + nth * size));
                        assert_eq!(now, left, "folio {nth} of order {order}");
                    }
                });
            };
            // SAFETY: The pages of both were pinned above, and each once.
            unsafe { folio::unpin(given.as_ptr(), given.len()) };
            are_left([(0, 0), pinned(size - size / 2), pinned(size)]);
            // SAFETY: As above.
            unsafe { folio::unpin(kept.as_ptr(), kept.len()) };
            are_left([(0, 0); 3]);
        }
    }
}
