// SPDX-License-Identifier: GPL-2.0

//! Ranges of address spaces that nobody changes: the pages are those of the walk that returns pages,
//! and what a small buffer gets in many calls is what a large one gets in one.

use super::ask;
use super::space::{space, Memory as Piecewise, Piece, Space};
use crate::flags::Flags;
use crate::folios::Kind;
use crate::format::Level;
use crate::memory::Memory as Tables;
use crate::naive;
use crate::ranged::{ranges_are_merged, references_are_those_of, release, Caller, Held, Memory};
use crate::shape::Shape;
use crate::world::{Request, Watched, World};
use proptest::prelude::*;

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

/// A folio, mapped by pages from number `skip` on.
fn folio(order: u8, skip: usize, pages: usize) -> Piece {
    Piece::Pages {
        memory: memory_of(order),
        skip,
        pages,
        flags: Flags::GOOD,
        odd: None,
    }
}

fn huge(pud: bool) -> Piece {
    Piece::Huge {
        memory: memory_of(if pud { 18 } else { 9 }),
        pud,
        flags: Flags::GOOD,
    }
}

fn memory_of(order: u8) -> Piecewise {
    Piecewise {
        order,
        kind: Kind::Anon,
        shared_from: None,
        refuses: None,
    }
}

/// The lengths of the ranges of each call, with a buffer for `room` of them.
fn lengths(before: usize, pieces: Vec<Piece>, pages: usize, room: usize) -> Vec<Vec<usize>> {
    let shape = Shape::Four;
    let base = shape.border() - before * shape.page_size();
    let space = Space {
        shape,
        encrypted: false,
        base,
        noise: 0x5eed,
        pieces,
    };
    let request = Request {
        shape,
        physical_mask: (1 << 52) - 1,
        keys: 0,
        start: base,
        end: base + pages * shape.page_size(),
        write: true,
        pin: true,
        max_section: 512,
        room: isize::MAX,
        as_many: true,
    };
    let calls = compare(&space.build().world, &request, &Memory::array(room));
    let lengths = calls
        .iter()
        .map(|call| call.ranges.iter().map(|r| r.nr).collect());
    lengths.collect()
}

/// By batches, sections and tables: a folio is one range.
#[test]
fn a_folio_is_one_range() {
    assert_eq!(lengths(0, vec![folio(9, 0, 512)], 512, 8), [[512]]);
    // Its pages begin in one table, and end in the one behind the next.
    assert_eq!(lengths(100, vec![folio(10, 0, 1024)], 1024, 8), [[1024]]);
    assert_eq!(
        lengths(0, vec![huge(false), huge(true)], 1024, 8),
        [[512, 512]]
    );
}

/// Folios that are neighbours in memory stay apart.
#[test]
fn ranges_end_where_folios_end() {
    let pieces = vec![
        folio(2, 0, 4),
        folio(2, 0, 4),
        folio(0, 0, 1),
        folio(1, 0, 2),
    ];
    assert_eq!(lengths(0, pieces, 11, 8), [[4, 4, 1, 2]]);
}

/// The last range grows over what the buffer has no room to begin, until its folio ends.
#[test]
fn the_last_range_goes_on() {
    let pieces = || vec![folio(0, 0, 1), folio(9, 0, 512), folio(1, 0, 2)];
    assert_eq!(lengths(0, pieces(), 515, 1), [[1], [512], [2]]);
    assert_eq!(lengths(0, pieces(), 515, 2), [vec![1, 512], vec![2]]);
    // Across the border of a table as well.
    assert_eq!(lengths(100, pieces(), 515, 2), [vec![1, 512], vec![2]]);
}

/// 600 single pages from the start of a table on: a buffer that could hold the second table does
/// not begin it without the room for it. One that never could is filled.
#[test]
fn a_table_is_begun_with_room_for_it() {
    let singles = |nr| std::iter::repeat_n(folio(0, 0, 1), nr).collect::<Vec<_>>();
    let counts = |room| -> Vec<usize> {
        let calls = lengths(10, singles(522 + 512), 522 + 512, room);
        calls.iter().map(Vec::len).collect()
    };
    assert_eq!(counts(2000), [1034]);
    assert_eq!(counts(1034), [1034]);
    assert_eq!(counts(1033), [522, 512]);
    assert_eq!(counts(522), [522, 512]);
    assert_eq!(counts(521), [10, 512, 512]);
    assert_eq!(counts(512), [10, 512, 512]);
    assert_eq!(counts(511), [511, 511, 12]);
}

/// The end of the request is nearer than that of the table.
#[test]
fn a_table_counts_as_far_as_it_is_asked_for() {
    let singles: Vec<_> = std::iter::repeat_n(folio(0, 0, 1), 30).collect();
    let counts = |room| {
        lengths(10, singles.clone(), 30, room)
            .iter()
            .map(Vec::len)
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(30), [30]);
    assert_eq!(counts(29), [10, 20]);
    assert_eq!(counts(20), [10, 20]);
    assert_eq!(counts(19), [19, 11]);
}

/// The same one level up: a table of huge pages, behind 5 of them.
#[test]
fn a_table_of_huge_pages_is_begun_with_room_for_it() {
    let counts = |room| -> Vec<usize> {
        let before = 5 * 512;
        let calls = lengths(before, vec![huge(false); 5 + 512], before + 512 * 512, room);
        calls.iter().map(Vec::len).collect()
    };
    assert_eq!(counts(517), [517]);
    assert_eq!(counts(516), [5, 512]);
    assert_eq!(counts(511), [511, 6]);
}

/// A folio that crosses the border in front of which a call ends is not cut there.
#[test]
fn a_folio_is_finished_before_the_next_table() {
    let mut pieces = vec![folio(6, 0, 64)];
    pieces.extend(std::iter::repeat_n(folio(0, 0, 1), 480));
    // 32 of the 64 pages are behind the border.
    let counts = |room| -> Vec<usize> {
        let calls = lengths(32, pieces.clone(), 544, room);
        calls.iter().map(Vec::len).collect()
    };
    assert_eq!(counts(513), [481]);
    assert_eq!(counts(512), [1, 480]);
}
