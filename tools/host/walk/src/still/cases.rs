// SPDX-License-Identifier: GPL-2.0

//! Cases by hand: what must not be left to chance, and what batching is for.

use super::compare;
use super::space::{Memory, Piece, Space};
use crate::c::x86::*;
use crate::folios::Kind;
use crate::refusal::Refusal;
use crate::shape::Shape;
use crate::walk::BATCH;
use crate::world::Request;

const GOOD: u64 = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER;
const BASE: usize = 0x7f00_0000_0000;

fn memory(order: u8) -> Memory {
    Memory {
        order,
        kind: Kind::Anon,
        shared_from: None,
        refuses: None,
    }
}

fn pages(order: u8) -> Piece {
    Piece::Pages {
        memory: memory(order),
        skip: 0,
        pages: 1 << order,
        flags: GOOD,
        odd: None,
    }
}

fn space(pieces: Vec<Piece>) -> Space {
    Space {
        shape: Shape::Four,
        encrypted: false,
        base: BASE,
        noise: 0x5eed,
        pieces,
    }
}

fn request(pages: usize) -> Request {
    Request {
        shape: Shape::Four,
        physical_mask: (1 << 52) - 1,
        pkru: 0,
        start: BASE,
        end: BASE + pages * 4096,
        write: true,
        pin: true,
        max_section: 512,
        room: isize::MAX,
    }
}

/// References to a large folio are taken for a batch at once, A/D bits or not.
#[test]
fn a_large_folio_is_grabbed_in_runs() {
    let built = space(vec![pages(9)]).build();
    let (_, outcome) = compare(&built.world, &request(512));
    assert_eq!(
        (outcome.tally.pages, outcome.grabs, outcome.kept.len()),
        (512, 512 / BATCH, 512 / BATCH)
    );
}

/// A folio of each order, one behind the other in memory: no run crosses a border.
#[test]
fn runs_end_where_folios_end() {
    let built = space(vec![pages(4), pages(4), pages(0), pages(0), pages(1)]).build();
    let (_, outcome) = compare(&built.world, &request(36));
    let lengths: Vec<usize> = outcome.kept.iter().map(|&(_, nr)| nr).collect();
    assert_eq!(lengths, [16, 16, 1, 1, 2]);
    assert_eq!(outcome.tally.sections, 1);
}

#[test]
fn huge_pages_are_one_entry() {
    let leaf = |pud| Piece::Huge {
        memory: memory(if pud { 18 } else { 9 }),
        pud,
        flags: GOOD,
    };
    let built = space(vec![leaf(false), leaf(true)]).build();
    // BASE is aligned to the PUD: one huge page, 511 that fill up, and one of 1 GiB.
    let (_, outcome) = compare(&built.world, &request(2 << 18));
    assert_eq!(outcome.tally.pages, 2 << 18);
    assert_eq!(
        (
            outcome.grabs,
            outcome.tally.sections,
            outcome.tally.longest_section
        ),
        (513, 2, 512)
    );
}

/// From the middle of a huge page to the middle of the next.
#[test]
fn huge_pages_may_be_got_in_part() {
    let leaf = || Piece::Huge {
        memory: memory(9),
        pud: false,
        flags: GOOD,
    };
    let built = space(vec![leaf(), leaf()]).build();
    let part = Request {
        start: BASE + 300 * 4096,
        end: BASE + 700 * 4096,
        ..request(0)
    };
    let (_, outcome) = compare(&built.world, &part);
    let lengths: Vec<usize> = outcome.kept.iter().map(|&(_, nr)| nr).collect();
    assert_eq!(lengths, [212, 188]);
}

/// The last page of each shape, where "the end of the table" is near the end of all.
#[test]
fn the_last_page_of_user_space() {
    for shape in Shape::ALL {
        let task_size = shape.task_size();
        let mut space = space(vec![]);
        (space.shape, space.base) = (shape, task_size - 4096);
        let world = space.build().world;
        let top = Request {
            shape,
            start: task_size - 3 * 4096,
            end: task_size,
            ..request(0)
        };
        for (i, addr) in (top.start..top.end).step_by(4096).enumerate() {
            let pfn = 0x800 + 2 * i;
            world
                .folios
                .borrow_mut()
                .add(pfn, 0, Kind::File { mapped: true });
            let mut tables = world.memory.borrow_mut();
            let (at, index) = tables.place(addr, crate::format::Level::PTE, 0);
            tables.write(at, index, (pfn as u64) << 12 | GOOD);
        }
        let (_, outcome) = compare(&world, &top);
        assert_eq!(outcome.tally.pages, 3);
    }
}

/// Each flag that must stop the walk stops it at its page, with its reason.
#[test]
fn a_refusal_keeps_what_is_in_front_of_it() {
    let reasons = [
        (_PAGE_PRESENT, Refusal::Absent),
        (_PAGE_PRESENT | _PAGE_PROTNONE, Refusal::ProtNone),
        (_PAGE_RW, Refusal::Permission),
        (_PAGE_USER, Refusal::Permission),
        (_PAGE_PKEY_BIT0, Refusal::Key),
        (_PAGE_SPECIAL, Refusal::Special),
    ];
    for (change, refusal) in reasons {
        for at in [0, 1, 63, 64, 65, 127] {
            let piece = Piece::Pages {
                memory: memory(7),
                skip: 0,
                pages: 128,
                flags: GOOD,
                odd: Some((at, change)),
            };
            let built = space(vec![piece]).build();
            let keys = Request {
                pkru: 0b1000,
                ..request(128)
            };
            let (_, outcome) = compare(&built.world, &keys);
            assert_eq!(
                (outcome.tally.pages, outcome.tally.refusal),
                (at, refusal as u32)
            );
        }
    }
}

/// Every length of a section up to some batches, for requests of every length around them.
#[test]
fn sections_of_every_length() {
    let pieces = [0, 1, 2, 3, 0, 5, 0, 2, 6].map(pages);
    let space = space(pieces.to_vec());
    for max_section in 1..140 {
        for pages in [1, max_section, max_section + 1, 2 * max_section, 125] {
            let built = space.build();
            let short = Request {
                max_section,
                ..request(pages.min(125))
            };
            compare(&built.world, &short);
        }
    }
}

#[test]
fn nothing_is_asked_for() {
    let built = space(vec![pages(0)]).build();
    let (_, outcome) = compare(&built.world, &request(0));
    assert_eq!((outcome.tally.pages, outcome.tally.sections), (0, 0));
}
