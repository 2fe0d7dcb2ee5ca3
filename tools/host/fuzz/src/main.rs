// SPDX-License-Identifier: GPL-2.0

//! One program for all targets: FUZZ_TARGET names the one that it calls.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use walk::fuzz::TARGETS;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.expect("FUZZ_TARGET is the name of a target").1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
