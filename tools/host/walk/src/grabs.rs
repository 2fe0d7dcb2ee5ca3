// SPDX-License-Identifier: GPL-2.0

//! References and pins on folios, by the module's own `folio.rs`, with a kernel played by the crate
//! of that name.
//!
//! What counts as a pin depends on the folio and on the machine: a folio of two pages has a
//! `_pincount` where a word has 64 bits, and none where it has 32. Whoever takes pins and whoever
//! gives them back, page by page or many at once, must come to the same answer.

use crate::folio::{self, Page, Run};
use crate::refusal::Refusal;
use crate::request::Flags;
use kernel::{boot, with, Change, Folio, Machine};

mod ranges;
mod unpin;

const ORDERS: [u32; 6] = [0, 1, 2, 3, 5, 9];

/// Three folios of each order, one behind the other.
fn machine(is_64bit: bool) -> Machine {
    let mut machine = Machine::default();
    machine.is_64bit = is_64bit;
    for order in ORDERS {
        for nth in 0..3 {
            machine.add(first(order) + (nth << order) - (1 << order), order);
        }
    }
    machine
}

/// The first page of the middle one.
fn first(order: u32) -> usize {
    ((order as usize + 1) << 12) + (1 << order)
}

fn grab(pfn: usize, nr: usize, flags: Flags) -> Result<(Run, usize), Refusal> {
    // SAFETY: There is such a page in the machine.
    let page = unsafe { Page::new(pfn) };
    if flags.contains(Flags::PIN) {
        grab_as::<true>(page, nr, flags)
    } else {
        grab_as::<false>(page, nr, flags)
    }
}

/// A single page first, as the walk does; that is told how many pages it is worth to look for.
fn grab_as<const PIN: bool>(page: Page, nr: usize, flags: Flags) -> Result<(Run, usize), Refusal> {
    // SAFETY: There is such a page in the machine.
    let single = unsafe {
        if flags.contains(Flags::LONGTERM) {
            folio::grab_single::<PIN, true>(page.pfn())
        } else {
            folio::grab_single::<PIN, false>(page.pfn())
        }
    };
    match single {
        Ok(run) => Ok((run, 1)),
        Err(most) => folio::grab::<PIN>(page, nr.min(most), flags),
    }
}

/// At once, as the walk does with a leaf above the level of the pages.
fn grab_many(pfn: usize, nr: usize, flags: Flags) -> Result<(Run, usize), Refusal> {
    // SAFETY: There is such a page in the machine.
    let page = unsafe { Page::new(pfn) };
    if flags.contains(Flags::PIN) {
        folio::grab::<true>(page, nr, flags)
    } else {
        folio::grab::<false>(page, nr, flags)
    }
}

/// Counts pins of a run, as the walk does when it is done.
fn count(run: &Run, nr: usize) {
    let mut acquired = folio::Acquired::new();
    acquired.add(run.folio(), nr);
    acquired.count();
}

/// Gives back pages of a run.
fn put(run: Run, nr: usize, flags: Flags) {
    // SAFETY: The tests put what they have grabbed.
    unsafe {
        if flags.contains(Flags::PIN) {
            folio::put::<true>(run, nr);
        } else {
            folio::put::<false>(run, nr);
        }
    }
}

/// Gives back a page.
fn release(pfn: usize, flags: Flags) {
    // SAFETY: As above.
    unsafe {
        if flags.contains(Flags::PIN) {
            folio::release::<true>(Page::new(pfn));
        } else {
            folio::release::<false>(Page::new(pfn));
        }
    }
}

/// `gup_put_folio()`, as of mm/gup.c.
fn gup_put_folio(machine: &mut Machine, head: usize, nr: i32, flags: Flags) {
    let mut refs = nr;
    if flags.contains(Flags::PIN) {
        machine.counted -= nr as isize;
        if machine.has_pincount(head) {
            machine.folio(head).pins -= nr;
        } else {
            refs = refs.checked_mul(1024).expect("refs overflow");
        }
    }
    let folio = machine.folio(head);
    folio.refs -= refs;
    assert!(folio.refs > 0, "{folio:?} is freed");
}

/// `unpin_user_pages()`: pages of one folio that follow each other are put together.
fn unpin_user_pages(machine: &mut Machine, pages: &[usize], flags: Flags) {
    let mut left = pages;
    while let [page, ..] = left {
        let head = machine.head(*page);
        let nr = left
            .iter()
            .take_while(|pfn| machine.head(**pfn) == head)
            .count();
        gup_put_folio(machine, head, nr as i32, flags);
        left = &left[nr..];
    }
}

/// What is held of a folio, with nobody but its owner besides.
fn held(folio: &Folio) -> (i32, i32) {
    (folio.refs - 1, folio.pins)
}

/// References and pins that `nr` pages of a folio are, see `try_grab_folio_fast()`.
fn expected(is_64bit: bool, order: u32, nr: usize, flags: Flags) -> (i32, i32) {
    let nr = nr as i32;
    let counted = if is_64bit { order > 0 } else { order > 1 };
    match (flags.contains(Flags::PIN), counted) {
        (false, _) => (nr, 0),
        (true, true) => (nr, nr),
        (true, false) => (1024 * nr, 0),
    }
}

/// Grabs all of `nr` pages in as many runs as it takes.
fn grab_all(pfn: usize, nr: usize, flags: Flags) -> Vec<(Run, usize)> {
    let mut runs = Vec::new();
    let mut done = 0;
    while done < nr {
        let (run, got) = grab(pfn + done, nr - done, flags).expect("nothing is in the way");
        assert!(got > 0 && got <= nr - done, "{got} pages");
        runs.push((run, got));
        done += got;
    }
    runs
}

fn all_cases(mut case: impl FnMut(bool, u32, Flags)) {
    for is_64bit in [false, true] {
        for order in ORDERS {
            for flags in [Flags::GET, Flags::PIN, Flags::PIN.with(Flags::LONGTERM)] {
                case(is_64bit, order, flags);
            }
        }
    }
}

#[test]
fn what_is_grabbed_is_what_c_gives_back() {
    all_cases(|is_64bit, order, flags| {
        let pages = 1usize << order;
        for from in [0, pages / 2, pages - 1] {
            for nr in 1..=(pages - from).min(32) {
                for at_once in [true, false] {
                    boot(machine(is_64bit));
                    let head = first(order);
                    let runs = grab_all(head + from, nr, flags);
                    let context = format!("64bit={is_64bit} order {order} {from}+{nr} {flags:?}");
                    with(|machine| {
                        let want = expected(is_64bit, order, nr, flags);
                        assert_eq!(held(machine.folio(head)), want, "{context}");
                        // A page of a larger folio is never taken for the folio.
                        let single = runs.iter().any(|(run, _)| run.single().is_some());
                        assert!(!single || order == 0, "{context}");

                        let pfns: Vec<usize> = (head + from..head + from + nr).collect();
                        if at_once {
                            unpin_user_pages(machine, &pfns, flags);
                        } else {
                            pfns.iter()
                                .for_each(|pfn| unpin_user_pages(machine, &[*pfn], flags));
                        }
                        assert_eq!(held(machine.folio(head)), (0, 0), "{context}");
                    });
                }
            }
        }
    });
}

/// What the walk itself gives back, as a run or page by page, and the counters of the node.
#[test]
fn what_is_grabbed_is_what_is_put() {
    all_cases(|is_64bit, order, flags| {
        let (head, nr) = (first(order), (1usize << order).min(32));
        boot(machine(is_64bit));
        for (run, got) in grab_all(head, nr, flags) {
            put(run, got, flags);
        }
        with(|machine| assert_eq!(held(machine.folio(head)), (0, 0)));

        for (run, got) in grab_all(head, nr, flags) {
            if flags.contains(Flags::PIN) {
                count(&run, got);
            }
        }
        for pfn in head..head + nr {
            release(pfn, flags);
        }
        with(|machine| {
            assert_eq!(held(machine.folio(head)), (0, 0));
            assert_eq!(machine.counted, 0, "pins that are counted");
        });
    });
}

/// A run does not go beyond its folio, whatever is asked for.
#[test]
fn a_run_ends_with_its_folio() {
    all_cases(|is_64bit, order, flags| {
        let pages = 1usize << order;
        boot(machine(is_64bit));
        let (run, nr) = grab(first(order) + pages / 2, 4 * pages, flags).expect("a run");
        assert!(nr <= pages - pages / 2, "{nr} pages of {pages}");
        assert_eq!(run.first().pfn(), first(order) + pages / 2);
        let left = with(|machine| held(machine.folio(first(order))));
        assert_eq!(left, expected(is_64bit, order, nr, flags));
    });
}

/// A count that is close to its end stays below it; one that is negative is left alone.
#[test]
fn counts_do_not_overflow() {
    all_cases(|is_64bit, order, flags| {
        let nr = (1usize << order).min(32);
        let (most, _) = expected(is_64bit, order, nr, flags);
        let limits = (0..4).chain([1, 2, 31, 1023, 1024, 1025, 2047, 2048, 2049].map(|n| n + most));
        for below in limits.chain([1022, 1023, 1024, 1025, 2046, 2047, 2048]) {
            boot(machine(is_64bit));
            let refs = i32::MAX - below;
            with(|machine| machine.folio(first(order)).refs = refs);
            let got = grab(first(order), nr, flags);
            let now = with(|machine| machine.folio(first(order)).clone());
            match got {
                Ok((_, nr)) => {
                    let (more, pins) = expected(is_64bit, order, nr, flags);
                    assert_eq!((now.refs, now.pins), (refs + more, pins), "{below} {order}");
                }
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Reference);
                    assert_eq!((now.refs, now.pins), (refs, 0), "{below} {order}");
                    assert!(below < most, "there was room for {most}: {below}");
                }
            }
        }
        for refs in [0, -1, i32::MIN] {
            boot(machine(is_64bit));
            with(|machine| machine.folio(first(order)).refs = refs);
            let got = grab(first(order), nr, flags);
            assert!(matches!(got, Err(Refusal::Reference)), "{refs} references");
            assert_eq!(with(|machine| machine.folio(first(order)).refs), refs);
        }
    });
}

/// A folio that is split, or freed and used again, in front of any of the calls: what is held then
/// is pages of one folio, counted as that folio counts, and nothing else.
#[test]
fn folios_may_change_in_between() {
    let changes = (0..4).flat_map(|to| [Change::Split(to), Change::Reuse(to)]);
    let changes: Vec<Change> = changes.chain([Change::Merge, Change::Refer]).collect();
    all_cases(|is_64bit, order, flags| {
        let pages = 1usize << order;
        // The first of them is in the upper buddy of a pair, the second in the lower one.
        let pfns = [pages, 2 * pages].map(|back| first(order) + pages + pages / 2 - back);
        for (pfn, nr) in pfns
            .into_iter()
            .flat_map(|pfn| [1, 2, 4, 32].map(|nr| (pfn, nr)))
        {
            boot(machine(is_64bit));
            let _ = grab(pfn, nr, flags);
            let calls = with(|machine| machine.calls());

            for &change in &changes {
                for call in 0..calls {
                    let mut machine = machine(is_64bit);
                    machine.change = Some((pfn, call, change));
                    boot(machine);
                    let Ok((run, got)) = grab(pfn, nr, flags) else {
                        // What was the head of a folio is a tail of a larger one.
                        assert_eq!(change, Change::Merge, "nobody has frozen it");
                        with(|machine| {
                            assert!(machine.folios.values().all(|f| held(f) == (0, 0)));
                        });
                        continue;
                    };
                    with(|machine| {
                        let context = format!("64bit={is_64bit} {change:?} at {call} {flags:?}");
                        let head = machine.head(pfn);
                        let order = machine.folio(head).order;
                        let want = expected(is_64bit, order, got, flags);
                        assert!(pfn + got <= head + (1 << order), "{context}: {got} pages");
                        for (&first, folio) in &machine.folios {
                            let mut held = held(folio);
                            if matches!(change, Change::Refer) && first == head {
                                held.0 -= 1;
                            }
                            let want = if first == head { want } else { (0, 0) };
                            assert_eq!(held, want, "{context}: {first:#x} {folio:?}");
                        }
                    });
                    put(run, got, flags);
                }
            }
        }
    });
}

#[test]
fn memory_that_must_move_is_not_pinned_for_long() {
    all_cases(|is_64bit, order, flags| {
        boot(machine(is_64bit));
        with(|machine| machine.folio(first(order)).longterm = false);
        let got = grab(first(order), 1 << order, flags);
        if flags.contains(Flags::LONGTERM) {
            assert!(matches!(got, Err(Refusal::Longterm)));
            with(|machine| assert_eq!(held(machine.folio(first(order))), (0, 0)));
        } else {
            assert!(got.is_ok());
        }
    });
}

#[test]
fn the_page_of_zeros_is_not_pinned() {
    for flags in [Flags::GET, Flags::PIN] {
        for ask in [grab, grab_many] {
            let mut machine = machine(false);
            machine.zero = Some(first(0));
            boot(machine);
            let (run, nr) = ask(first(0), 7, flags).expect("the page of zeros");
            let pinned = flags.contains(Flags::PIN);
            assert_eq!((run.is_held(), nr), (!pinned, 1));
            let refs = with(|machine| held(machine.folio(first(0))).0);
            assert_eq!(refs, i32::from(!pinned));
            put(run, nr, flags);
            with(|machine| assert_eq!(held(machine.folio(first(0))), (0, 0)));
        }
    }
}
