// SPDX-License-Identifier: GPL-2.0

//! Cases by hand: what must not be left to chance, and what batching is for.

use super::compare;
use super::space::{Memory, Piece, Space};
use crate::flags::Flags;
use crate::folios::Kind;
use crate::format::Level;
use crate::refusal::Refusal;
use crate::shape::Shape;
use crate::world::{Event, Request, World};

pub(super) fn memory(order: u8) -> Memory {
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
        flags: Flags::GOOD,
        odd: None,
    }
}

pub(super) fn space(shape: Shape, pieces: Vec<Piece>) -> Space {
    Space {
        shape,
        encrypted: false,
        base: shape.border(),
        noise: 0x5eed,
        pieces,
    }
}

pub(super) fn request(shape: Shape, pages: usize) -> Request {
    Request {
        shape,
        physical_mask: (1 << 52) - 1,
        keys: 0,
        start: shape.border(),
        end: shape.border() + pages * shape.page_size(),
        write: true,
        pin: true,
        max_section: 512,
        room: isize::MAX,
        as_many: false,
    }
}

/// References to a large folio are taken for all of its pages at once, whatever bits the CPU sets,
/// or hash.
#[test]
fn a_large_folio_is_grabbed_at_once() {
    for shape in Shape::ALL {
        let built = space(shape, vec![pages(9)]).build();
        let request = request(shape, 512);
        let (_, outcome) = compare(&built.world, &request);
        let tables = 512usize.div_ceil(request.geometry().entries(Level::PTE));
        assert_eq!(
            (outcome.tally.pages, outcome.grabs, outcome.kept.len()),
            (512, tables, tables)
        );
    }
}

/// Whether the last page is where it should be is asked first, until that was misleading; then each
/// page is, until what follows is as far as it goes.
#[test]
fn a_folio_is_guessed_until_a_guess_is_wrong() {
    let shape = Shape::Four;
    let piece = Piece::Pages {
        memory: memory(4),
        skip: 0,
        pages: 16,
        flags: Flags::GOOD,
        odd: Some((5, Flags::WRITE)),
    };
    let built = space(shape, vec![piece]).build();
    let request = Request {
        write: false,
        pin: false,
        ..request(shape, 16)
    };
    let (mut events, mut read, mut read_to_grab) = (Vec::new(), Vec::new(), Vec::new());
    built.world.walk(&request, &mut events);
    for event in events {
        match event {
            Event::Read { level, index, .. } if level == Level::PTE => read.push(index),
            Event::Grab { .. } => read_to_grab.push(std::mem::take(&mut read)),
            Event::Keep { .. } | Event::Put => read.clear(),
            _ => {}
        }
    }
    assert_eq!(read_to_grab, [[0, 15], [5, 6], [6, 15]]);
}

/// A folio of each order, one behind the other in memory: no run crosses a border.
#[test]
fn runs_end_where_folios_end() {
    for shape in Shape::ALL {
        // 32 entries are all of a table of radix with pages of 64K.
        let pieces = vec![pages(4), pages(3), pages(0), pages(0), pages(1)];
        let built = space(shape, pieces).build();
        let (_, outcome) = compare(&built.world, &request(shape, 28));
        let lengths: Vec<usize> = outcome.kept.iter().map(|&(_, nr)| nr).collect();
        assert_eq!(lengths, [16, 8, 1, 1, 2]);
        assert_eq!(outcome.tally.sections, 1);
    }
}

#[test]
fn huge_pages_are_one_entry() {
    for shape in Shape::ALL.into_iter().filter(|&shape| shape != Shape::Pae) {
        let [small, large] = [Level::PMD, Level::PUD].map(|level| shape.order(level));
        let leaf = |pud| Piece::Huge {
            memory: memory(if pud { large } else { small }),
            pud,
            flags: Flags::GOOD,
        };
        let built = space(shape, vec![leaf(false), leaf(true)]).build();
        // The base is aligned to the PUD: one huge page, others that fill up, and a larger one.
        let whole = Request {
            max_section: 100,
            ..request(shape, 2 << large)
        };
        let (_, outcome) = compare(&built.world, &whole);
        let leaves = shape.entries(Level::PMD) + 1;
        assert_eq!(outcome.tally.pages, 2 << large);
        assert_eq!(
            (
                outcome.grabs,
                outcome.tally.sections,
                outcome.tally.longest_section
            ),
            (leaves, leaves.div_ceil(100), 100)
        );
    }
}

/// From the middle of a huge page to the middle of the next.
#[test]
fn huge_pages_may_be_got_in_part() {
    for shape in Shape::ALL {
        let order = shape.order(Level::PMD);
        let leaf = || Piece::Huge {
            memory: memory(order),
            pud: false,
            flags: Flags::GOOD,
        };
        let built = space(shape, vec![leaf(), leaf()]).build();
        let (from, pages) = (20, (1 << order) - 1);
        let part = Request {
            start: shape.border() + from * shape.page_size(),
            ..request(shape, from + pages)
        };
        let (_, outcome) = compare(&built.world, &part);
        let lengths: Vec<usize> = outcome.kept.iter().map(|&(_, nr)| nr).collect();
        assert_eq!(lengths, [(1 << order) - from, from - 1], "{shape:?}");
    }
}

/// What is asked of a huge page is asked for one page of it, too: the head tells whether it is
/// exclusive, and where the file has gone the entry is looked at a third time.
#[test]
fn one_page_of_a_huge_page_is_allowed_as_all_are() {
    let one_of = |shape: Shape, memory| {
        let leaf = Piece::Huge {
            memory,
            pud: false,
            flags: Flags::READ_ONLY,
        };
        let part = Request {
            start: shape.border() + 20 * shape.page_size(),
            write: false,
            ..request(shape, 21)
        };
        compare(&space(shape, vec![leaf]).build().world, &part).1
    };
    for shape in Shape::ALL {
        let memory = memory(shape.order(Level::PMD));
        for (shared_from, pages) in [(0, 0), (1, 1)] {
            let memory = Memory {
                shared_from: Some(shared_from),
                ..memory
            };
            assert_eq!(one_of(shape, memory).tally.pages, pages, "{shape:?}");
        }
        let kind = Kind::File { mapped: false };
        assert_eq!(one_of(shape, Memory { kind, ..memory }).tally.pages, 1);
    }
}

/// Hash with pages of 4K has no entry for 16M and for 16G: eight of 2M, and sixty-four of 256M, each
/// with the address of its part. See `set_huge_pte_at()`.
#[test]
fn one_huge_page_may_be_many_entries() {
    let shape = Shape::Hash4K;
    for (level, entries, order) in [(Level::PMD, 8, 12), (Level::PUD, 64, 22)] {
        let world = World::new(shape);
        let (pfn, step) = (3 << order, 1 << shape.order(level));
        world.folios.borrow_mut().add(pfn, order, Kind::Anon);
        for entry in 0..entries {
            let addr = shape.border() + (entry << shape.shift(level));
            let mut tables = world.memory.borrow_mut();
            let (at, index) = tables.place(addr, level, 0);
            let raw = shape.leaf(level, pfn + entry * step, Flags::GOOD);
            tables.write(at, index, raw);
        }
        let (_, outcome) = compare(&world, &request(shape, 1 << order));
        assert_eq!((outcome.tally.pages, outcome.grabs), (1 << order, entries));
        assert!(outcome.pages().eq(pfn..pfn + (1 << order)));
    }
}

/// The last page of each shape, where "the end of the table" is near the end of all.
#[test]
fn the_last_page_of_user_space() {
    for shape in Shape::ALL {
        let (task_size, page_size) = (shape.task_size(), shape.page_size());
        let world = World::new(shape);
        let top = Request {
            start: task_size - 3 * page_size,
            end: task_size,
            ..request(shape, 0)
        };
        for (i, addr) in (top.start..top.end).step_by(page_size).enumerate() {
            let pfn = 0x800 + 2 * i;
            world
                .folios
                .borrow_mut()
                .add(pfn, 0, Kind::File { mapped: true });
            let mut tables = world.memory.borrow_mut();
            let (at, index) = tables.place(addr, Level::PTE, 0);
            tables.write(at, index, shape.leaf(Level::PTE, pfn, Flags::GOOD));
        }
        let (_, outcome) = compare(&world, &top);
        assert_eq!(outcome.tally.pages, 3);
    }
}

/// Each flag that must stop the walk stops it at its page, with its reason.
#[test]
fn a_refusal_keeps_what_is_in_front_of_it() {
    let reasons = [
        (Flags::PRESENT, Refusal::Absent),
        (Flags::PRESENT | Flags::PROTNONE, Refusal::ProtNone),
        (Flags::WRITE, Refusal::Permission),
        (Flags::USER, Refusal::Permission),
        (Flags::key(1), Refusal::Key),
        (Flags::SPECIAL, Refusal::Special),
    ];
    for shape in Shape::ALL {
        for (change, refusal) in reasons {
            if refusal == Refusal::Key && !shape.has_keys() {
                continue;
            }
            for at in [0, 1, 63, 64, 65, 127] {
                let piece = Piece::Pages {
                    memory: memory(7),
                    skip: 0,
                    pages: 128,
                    flags: Flags::GOOD,
                    odd: Some((at, change)),
                };
                let built = space(shape, vec![piece]).build();
                let keys = Request {
                    keys: if shape.has_keys() { shape.forbid(1) } else { 0 },
                    ..request(shape, 128)
                };
                let (_, outcome) = compare(&built.world, &keys);
                assert_eq!(
                    (outcome.tally.pages, outcome.tally.refusal),
                    (at, refusal as u32),
                    "{shape:?} {change:?}"
                );
            }
        }
    }
}

/// Every length of a section up to some batches, for requests of every length around them.
#[test]
fn sections_of_every_length() {
    for shape in [Shape::Four, Shape::Radix64K] {
        let pieces = [0, 1, 2, 3, 0, 5, 0, 2, 6].map(pages);
        let space = space(shape, pieces.to_vec());
        for max_section in 1..140 {
            for pages in [1, max_section, max_section + 1, 2 * max_section, 125] {
                let built = space.build();
                let short = Request {
                    max_section,
                    ..request(shape, pages.min(125))
                };
                compare(&built.world, &short);
            }
        }
    }
}

#[test]
fn nothing_is_asked_for() {
    let shape = Shape::Four;
    let built = space(shape, vec![pages(0)]).build();
    let (_, outcome) = compare(&built.world, &request(shape, 0));
    assert_eq!((outcome.tally.pages, outcome.tally.sections), (0, 0));
}
