// SPDX-License-Identifier: GPL-2.0

//! One reference, or one pin, for each range, with the module's own holder of folios.

use super::*;
use crate::ranged;
use crate::ranges::{Buffer, FolioHolder, Holder, PageRange, RangeList};
use crate::walk::Pages;

/// What one range is, see [`expected`].
fn one(is_64bit: bool, order: u32, flags: Flags) -> (i32, i32) {
    expected(is_64bit, order, 1, flags)
}

fn page(pfn: usize) -> Page {
    // SAFETY: There is such a page in the machine.
    unsafe { Page::new(pfn) }
}

/// Adds the runs of pages, each as one entry or as many that follow each other, to a list with room
/// for `room` ranges; `then` does the rest. Returns the ranges that are in the list in the end.
fn with_list<const PIN: bool>(
    flags: Flags,
    room: usize,
    then: impl FnOnce(&mut RangeList<FolioHolder<PIN>>),
) -> Vec<(usize, usize)> {
    let page = std::ptr::null_mut();
    let mut memory = vec![PageRange { page, nr_pages: 0 }; room];
    // SAFETY: The vector is as long, and is used for nothing else meanwhile.
    let buffer = unsafe { Buffer::array(memory.as_mut_ptr(), room) };
    let mut list = RangeList::new(FolioHolder::<PIN>::new(flags), buffer);
    list.begin();
    then(&mut list);
    let len = list.len();
    let ranges = memory[..len].iter();
    let ranges = ranges.map(|range| (ranged::pfn(range.page), range.nr_pages));
    ranges.collect()
}

/// What the walk does with pages that are mapped one behind the other.
fn grab_run<H: Holder>(list: &mut RangeList<H>, first: usize, nr: usize) -> Result<(), Refusal> {
    let mut done = 0;
    while done < nr {
        let pfn = first + done;
        let (run, got) = match list.grab_single(pfn) {
            Ok(run) => (run, 1),
            Err(most) => list.grab(pfn, most.min(nr - done))?,
        };
        list.barrier_after_grab();
        if got == 1 && list.keep_single(run, 0, true) {
            list.kept_singles(1);
        } else {
            list.keep(run, got);
        }
        done += got;
    }
    Ok(())
}

/// The same for both kinds.
fn ranges_of(flags: Flags, room: usize, runs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    fn add<H: Holder>(list: &mut RangeList<H>, runs: &[(usize, usize)]) {
        for &(first, nr) in runs {
            grab_run(list, first, nr).expect("nothing is in the way");
        }
        list.hand_over();
    }
    if flags.contains(Flags::PIN) {
        with_list::<true>(flags, room, |list| add(list, runs))
    } else {
        with_list::<false>(flags, room, |list| add(list, runs))
    }
}

#[test]
fn a_range_is_one_reference() {
    all_cases(|is_64bit, order, flags| {
        boot(machine(is_64bit));
        let (head, pages) = (first(order), 1usize << order);
        let runs = [
            (head, pages.div_ceil(2)),
            (head + pages.div_ceil(2), pages / 2),
        ];
        assert_eq!(ranges_of(flags, 4, &runs), [(head, pages)]);

        let context = format!("64bit={is_64bit} order {order} {flags:?}");
        let want = one(is_64bit, order, flags);
        let pinned = isize::from(flags.contains(Flags::PIN));
        with(|machine| {
            assert_eq!(held(machine.folio(head)), want, "{context}");
            assert_eq!(machine.counted, pinned, "{context}");
        });

        // Whoever has it may release it as C does, by any of its pages.
        release(head + pages - 1, flags);
        with(|machine| {
            assert_eq!(held(machine.folio(head)), (0, 0), "{context}");
            assert_eq!(machine.counted, 0, "{context}");
        });
        ranges_of(flags, 4, &runs);
        with(|machine| {
            machine.counted -= pinned;
            gup_put_folio(machine, head, 1, flags);
            machine.counted += pinned;
            assert_eq!(held(machine.folio(head)), (0, 0), "{context}");
            assert_eq!(machine.counted, 0, "{context}");
        });
    });
}

/// Neighbours in memory that are folios of their own.
#[test]
fn a_range_ends_with_its_folio() {
    all_cases(|is_64bit, order, flags| {
        boot(machine(is_64bit));
        let (head, pages) = (first(order), 1usize << order);
        let got = ranges_of(flags, 4, &[(head - pages, 3 * pages)]);
        assert_eq!(
            got,
            [(head - pages, pages), (head, pages), (head + pages, pages)]
        );
        for (first, _) in got {
            let want = one(is_64bit, order, flags);
            with(|machine| assert_eq!(held(machine.folio(first)), want));
        }
    });
}

/// Pages that do not follow each other are ranges of their own, of the same folio even.
#[test]
fn a_gap_is_kept() {
    boot(machine(true));
    let head = first(3);
    let got = ranges_of(
        Flags::PIN,
        4,
        &[(head, 2), (head + 3, 2), (head + 2, 1), (head + 3, 1)],
    );
    assert_eq!(got, [(head, 2), (head + 3, 2), (head + 2, 2)]);
    with(|machine| assert_eq!(held(machine.folio(head)), (3, 3)));
}

/// Between the two comes a page from elsewhere: what follows the first does not continue it.
#[test]
fn a_page_between_is_not_skipped() {
    boot(machine(true));
    let (head, single) = (first(3), first(0));
    let got = ranges_of(Flags::PIN, 4, &[(head, 2), (single, 1), (head + 2, 2)]);
    assert_eq!(got, [(head, 2), (single, 1), (head + 2, 2)]);
}

/// A folio that changes in front of any of the calls.
#[test]
fn folios_may_change_under_a_range() {
    let changes = (0..4).flat_map(|to| [Change::Split(to), Change::Reuse(to)]);
    let changes: Vec<Change> = changes.chain([Change::Merge, Change::Refer]).collect();
    all_cases(|is_64bit, order, flags| {
        let pages = 1usize << order;
        let pfn = first(order) + pages / 2;
        boot(machine(is_64bit));
        let _ = hold(pfn, flags);
        let calls = with(|machine| machine.calls());

        for &change in &changes {
            for call in 0..calls {
                let mut machine = machine(is_64bit);
                machine.change = Some((pfn, call, change));
                boot(machine);
                let Ok((run, most)) = hold(pfn, flags) else {
                    assert_eq!(change, Change::Merge, "nobody has frozen it");
                    with(|machine| assert!(machine.folios.values().all(|f| held(f) == (0, 0))));
                    continue;
                };
                with(|machine| {
                    let context = format!("64bit={is_64bit} {change:?} at {call} {flags:?}");
                    let head = machine.head(pfn);
                    let order = machine.folio(head).order;
                    assert_eq!(pfn + most, head + (1 << order), "{context}");
                    for (&first, folio) in &machine.folios {
                        let mut held = held(folio);
                        if matches!(change, Change::Refer) && first == head {
                            held.0 -= 1;
                        }
                        let want = if first == head {
                            one(is_64bit, order, flags)
                        } else {
                            (0, 0)
                        };
                        assert_eq!(held, want, "{context}: {first:#x} {folio:?}");
                    }
                });
                put(run, 1, flags);
            }
        }
    });
}

fn hold(pfn: usize, flags: Flags) -> Result<(Run, usize), Refusal> {
    if flags.contains(Flags::PIN) {
        folio::grab_once::<true>(page(pfn), flags)
    } else {
        folio::grab_once::<false>(page(pfn), flags)
    }
}

fn hold_again(pfn: usize, flags: Flags) -> bool {
    if flags.contains(Flags::PIN) {
        folio::hold_again::<true>(page(pfn))
    } else {
        folio::hold_again::<false>(page(pfn))
    }
}

/// Two ranges of one, each released for itself.
#[test]
fn a_range_that_is_split_is_held_twice() {
    all_cases(|is_64bit, order, flags| {
        boot(machine(is_64bit));
        let (head, pages) = (first(order), 1usize << order);
        ranges_of(flags, 1, &[(head, pages)]);
        assert!(hold_again(head + pages - 1, flags));
        with(|machine| {
            let want = expected(is_64bit, order, 2, flags);
            assert_eq!(held(machine.folio(head)), want);
            assert_eq!(
                machine.counted,
                if flags.contains(Flags::PIN) { 2 } else { 0 }
            );
        });
        release(head, flags);
        with(|machine| assert_eq!(held(machine.folio(head)), one(is_64bit, order, flags)));
        release(head + pages - 1, flags);
        with(|machine| {
            assert_eq!(held(machine.folio(head)), (0, 0));
            assert_eq!(machine.counted, 0);
        });
    });
}

/// Where there is no room in the counts, nothing changes.
#[test]
fn a_range_is_not_split_beyond_the_counts() {
    all_cases(|is_64bit, order, flags| {
        let (refs, _) = one(is_64bit, order, flags);
        for below in 0..=refs {
            boot(machine(is_64bit));
            with(|machine| machine.folio(first(order)).refs = i32::MAX - below);
            let before = with(|machine| machine.folio(first(order)).clone());
            if !hold_again(first(order), flags) {
                assert!(below <= refs);
                with(|machine| {
                    assert_eq!(*machine.folio(first(order)), before);
                    assert_eq!(machine.counted, 0);
                });
            } else {
                assert_eq!(below, refs, "the count runs over");
            }
        }
    });
}

/// Neither is the page of zeros pinned as a range, nor does anything go on behind it.
#[test]
fn the_page_of_zeros_is_a_range() {
    for flags in [Flags::GET, Flags::PIN] {
        let mut machine = machine(true);
        let zero = first(0);
        machine.zero = Some(zero);
        boot(machine);
        let runs = [(zero - 1, 2), (zero, 1), (zero, 2)];
        let got = ranges_of(flags, 8, &runs);
        let single = |pfn| (pfn, 1);
        assert_eq!(got, [zero - 1, zero, zero, zero, zero + 1].map(single));
        let pinned = flags.contains(Flags::PIN);
        with(|machine| {
            assert_eq!(held(machine.folio(zero)).0, if pinned { 0 } else { 3 });
            assert_eq!(machine.counted, if pinned { 2 } else { 0 });
        });
        got.iter().for_each(|&(pfn, _)| release(pfn, flags));
        with(|machine| {
            assert!(machine.folios.values().all(|f| held(f) == (0, 0)));
            assert_eq!(machine.counted, 0);
        });
    }
}

/// Pages of the fallback, each pinned: one pin for each range remains, and what does not fit goes
/// back.
#[test]
fn pages_of_the_fallback_become_ranges() {
    for order in ORDERS {
        for room in 1..4 {
            boot(machine(true));
            let (head, pages) = (first(order), 1usize << order);
            let pfns: Vec<usize> = (head - pages..head + 2 * pages).collect();
            let fits = room * pages;
            // pin_user_pages_unlocked()
            for &pfn in &pfns {
                assert!(hold_again(pfn, Flags::PIN));
            }
            let got = with_list::<true>(Flags::PIN, room, |list| {
                assert_eq!(list.append_all(&ranged::pages(&pfns)), fits);
            });
            let want: Vec<_> = (0..room)
                .map(|i| (head - pages + i * pages, pages))
                .collect();
            assert_eq!(got, want);
            with(|machine| {
                assert_eq!(machine.counted, room as isize);
                for (i, first) in [head - pages, head, head + pages].into_iter().enumerate() {
                    let want = if i < room {
                        one(true, order, Flags::PIN)
                    } else {
                        (0, 0)
                    };
                    assert_eq!(held(machine.folio(first)), want);
                }
            });
        }
    }
}

/// A walk that comes to nothing takes back what it has added, and only that.
#[test]
fn a_walk_is_taken_back() {
    all_cases(|is_64bit, order, flags| {
        if !flags.contains(Flags::PIN) || order == 0 {
            return;
        }
        boot(machine(is_64bit));
        let (head, pages) = (first(order), 1usize << order);
        let got = with_list::<true>(flags, 8, |list| {
            grab_run(list, head, 1).expect("nothing is in the way");
            list.hand_over();
            list.begin();
            grab_run(list, head + 1, 2 * pages - 1).expect("nothing is in the way");
            list.give_back();
        });
        assert_eq!(got, [(head, 1)]);
        with(|machine| {
            assert_eq!(held(machine.folio(head)), one(is_64bit, order, flags));
            assert_eq!(held(machine.folio(head + pages)), (0, 0));
            assert_eq!(machine.counted, 1);
        });
    });
}

#[test]
fn memory_that_must_move_is_no_range_for_long() {
    all_cases(|is_64bit, order, flags| {
        boot(machine(is_64bit));
        with(|machine| machine.folio(first(order)).longterm = false);
        let longterm = flags.contains(Flags::LONGTERM);
        match hold(first(order), flags) {
            Ok(_) => assert!(!longterm),
            Err(refusal) => {
                assert!(longterm && refusal == Refusal::Longterm);
                with(|machine| assert_eq!(held(machine.folio(first(order))), (0, 0)));
            }
        }
    });
}
