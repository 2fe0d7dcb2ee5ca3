// SPDX-License-Identifier: GPL-2.0

//! The laws of the formats, for all combinations of the flags, and of how they read entries.

use crate::format::x86_64::X86_64;
use crate::format::x86_pae::X86Pae;
use crate::format::Format;
use crate::refusal::Refusal;

mod halves;
mod ppc64;
mod x86_64;
mod x86_pae;

/// The numbers of the refusals are promised to user space.
#[test]
fn refusals_are_numbered_as_in_the_uapi() {
    let header = include_str!("../../../../include/uapi/linux/fast_gup.h");
    for (number, name) in Refusal::NAMES.iter().enumerate() {
        let line = format!("FAST_GUP_REFUSED_{} = {number},", name.to_uppercase());
        assert!(header.contains(&line), "no `{line}` in fast_gup.h");
    }
    assert_eq!(Refusal::Absent as usize, 1);
    assert_eq!(Refusal::Fork as usize, Refusal::COUNT - 1);
}

/// And so are the names of the formats.
#[test]
fn formats_are_named() {
    assert_eq!(X86_64::NAME, "x86_64");
    assert_eq!(X86Pae::NAME, "x86_pae");
}
