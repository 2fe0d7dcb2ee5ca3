// SPDX-License-Identifier: GPL-2.0

//! Random address spaces that nobody changes: the walk and the [naive](crate::naive) walker must
//! agree in every page, in the reason to stop, in every reference, and in the sections.

use crate::folios::Kind;
use crate::format::{Level, Pfn};
use crate::naive::{self, Expected};
use crate::world::{Event, Outcome, Request, World};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

mod cases;
pub(crate) mod fuzz;
mod ranges;
mod space;

use space::{space, Built, Space};

/// Where a request lies among the pieces of a space, and what it asks for.
#[derive(Clone, Debug)]
struct Ask {
    piece: prop::sample::Index,
    /// Pages from the start of the piece.
    skip: usize,
    pages: usize,
    write: bool,
    pin: bool,
    keys: u64,
    max_section: usize,
    room: isize,
    as_many: bool,
    /// Ends with the last piece.
    clip: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    let pages =
        prop_oneof![1 => Just(1), 4 => 1usize..20, 6 => 20usize..3000, 1 => 3000usize..40_000];
    // The last is the default of Linux, on x86 and on ppc64: all but key 0 are forbidden.
    let keys = prop_oneof![
        4 => Just(0),
        1 => any::<u64>(),
        2 => prop::sample::select(vec![0x5555_5554, 0x3fff_ffff_ffff_ffff]),
    ];
    let max_section = prop_oneof![1 => 1usize..5, 4 => 5usize..700, 2 => Just(512)];
    let room = prop_oneof![3 => Just(isize::MAX), 1 => 1isize..200];
    let skip = prop_oneof![3 => Just(0usize), 2 => 1usize..30, 1 => 30usize..600];
    let place = (any::<prop::sample::Index>(), skip);
    let kind = (prop::bool::weighted(0.4), prop::bool::weighted(0.7));
    (
        place,
        pages,
        kind,
        keys,
        max_section,
        room,
        any::<bool>(),
        prop::bool::weighted(0.8),
    )
        .prop_map(
            |((piece, skip), pages, (write, pin), keys, max_section, room, as_many, clip)| Ask {
                piece,
                skip,
                pages,
                write,
                pin,
                keys,
                max_section,
                room,
                as_many,
                clip,
            },
        )
}

impl Ask {
    fn request(&self, space: &Space, built: &Built) -> Request {
        let (&last, borders) = built.borders.split_last().expect("a space has a base");
        let piece = borders.get(self.piece.index(borders.len().max(1)));
        let page_size = space.shape.page_size();
        let start = piece.unwrap_or(&last) + self.skip * page_size;
        let limit = if self.clip && last > start {
            last
        } else {
            space.task_size()
        };
        Request {
            shape: space.shape,
            physical_mask: space.physical_mask(),
            keys: if space.shape.has_keys() { self.keys } else { 0 },
            start,
            end: (start + self.pages * page_size).min(limit),
            write: self.write,
            pin: self.pin,
            max_section: self.max_section,
            room: self.room,
            as_many: self.as_many,
        }
    }
}

/// Runs both walkers, and compares all that can be seen from outside.
fn compare(world: &World, request: &Request) -> (Expected, Outcome) {
    let expected = naive::walk(world, request);
    let mut events = Vec::new();
    let outcome = world.walk(request, &mut events);
    children_are_read_behind_their_parents(&events);
    parents_are_read_behind_new_entries(&events);
    events.retain(|event| !matches!(event, Event::ReadLow | Event::ReadBarrier));
    let tally = &outcome.tally;

    let wrong = outcome
        .pages()
        .zip(&expected.pages)
        .position(|(a, b)| a != *b);
    assert_eq!(wrong, None, "the first page that differs");
    assert_eq!(outcome.pages().count(), expected.pages.len(), "pages");
    assert_eq!(tally.pages, expected.pages.len(), "pages that are counted");
    assert_eq!(
        tally.refusal,
        expected.refusal.map_or(0, |refusal| refusal as u32)
    );

    let refused = expected.refusal.is_some();
    let in_a_row = expected.broken == 0;
    if request.room == isize::MAX && in_a_row {
        assert_eq!(tally.sections, expected.sections, "sections");
        assert!(tally.longest_section >= expected.longest_section);
        // What is read ahead of a refusal is looked at, too.
        assert!(refused || tally.longest_section == expected.longest_section);
    } else {
        assert!(tally.sections >= expected.sections, "sections");
    }
    assert!(
        tally.longest_section <= request.max_section,
        "a section is too long"
    );
    if in_a_row {
        assert!(refused || tally.wasted == 0, "references are wasted");
    }

    references_remain_where_pages_are(world, &outcome);
    reads_are_as_promised(request, &outcome, &events);
    what_depends_on_the_mapping_is_read_again(world, &events);
    (expected, outcome)
}

/// As many references as pages, folio by folio.
fn references_remain_where_pages_are(world: &World, outcome: &Outcome) {
    let folios = world.folios.borrow();
    let mut kept: BTreeMap<Pfn, usize> = BTreeMap::new();
    for &(first, nr) in &outcome.kept {
        let folio = folios.of(first).expect("a page that was got is not free");
        *kept.entry(folio.first).or_default() += nr;
    }
    for folio in folios.all() {
        let kept = kept.get(&folio.first).copied().unwrap_or(0);
        assert_eq!(folio.taken(), kept, "references to {folio:x?}");
    }
}

/// Each descent reads each level once, from the root down; nothing above the PUD is read again; and
/// the sections look at no more entries than they say, and may.
fn reads_are_as_promised(request: &Request, outcome: &Outcome, events: &[Event]) {
    let root = request.geometry().root();
    // The level that is to be read next on the way down.
    let mut next = None;
    // The level that was read last, and that of a leaf which others may follow in the same table.
    let mut last = root;
    let mut leaf = None;
    let mut looking_again = false;
    let mut looked_at = HashSet::new();
    let mut huge = 0;
    let mut sections = 0;

    for event in events {
        match *event {
            Event::Read { level, at, index } => {
                if !looking_again && level == root {
                    // What followed the leaf was none.
                    next = None;
                }
                match next {
                    _ if looking_again => assert!(level <= Level::PUD, "{level:?} is read again"),
                    Some(expected) => {
                        assert_eq!(level, expected, "a level is read twice, or left out");
                        next = level.below();
                    }
                    None if level == root || leaf == Some(level) => next = level.below(),
                    None => assert_eq!(level, Level::PTE, "a way down begins below the root"),
                }
                last = level;
                if level == Level::PTE {
                    looked_at.insert((at, index));
                }
            }
            Event::Grab { .. } if next.take().is_some() => {
                leaf = Some(last);
                huge += 1;
            }
            Event::Barrier | Event::Verdict { .. } => looking_again = true,
            Event::Keep { .. } | Event::Put => looking_again = false,
            Event::SectionEnds => {
                (next, leaf) = (None, None);
                looking_again = false;
                let entries = looked_at.len() + huge;
                assert!(
                    entries <= request.max_section,
                    "{entries} entries in a section"
                );
                assert!(
                    entries <= outcome.tally.longest_section,
                    "a section is longer"
                );
                looked_at.clear();
                huge = 0;
                sections += 1;
            }
            _ => {}
        }
    }
    assert_eq!(sections, outcome.tally.sections);
}

/// On the way down, an address is computed from the value of the parent, which keeps the reads in
/// order on every machine. At the later looks, all addresses are known: it takes a barrier.
fn children_are_read_behind_their_parents(events: &[Event]) {
    // The level that was read last, without a barrier behind it.
    let mut unordered = None;
    let mut looking_again = false;

    for event in events {
        match *event {
            Event::Read { level, .. } if looking_again => {
                let ordered = unordered.is_none_or(|parent| parent <= level);
                assert!(ordered, "no barrier in front of {level:?}");
                unordered = Some(level);
            }
            Event::ReadBarrier => unordered = None,
            Event::Barrier | Event::Verdict { .. } => {
                looking_again = true;
                unordered = None;
            }
            Event::Keep { .. } | Event::Put | Event::SectionEnds => looking_again = false,
            _ => {}
        }
    }
}

/// An entry that is read for the first time at a later look says what was mapped only if the way to
/// it is still the same, and that is to be read behind it.
fn parents_are_read_behind_new_entries(events: &[Event]) {
    #[derive(PartialEq)]
    enum Parents {
        AreRead,
        NeedBarrier,
        AreDue,
    }
    let mut seen = HashSet::new();
    let mut parents = Parents::AreRead;
    let mut looking_again = false;

    for event in events {
        match *event {
            Event::Read { level, at, index } => {
                let new = level == Level::PTE && seen.insert((at, index));
                if new && looking_again {
                    parents = Parents::NeedBarrier;
                } else if level != Level::PTE {
                    assert!(
                        parents != Parents::NeedBarrier,
                        "no barrier behind an entry, in front of {level:?}"
                    );
                    parents = Parents::AreRead;
                }
            }
            Event::ReadBarrier if parents == Parents::NeedBarrier => parents = Parents::AreDue,
            Event::Barrier | Event::Verdict { .. } => looking_again = true,
            Event::Keep { .. } | Event::Put => {
                let kept = matches!(event, Event::Keep { .. });
                assert!(
                    !kept || parents == Parents::AreRead,
                    "kept by an entry whose table may have left the tree"
                );
                looking_again = false;
            }
            Event::SectionEnds => {
                seen.clear();
                (parents, looking_again) = (Parents::AreRead, false);
            }
            _ => {}
        }
    }
}

/// Where the answer about a folio holds only while it is mapped, all that was read at the second look
/// is read once more behind the answer.
fn what_depends_on_the_mapping_is_read_again(world: &World, events: &[Event]) {
    let folios = world.folios.borrow();
    let levels_behind = |event: usize| {
        let reads = events[event + 1..].iter().map_while(|event| match event {
            Event::Read { level, .. } => Some(level.index()),
            _ => None,
        });
        reads.collect::<BTreeSet<usize>>()
    };
    let mut second_look = BTreeSet::new();

    for (i, event) in events.iter().enumerate() {
        match *event {
            Event::Barrier => second_look = levels_behind(i),
            Event::Verdict { first } => {
                let folio = folios.of(first).expect("a question about free memory");
                if folio.kind == (Kind::File { mapped: false }) {
                    assert_eq!(
                        levels_behind(i),
                        second_look,
                        "the third look at {first:#x}"
                    );
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(crate::config(2500))]

    #[test]
    fn the_walk_answers_as_the_naive_walker(space in space(), ask in ask()) {
        let built = space.build();
        compare(&built.world, &ask.request(&space, &built));
    }

    /// What is left of a request after a refusal, or of a request in parts, adds up to the whole.
    #[test]
    fn a_request_in_two_parts_gets_the_same(space in space(), ask in ask(), cut in any::<prop::sample::Index>()) {
        let built = space.build();
        let whole = ask.request(&space, &built);
        let page_size = space.shape.page_size();
        let pages = (whole.end - whole.start) / page_size;
        let cut = whole.start + cut.index(pages + 1) * page_size;

        let (expected, _) = compare(&built.world, &whole);
        // A world of its own, for the references of the first walk are still held.
        let built = space.build();
        let first = built.world.walk(&Request { end: cut, ..whole }, &mut ());
        let mut got: Vec<Pfn> = first.pages().collect();
        if got.len() == (cut - whole.start) / page_size {
            let second = built.world.walk(&Request { start: cut, ..whole }, &mut ());
            got.extend(second.pages());
        }
        prop_assert_eq!(got, expected.pages);
    }
}
