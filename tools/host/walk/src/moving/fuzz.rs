// SPDX-License-Identifier: GPL-2.0

//! Address spaces that change, from bytes: see [`crate::fuzz`].

use super::kernel::Step;
use super::ranges::Calls;
use super::scripts::Script;
use super::stage::Stage;
use crate::folios::Kind;
use crate::fuzz::Bytes;
use crate::shape::Shape;

/// Steps that one case has at most: enough for each to undo what another has done.
const MOST_STEPS: usize = 40;

/// The walk for pages.
pub fn pages(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let stage = stage(&mut bytes);
    super::run(stage, steps(&mut bytes));
}

/// The walk for ranges, in several calls, with pages of the fallback between them.
pub fn ranges(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let stage = stage(&mut bytes);
    let calls = Calls {
        room: 1 + bytes.below(80),
        step: bytes.below(4),
    };
    super::ranges::run(stage, calls, steps(&mut bytes));
}

/// As `stages()` of the random tests has them.
fn stage(bytes: &mut Bytes<'_>) -> Stage {
    let shape = bytes.one_of(&Shape::ALL);
    let secret = Kind::Secret { mapped: true };
    let kind = bytes.one_of(&[Kind::Anon, Kind::Anon, Kind::File { mapped: true }, secret]);
    let small = kind == secret;
    let level = bytes.below(3).min(shape.root().index() - 1);
    let order = bytes.below(5) as u8;
    let writable = bytes.coin();
    let shared = bytes.coin() && !writable && kind == Kind::Anon;

    Stage {
        shape,
        level: if small { 0 } else { level },
        order: if small { 0 } else { order },
        kind,
        writable,
        shared,
        pages: 1 + bytes.below(70),
        before_border: bytes.below(6),
        write: bytes.coin() && writable,
        pin: bytes.coin(),
        max_section: bytes.one_of(&[512, 1, 2, 3, 5, 7]),
        others_below: false,
        as_many: bytes.coin(),
    }
}

/// What the kernel does, and behind how many events of the walk.
fn steps(bytes: &mut Bytes<'_>) -> Vec<(usize, Step)> {
    let mut time = bytes.below(40);
    let mut due = Vec::new();

    while !bytes.is_empty() && due.len() < MOST_STEPS {
        let script = bytes.one_of(&Script::ALL);
        let page = bytes.below(8);
        for step in script.steps(page) {
            time += bytes.below(12);
            due.push((time, step));
        }
    }
    due
}
