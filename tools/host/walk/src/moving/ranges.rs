// SPDX-License-Identifier: GPL-2.0

//! Ranges of address spaces that change meanwhile.
//!
//! The oracle judges each page, as for single ones: a page that continues a range counts as grabbed
//! when the range was. Here the calls are many, with small buffers, and with pages of the fallback
//! between the walks, so that ranges go on over all of them.

use super::kernel::{page_at, Kernel, Step};
use super::scripts::Script;
use super::stage::Stage;
use super::tiny::{all_schedules, TINY};
use super::{pinned_pages_are_exclusive, stages};
use crate::flags::Flags;
use crate::format::Pfn;
use crate::ranged::{references_are_those_of, release, Caller, Held, Memory};
use crate::refusal::Refusal;
use crate::world::{Watched, World};
use proptest::prelude::*;
use std::ops::Range;

/// How the pages are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    /// Ranges that the buffer has room for.
    pub(super) room: usize,
    /// Pages that the fallback gets at once.
    pub(super) step: usize,
}

/// Calls until all is got, or nothing more comes, while the steps are made. Returns the number of
/// events.
pub(super) fn run(stage: Stage, asked: Calls, due: Vec<(usize, Step)>) -> usize {
    let (world, mut kernel) = Kernel::new(stage, due);
    let mut held: Vec<Held> = Vec::new();

    loop {
        let ranges = call(&world, &mut kernel, stage, asked);
        if ranges.is_empty() {
            break;
        }
        held.extend(ranges);
    }

    let pages = held.iter().flat_map(|range| range.pages());
    assert!(pages.eq(kernel.oracle.kept().iter().copied()));
    what_is_held_stays(&stage, &world, &held);
    kernel.finish(&world);
    what_is_held_stays(&stage, &world, &held);

    release(&world, &held);
    references_are_those_of(&world, &[]);
    kernel.events()
}

/// One call: walks, and pages of the fallback between them, as far as the buffer goes.
fn call(world: &World, kernel: &mut Kernel, stage: Stage, asked: Calls) -> Vec<Held> {
    let request = stage.request();
    let memory = Memory::array(asked.room);
    let before = kernel.oracle.kept().len();
    let watched = Watched::new(world, kernel);
    let mut caller = Caller::new(&watched, &request, &memory);
    let mut done = before;

    while done < stage.pages && caller.may_grow() {
        let (got, full) = walk(&watched, &mut caller, stage, done);
        done += got;
        if full {
            break;
        }
        let slow = fallback(world, stage, done..(done + asked.step).min(stage.pages));
        let fit = caller.append(&slow);
        for &pfn in &slow[..fit] {
            let end = world.folios.borrow().of(pfn).map(|f| f.first + f.pages());
            let end = end.expect("what is held is not free");
            watched.ask(|kernel| kernel.oracle.got(pfn, end));
        }
        done += fit;
        if fit < slow.len() || slow.is_empty() {
            break;
        }
    }

    let ranges = caller.ranges();
    let pages: usize = ranges.iter().map(|range| range.nr).sum();
    assert_eq!(pages, done - before);
    ranges
}

/// A walk, which takes back what it got if it is for pins and a fork came between. Returns the number
/// of pages, and whether there was no room for more.
fn walk(
    watched: &Watched<'_, Kernel>,
    caller: &mut Caller<'_, '_, Kernel>,
    stage: Stage,
    done: usize,
) -> (usize, bool) {
    let seq = watched.ask(|kernel| kernel.write_protect_seq);
    if stage.pin && seq % 2 == 1 {
        return (0, false);
    }
    let forked = |kernel: &mut Kernel| stage.pin && kernel.write_protect_seq != seq;
    let tally = caller.walk(done..stage.pages, forked);

    watched.ask(|kernel| {
        assert_eq!(kernel.oracle.kept().len(), done + tally.pages);
        if tally.refusal != Refusal::Full.number() {
            kernel.oracle.stopped(tally.refusal);
        }
        if forked(kernel) {
            kernel.oracle.forget(done);
            return (0, false);
        }
        let full = tally.refusal == Refusal::Full.number() && done + tally.pages < stage.pages;
        (tally.pages, full)
    })
}

fn what_is_held_stays(stage: &Stage, world: &World, held: &[Held]) {
    let runs: Vec<(Pfn, usize)> = held.iter().map(|range| (range.first, range.nr)).collect();
    pinned_pages_are_exclusive(stage, world, &runs);
    references_are_those_of(world, held);
}

/// The pages that are mapped at this moment, and may be got: under the lock, nobody does anything
/// meanwhile.
fn fallback(world: &World, stage: Stage, pages: Range<usize>) -> Vec<Pfn> {
    let request = stage.request();
    let folios = world.folios.borrow();
    let may_be_got = |pfn: Pfn, writable: bool, huge: bool| {
        let unshare = request.unshares(writable);
        folios.of(pfn).is_some() && folios.verdict(pfn, 1, unshare, huge).pages == 1
    };
    pages
        .map_while(|page| page_at(world, &request, page).ok())
        .take_while(|(pfn, mapped)| {
            let writable = stage.shape.flags(mapped.raw).has(Flags::WRITE);
            may_be_got(*pfn, writable, mapped.size > stage.shape.page_size())
        })
        .map(|(pfn, _)| pfn)
        .collect()
}

fn asked() -> impl Strategy<Value = Calls> {
    let room = prop_oneof![2 => 1usize..4, 1 => 4usize..80];
    (room, 0usize..4).prop_map(|(room, step)| Calls { room, step })
}

proptest! {
    #![proptest_config(crate::config(40_000))]

    #[test]
    fn what_ranges_keep_was_mapped(
        stage in stages(),
        asked in asked(),
        scripts in prop::collection::vec((prop::sample::select(&Script::ALL[..]), 0usize..8), 1..8),
        gaps in prop::collection::vec(0usize..12, 24),
        first in 0usize..40,
    ) {
        let steps = scripts.iter().flat_map(|(script, page)| script.steps(*page));
        let mut time = first;
        let due = steps.zip(gaps.iter().cycle()).map(|(step, gap)| {
            time += gap;
            (time, step)
        });
        run(stage, asked, due.collect());
    }
}

/// All schedules of each script, for all pages of the stage, with small buffers.
fn one_script(stage: Stage) {
    for asked in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        let asked = Calls {
            room: asked.0,
            step: asked.1,
        };
        let events = run(stage, asked, Vec::new());
        for script in Script::ALL {
            for page in 0..stage.pages {
                all_schedules(&script.steps(page), events, &mut |due| {
                    run(stage, asked, due);
                });
            }
        }
    }
}

/// Three pages of one folio, and of two: in one table and in two, in one section and in many.
#[test]
fn three_pages_and_one_script() {
    for (order, pin) in [(2, true), (2, false), (1, true)] {
        let stage = Stage {
            order,
            pin,
            pages: 3,
            ..TINY
        };
        one_script(stage);
        one_script(Stage {
            before_border: 1,
            ..stage
        });
        one_script(Stage {
            max_section: 1,
            ..stage
        });
        one_script(Stage {
            writable: false,
            write: false,
            ..stage
        });
    }
}

/// Two scripts, on the last page and the first.
#[test]
fn two_pages_and_two_scripts() {
    let stage = Stage {
        order: 1,
        pages: 2,
        max_section: 1,
        ..TINY
    };
    let asked = Calls { room: 1, step: 0 };
    let events = run(stage, asked, Vec::new());
    for first in Script::ALL {
        for second in Script::ALL {
            let mut steps = first.steps(1);
            steps.extend(second.steps(0));
            if steps.len() <= 4 {
                all_schedules(&steps, events, &mut |due| {
                    run(stage, asked, due);
                });
            }
        }
    }
}
