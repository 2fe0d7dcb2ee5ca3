// SPDX-License-Identifier: GPL-2.0

//! Cases by hand: where ranges end, and where calls do.

use super::super::cases::{memory, request, space};
use super::super::space::{Piece, Space};
use super::compare;
use crate::flags::Flags;
use crate::ranged::Memory;
use crate::shape::Shape;
use crate::world::Request;

/// A folio, mapped by pages from number `skip` on.
fn folio(order: u8, skip: usize, pages: usize) -> Piece {
    Piece::Pages {
        memory: memory(order),
        skip,
        pages,
        flags: Flags::GOOD,
        odd: None,
    }
}

fn huge(pud: bool) -> Piece {
    Piece::Huge {
        memory: memory(if pud { 18 } else { 9 }),
        pud,
        flags: Flags::GOOD,
    }
}

/// The lengths of the ranges of each call, with a buffer for `room` of them.
fn lengths(before: usize, pieces: Vec<Piece>, pages: usize, room: usize) -> Vec<Vec<usize>> {
    let shape = Shape::Four;
    let base = shape.border() - before * shape.page_size();
    let space = Space {
        base,
        ..space(shape, pieces)
    };
    let request = Request {
        start: base,
        end: base + pages * shape.page_size(),
        as_many: true,
        ..request(shape, 0)
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
