// SPDX-License-Identifier: GPL-2.0

//! Ranges of address spaces that nobody changes: the pages are those of the walk that returns pages,
//! and what a small buffer gets in many calls is what a large one gets in one.

use super::ask;
use super::space::space;
use crate::format::Level;
use crate::memory::Memory as Tables;
use crate::naive;
use crate::ranged::{ranges_are_merged, references_are_those_of, release, Caller, Held, Memory};
use crate::shape::Shape;
use crate::world::{Request, Watched, World};
use proptest::prelude::*;

mod cases;

/// What a call has returned.
struct Call {
    ranges: Vec<Held>,
    /// Pages, which is how far the cursor moved.
    pages: usize,
    refusal: u32,
    /// Sections, and the longest of them.
    sections: (usize, usize),
}

/// One call from page number `from` of the request on, of one walk.
fn call(world: &World, request: &Request, from: usize, memory: &Memory) -> Call {
    let page_size = request.shape.page_size();
    let rest = Request {
        start: request.start + from * page_size,
        ..*request
    };
    let mut nobody = ();
    let watched = Watched::new(world, &mut nobody);
    let mut caller = Caller::new(&watched, &rest, memory);
    let pages = (rest.end - rest.start) / page_size;
    let tally = caller.walk(0..pages, |_| false);
    let ranges = caller.ranges();
    let pages = ranges.iter().map(|range| range.nr).sum();

    assert_eq!(tally.pages, pages, "pages that are counted");
    assert!(
        tally.refusal != 0 || tally.wasted == 0,
        "references are wasted"
    );
    assert!(
        tally.longest_section <= request.max_section,
        "a section is too long"
    );
    assert!(ranges.len() <= memory.room());
    let ends = tally.refusal != 0 || rest.start + pages * page_size == rest.end;
    assert!(ends || caller.room() == 0, "a call ends with room left");
    ranges_are_merged(world, &ranges);
    Call {
        ranges,
        pages,
        refusal: tally.refusal,
        sections: (tally.sections, tally.longest_section),
    }
}

/// Calls until there is a refusal, or the request is done.
fn calls(world: &World, request: &Request, memory: &Memory) -> Vec<Call> {
    let wanted = (request.end - request.start) / request.shape.page_size();
    let mut calls = Vec::new();
    let mut done = 0;

    while done < wanted {
        let call = call(world, request, done, memory);
        done += call.pages;
        let refused = call.refusal != 0;
        assert!(refused || call.pages > 0, "a call gets nothing");
        calls.push(call);
        if refused {
            break;
        }
    }
    calls
}

fn all_ranges(calls: &[Call]) -> Vec<Held> {
    calls.iter().flat_map(|call| call.ranges.clone()).collect()
}

/// Room for all the ranges that there can be.
fn plenty(request: &Request) -> Memory {
    Memory::array((request.end - request.start) / request.shape.page_size())
}

/// The ranges of a request, asked for with buffers of both kinds, and all that must be true of them.
fn compare(world: &World, request: &Request, memory: &Memory) -> Vec<Call> {
    let expected = naive::walk(world, request);
    let refusal = expected.refusal.map_or(0, |refusal| refusal as u32);

    let whole = calls(world, request, &plenty(request));
    assert!(
        whole.len() <= 1,
        "{} calls with plenty of room",
        whole.len()
    );
    let ranges = all_ranges(&whole);
    references_are_those_of(world, &ranges);
    release(world, &ranges);
    let pages = || ranges.iter().flat_map(|range| range.pages());
    assert!(pages().eq(expected.pages.iter().copied()), "other pages");
    assert_eq!(whole.last().map_or(0, |call| call.refusal), refusal);
    if let Some(call) = whole.last() {
        let more = expected.broken > 0 && call.sections.0 > expected.sections;
        assert!(more || call.sections.0 == expected.sections, "sections");
    }

    let parts = calls(world, request, memory);
    let of_parts = all_ranges(&parts);
    references_are_those_of(world, &of_parts);
    release(world, &of_parts);
    assert_eq!(of_parts, ranges, "a range is cut, or not continued");
    assert_eq!(parts.last().map_or(0, |call| call.refusal), refusal);
    references_are_those_of(world, &[]);
    ends_are_where_they_should_be(world, request, memory.room(), &parts);
    parts
}

/// Entries of the table that begins at an address and of which the request wants something: of pages,
/// or of huge ones, if the first one is.
fn entries_at(world: &World, request: &Request, addr: usize) -> Option<usize> {
    let shape = request.shape;
    let level = leaf_level(&world.memory.borrow(), shape, addr)?;
    let (size, entries) = (1 << shape.shift(level), shape.entries(level));
    let wanted = (request.end - addr).div_ceil(size);
    (addr % (size * entries) == 0).then_some(wanted.min(entries))
}

/// The level of the table that a way down ends at, whatever its entry says then.
fn leaf_level(memory: &Tables, shape: Shape, addr: usize) -> Option<Level> {
    let mut at = memory.root();
    loop {
        let level = memory.level(at);
        let raw = memory.read(at, shape.index(level, addr));
        if level == Level::PTE {
            return Some(level);
        }
        match shape.points_to(raw) {
            Some(table) => at = table,
            None => return shape.is_present(raw).then_some(level),
        }
    }
}

/// A call that is not the last one has filled its buffer, or ends in front of a table that it might
/// not have finished, or behind it if its last range goes on there. And no call begins a range in
/// such a table, unless it began there itself.
fn ends_are_where_they_should_be(world: &World, request: &Request, room: usize, calls: &[Call]) {
    let page_size = request.shape.page_size();
    // All tables begin with one of pages.
    let table_size = 1 << request.shape.shift(Level::PMD);
    let mut start = request.start;

    for (i, call) in calls.iter().enumerate() {
        let mut begin = start;
        let mut too_much = false;
        for (nr, range) in call.ranges.iter().enumerate() {
            assert!(!too_much, "{range:x?} of a table that may not fit");
            let end = begin + range.nr * page_size;
            // The tables that begin within the range, or behind it.
            let tables = begin / table_size + 1..=end / table_size;
            let borders = tables.map(|table| table * table_size);
            let left = room - (nr + 1);
            too_much = borders
                .filter(|&border| border < request.end)
                .filter_map(|border| entries_at(world, request, border))
                .any(|entries| left < entries && entries <= room);
            begin = end;
        }
        let full = call.ranges.len() == room;
        assert!(
            full || too_much || i + 1 == calls.len(),
            "a call ends for nothing"
        );
        start = begin;
    }
}

fn buffer() -> impl Strategy<Value = (bool, usize)> {
    prop_oneof![
        3 => (1usize..40).prop_map(|room| (false, room)),
        3 => (40usize..600).prop_map(|room| (false, room)),
        2 => (600usize..3000).prop_map(|room| (false, room)),
        3 => (1usize..8).prop_map(|blocks| (true, blocks)),
    ]
}

fn memory((blocks, nr): (bool, usize)) -> Memory {
    if blocks {
        Memory::blocks(nr)
    } else {
        Memory::array(nr)
    }
}

proptest! {
    #![proptest_config(crate::config(1500))]

    #[test]
    fn ranges_have_the_pages_of_the_walk(space in space(), ask in ask(), buffer in buffer()) {
        let built = space.build();
        let request = ask.request(&space, &built);
        compare(&built.world, &request, &memory(buffer));
    }

    /// Several walks in a call, with pages from elsewhere between them, as behind a refusal.
    #[test]
    fn a_call_of_many_walks_gets_the_same(
        space in space(),
        ask in ask(),
        buffer in buffer(),
        cuts in prop::collection::vec((1usize..700, 0usize..20), 1..20),
    ) {
        let built = space.build();
        let (world, request) = (&built.world, ask.request(&space, &built));
        let expected = naive::walk(world, &request);
        // Only what may be got at all.
        let wanted = expected.pages.len();
        let mut cuts = cuts.into_iter().cycle();
        let memory = memory(buffer);
        let (mut done, mut all) = (0, Vec::new());

        while done < wanted {
            let mut nobody = ();
            let watched = Watched::new(world, &mut nobody);
            let mut caller = Caller::new(&watched, &request, &memory);
            let before = done;
            for (walk, slow) in cuts.by_ref() {
                let walked = caller.walk(done..(done + walk).min(wanted), |_| false);
                done += walked.pages;
                if done == wanted || !caller.may_grow() {
                    break;
                }
                let nr = slow.min(wanted - done);
                let fit = caller.append(&expected.pages[done..done + nr]);
                done += fit;
                if fit < nr {
                    break;
                }
            }
            let ranges = caller.ranges();
            ranges_are_merged(world, &ranges);
            let pages: usize = ranges.iter().map(|range| range.nr).sum();
            prop_assert!(pages == done - before && pages > 0);
            all.extend(ranges);
        }
        references_are_those_of(world, &all);
        let pages = all.iter().flat_map(|range| range.pages());
        prop_assert!(pages.eq(expected.pages.iter().copied()));
        release(world, &all);
        references_are_those_of(world, &[]);
    }
}
