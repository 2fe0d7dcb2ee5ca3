// SPDX-License-Identifier: GPL-2.0

//! The lockless walk of fast_gup, tested on page tables made up on the host.
//!
//! `array_vec`, `folio`, `format`, `packed`, `ranges`, `refusal`, `request` and `walk` are links to
//! the sources of the kernel module: what is tested here is what runs there, to the letter. The
//! kernel's side is played by a [`world`] of tables and folios, where somebody may step in before
//! every access that the walk makes.
//!
//! - [`laws`]: what the bits of an entry mean, for all combinations of flags, against a
//!   transcription of the kernel's own [C functions](c); and what reading one by halves finds.
//! - [`grabs`]: references and pins, on machines of 64 and of 32 bits.
//! - [`requests`]: the range of a request, in address spaces of 64 and of 32 bits.
//! - [`still`]: random address spaces that nobody changes; the walk must answer as a [`naive`]
//!   walker does that looks at one page at a time.
//! - [`moving`]: address spaces that a hostile kernel changes between any two accesses of the walk,
//!   along random schedules and along all schedules of tiny cases. Every page that the walk keeps
//!   must have been mapped, with its permissions, while the reference was held.
//! - [`fuzz`]: the same and more from bytes, for a fuzzer that is guided by what they reach.

#![cfg_attr(not(test), allow(dead_code, unused_imports))]
#![warn(missing_docs, rust_2018_idioms)]

#[allow(dead_code)]
mod array_vec;
#[allow(unused_imports)]
mod ffi;
#[allow(dead_code, unused_imports)]
mod folio;
mod format;
#[allow(dead_code)]
mod packed;
#[allow(dead_code, unused_imports)]
mod ranges;
mod refusal;
#[allow(dead_code)]
mod request;
mod walk;

#[cfg(any(test, feature = "fuzz"))]
mod c;
#[cfg(any(test, feature = "fuzz"))]
mod flags;
#[cfg(any(test, feature = "fuzz"))]
mod folios;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(test)]
mod grabs;
#[cfg(test)]
mod laws;
#[cfg(any(test, feature = "fuzz"))]
mod memory;
#[cfg(any(test, feature = "fuzz"))]
mod moving;
#[cfg(any(test, feature = "fuzz"))]
mod naive;
#[cfg(any(test, feature = "fuzz"))]
mod packing;
#[cfg(any(test, feature = "fuzz"))]
mod ranged;
#[cfg(test)]
mod requests;
#[cfg(any(test, feature = "fuzz"))]
mod shape;
#[cfg(any(test, feature = "fuzz"))]
mod still;
#[cfg(any(test, feature = "fuzz"))]
mod world;

/// How many random cases a property is tried with, unless `PROPTEST_CASES` says otherwise.
#[cfg(any(test, feature = "fuzz"))]
fn config(cases: u32) -> proptest::test_runner::Config {
    let config = proptest::test_runner::Config {
        failure_persistence: None,
        ..Default::default()
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => proptest::test_runner::Config { cases, ..config },
    }
}
