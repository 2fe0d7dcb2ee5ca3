// SPDX-License-Identifier: GPL-2.0

//! Address spaces that change between any two accesses of the walk.
//!
//! A hostile [kernel](kernel::Kernel) follows [scripts](scripts::Script) for what kernels do to user
//! memory, one step at a time, and an [oracle](oracle::Oracle) that knows all that ever was mapped
//! judges each page at the moment the walk keeps it. Here the schedules are random and the spaces
//! not so small; in [`tiny`], the spaces are tiny and all schedules are tried.

use crate::folios::Kind;
use crate::format::Pfn;
use crate::shape::Shape;
use crate::world::World;
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(crate) mod fuzz;
mod kernel;
mod oracle;
mod ranges;
mod scripts;
mod stage;
mod tiny;

use kernel::{Kernel, Step};
use scripts::Script;
use stage::Stage;

/// Walks once while the steps are made; returns the number of events that the walk had.
fn run(stage: Stage, due: Vec<(usize, Step)>) -> usize {
    let (world, mut kernel) = Kernel::new(stage, due);
    let seq = kernel.write_protect_seq;
    let outcome = world.walk(&stage.request(), &mut kernel);

    // As the kernel does for a pin: if a fork came between, everything goes back.
    let mut kept = outcome.kept.clone();
    let forked = stage.pin && kernel.write_protect_seq != seq;
    if forked {
        for (first, nr) in kept.drain(..) {
            world.folios.borrow_mut().put(first, nr);
        }
    } else {
        pinned_pages_are_exclusive(&stage, &world, &outcome.kept);
    }

    assert_eq!(outcome.tally.pages, kernel.oracle.kept().len());
    assert!(outcome.pages().eq(kernel.oracle.kept().iter().copied()));
    kernel.oracle.stopped(outcome.tally.refusal);
    references_are_those_of(&world, &kept);

    // What is held stays held, whatever comes after.
    if !forked {
        kernel.finish(&world);
        pinned_pages_are_exclusive(&stage, &world, &outcome.kept);
        references_are_those_of(&world, &kept);
    }
    kernel.events()
}

/// Nobody shares a page that is pinned.
fn pinned_pages_are_exclusive(stage: &Stage, world: &World, kept: &[(Pfn, usize)]) {
    if !stage.pin {
        return;
    }
    let folios = world.folios.borrow();
    for &(first, nr) in kept {
        let folio = folios.of(first).expect("a page that is kept is not free");
        let shared = folio.shared.range(first..first + nr).next();
        let anon = folio.kind == Kind::Anon;
        assert!(
            !anon || shared.is_none(),
            "{shared:x?} is pinned, but shared"
        );
    }
}

/// There is one reference for each page that was kept, and no other.
fn references_are_those_of(world: &World, kept: &[(Pfn, usize)]) {
    let folios = world.folios.borrow();
    let mut of_folio: BTreeMap<Pfn, usize> = BTreeMap::new();
    for &(first, nr) in kept {
        let folio = folios.of(first).expect("a page that is kept is not free");
        *of_folio.entry(folio.first).or_default() += nr;
    }
    for folio in folios.all() {
        let kept = of_folio.get(&folio.first).copied().unwrap_or(0);
        assert_eq!(folio.taken(), kept, "references to {folio:x?}");
    }
}

fn stages() -> impl Strategy<Value = Stage> {
    let kind = prop_oneof![
        4 => Just(Kind::Anon),
        2 => Just(Kind::File { mapped: true }),
        1 => Just(Kind::Secret { mapped: true }),
    ];
    let memory = (
        0usize..3,
        0u8..5,
        kind,
        prop::bool::weighted(0.6),
        prop::bool::weighted(0.1),
    );
    let place = (prop_oneof![1 => Just(1), 6 => 1usize..70], 0usize..6);
    let max_section = prop_oneof![1 => 1usize..6, 1 => Just(512)];
    let asked = (any::<bool>(), any::<bool>(), max_section, any::<bool>());
    let shape = prop::sample::select(&Shape::ALL[..]);
    (shape, memory, place, asked).prop_map(|(shape, memory, place, asked)| {
        let (level, order, kind, writable, shared) = memory;
        // Secretmem has small pages only, and what is written to is mapped exclusively.
        let secret = matches!(kind, Kind::Secret { .. });
        Stage {
            shape,
            level: if secret {
                0
            } else {
                level.min(shape.root().index() - 1)
            },
            order: if secret { 0 } else { order },
            kind,
            writable,
            shared: shared && !writable && kind == Kind::Anon,
            pages: place.0,
            before_border: place.1,
            write: asked.0 && writable,
            pin: asked.1,
            max_section: asked.2,
            others_below: false,
            as_many: asked.3,
        }
    })
}

proptest! {
    #![proptest_config(crate::config(60_000))]

    #[test]
    fn what_is_kept_was_mapped(
        stage in stages(),
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
        run(stage, due.collect());
    }
}
