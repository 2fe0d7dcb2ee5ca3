// SPDX-License-Identifier: GPL-2.0

//! The C functions that GUP-fast asks about entries, transcribed.
//!
//! One function here is the function of that name there, line by line, with the configuration of a
//! kernel that has everything. Nothing is shared with the formats under test, not even constants.

pub(crate) mod ppc64;
pub(crate) mod x86;
