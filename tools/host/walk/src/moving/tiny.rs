// SPDX-License-Identifier: GPL-2.0

//! All schedules of tiny cases: one or two pages, one or two scripts, and every way to spread their
//! steps over the accesses of the walk.

use super::kernel::{Kernel, Step};
use super::run;
use super::scripts::Script;
use super::stage::Stage;
use crate::folios::Kind;
use crate::refusal::Refusal;
use crate::shape::{Shape, FOUR_GIB};
use crate::world::{Event, Watcher, World};

pub(super) const TINY: Stage = Stage {
    shape: Shape::Four,
    level: 0,
    order: 0,
    kind: Kind::Anon,
    writable: true,
    shared: false,
    pages: 1,
    before_border: 0,
    write: true,
    pin: true,
    max_section: 512,
    others_below: false,
    as_many: false,
};

/// Calls `try_one` with all ways to make the steps in their order, each in front of one of the
/// `events` events of an undisturbed walk.
pub(super) fn all_schedules(
    steps: &[Step],
    events: usize,
    try_one: &mut impl FnMut(Vec<(usize, Step)>),
) {
    let mut due = vec![0; steps.len()];
    loop {
        try_one(due.iter().copied().zip(steps.iter().copied()).collect());

        // The next one: the last place that can be raised is, and all behind it start there.
        let Some(last) = due.iter().rposition(|&place| place + 1 < events) else {
            return;
        };
        let place = due[last] + 1;
        due[last..].fill(place);
    }
}

/// A page by itself is walked in both ways.
fn ways(stage: Stage) -> impl Iterator<Item = Stage> {
    let ways = if stage.pages == 1 {
        &[true, false][..]
    } else {
        &[true]
    };

    ways.iter().map(move |&as_many| Stage { as_many, ..stage })
}

fn one_script(stage: Stage) -> usize {
    ways(stage).map(one_script_in_one_way).sum()
}

fn one_script_in_one_way(stage: Stage) -> usize {
    let events = run(stage, Vec::new());
    let mut runs = 0;
    for script in Script::ALL {
        for page in 0..stage.pages {
            all_schedules(&script.steps(page), events, &mut |due| {
                run(stage, due);
                runs += 1;
            });
        }
    }
    runs
}

fn two_scripts(stage: Stage) {
    ways(stage).for_each(two_scripts_in_one_way);
}

fn two_scripts_in_one_way(stage: Stage) {
    let events = run(stage, Vec::new());
    for first in Script::ALL {
        for second in Script::ALL {
            let mut steps = first.steps(0);
            steps.extend(second.steps(stage.pages - 1));
            all_schedules(&steps, events, &mut |due| {
                run(stage, due);
            });
        }
    }
}

/// Stages that differ in what is mapped and how it is asked for.
fn stages(pages: usize) -> Vec<Stage> {
    let file = Kind::File { mapped: true };
    let secret = Kind::Secret { mapped: true };
    // Secretmem has small pages only.
    let mapped = [0, 1, 2].map(|level| (Kind::Anon, level));
    let mapped = mapped
        .into_iter()
        .chain([0, 1, 2].map(|level| (file, level)));
    let mut stages = Vec::new();

    for (kind, level) in mapped.chain([(secret, 0)]) {
        let anon = kind == Kind::Anon;
        for (writable, write) in [(true, true), (true, false), (false, false)] {
            for pin in [true, false] {
                stages.push(Stage {
                    level,
                    order: if anon { pages as u8 - 1 } else { 0 },
                    kind,
                    writable,
                    write,
                    pin,
                    pages,
                    ..TINY
                });
            }
        }
    }
    stages
}

#[test]
fn one_page_and_one_script() {
    assert!(stages(1).into_iter().map(one_script).sum::<usize>() > 10_000);
}

#[test]
fn two_pages_and_one_script() {
    for stage in stages(2) {
        one_script(stage);
        // The pages in two tables, and in two sections.
        one_script(Stage {
            before_border: 1,
            order: 0,
            ..stage
        });
        one_script(Stage {
            max_section: 1,
            ..stage
        });
    }
}

#[test]
fn three_pages_of_a_folio_and_one_script() {
    one_script(Stage {
        order: 2,
        pages: 3,
        shape: Shape::Five,
        ..TINY
    });
}

#[test]
fn one_page_and_two_scripts() {
    two_scripts(TINY);
}

#[test]
fn one_read_only_page_and_two_scripts() {
    two_scripts(Stage {
        writable: false,
        write: false,
        ..TINY
    });
}

/// What comes back may map another page: that the parents are looked at behind the entries does not
/// tell what they mapped while the folio was held, and is not enough.
#[test]
fn a_page_of_a_folio_whose_table_comes_back() {
    let stage = Stage {
        order: 1,
        as_many: true,
        ..TINY
    };
    let events = run(stage, Vec::new());
    for script in [Script::MovePages, Script::MovePmds, Script::MoveAway] {
        let steps = [script, Script::Return].map(|script| script.steps(0));
        all_schedules(&steps.concat(), events, &mut |due| {
            run(stage, due);
        });
    }
}

#[test]
fn one_huge_page_and_two_scripts() {
    two_scripts(Stage { level: 1, ..TINY });
}

/// With PAE, each entry is three accesses, between which everything may happen. It may be read as
/// the lower half of one page and the upper half of an empty entry, too: that is somebody else's.
const TINY_PAE: Stage = Stage {
    shape: Shape::Pae,
    others_below: true,
    ..TINY
};

#[test]
fn one_page_of_pae_and_one_script() {
    for level in [0, 1] {
        for (writable, write) in [(true, true), (true, false), (false, false)] {
            for pin in [true, false] {
                one_script(Stage {
                    level,
                    writable,
                    write,
                    pin,
                    ..TINY_PAE
                });
            }
        }
    }
}

/// Two pages of PAE, in one folio and in two, in one table and in two.
#[test]
fn two_pages_of_pae_and_one_script() {
    for (order, before_border) in [(0, 0), (1, 0), (0, 1)] {
        one_script(Stage {
            pages: 2,
            order,
            before_border,
            others_below: order == 0,
            ..TINY_PAE
        });
    }
}

/// What the second look is for where the flush of the TLB comes late: the walk does take a reference
/// to somebody else's page, and gives it back.
#[test]
fn a_value_of_two_halves_is_found_out() {
    struct Grabs(Kernel, usize);
    impl Watcher for Grabs {
        fn before(&mut self, world: &World, event: Event) {
            if matches!(event, Event::Grab { first, .. } if first < FOUR_GIB) {
                self.1 += 1;
            }
            self.0.before(world, event);
        }
    }
    let mut grabs = 0;
    let events = run(TINY_PAE, Vec::new());
    all_schedules(&Script::Exchange.steps(0), events, &mut |due| {
        let (world, kernel) = Kernel::new(TINY_PAE, due);
        let mut watcher = Grabs(kernel, 0);
        let outcome = world.walk(&TINY_PAE.request(), &mut watcher);
        if watcher.1 > 0 {
            assert_eq!(outcome.tally.refusal, Refusal::Changed as u32);
            assert_eq!((outcome.tally.pages, outcome.tally.wasted), (0, 1));
        }
        grabs += watcher.1;
    });
    assert!(grabs > 0, "no schedule makes a value of two halves");
}

/// A page is exchanged, for one whose address has the same lower half, while something else happens.
#[test]
fn an_exchange_of_pae_and_another_script() {
    let events = run(TINY_PAE, Vec::new());
    for second in Script::ALL {
        for scripts in [[Script::Exchange, second], [second, Script::Exchange]] {
            let steps = scripts.map(|script| script.steps(0)).concat();
            if steps.len() <= 5 {
                all_schedules(&steps, events, &mut |due| {
                    run(TINY_PAE, due);
                });
            }
        }
    }
}

/// The same on ppc64, where tables have other sizes, and entries that are invalid for a moment.
#[test]
fn one_page_of_ppc64_and_one_script() {
    for shape in Shape::PPC64 {
        for stage in stages(1) {
            one_script(Stage { shape, ..stage });
        }
    }
}

/// Two pages in two tables. With pages of 64K, radix has tables of 256 bytes.
#[test]
fn two_pages_of_ppc64_and_one_script() {
    for shape in [Shape::Radix64K, Shape::Hash64K] {
        for stage in stages(2) {
            one_script(Stage {
                shape,
                before_border: 1,
                order: 0,
                ..stage
            });
        }
    }
}

#[test]
fn one_page_of_ppc64_and_two_scripts() {
    for (shape, level) in [(Shape::Radix64K, 1), (Shape::Hash64K, 0)] {
        two_scripts(Stage {
            shape,
            level,
            ..TINY
        });
    }
}
