// SPDX-License-Identifier: GPL-2.0

//! Staying in a section of the walk, so that a test can see who waits for it.

use super::abi::{Stay, Undo};
use crate::ffi;
use crate::tables::CurrentTables;
use crate::walk::Tables;
use core::ffi::c_void;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;

/// What runs in a section: called once, with its argument.
type Inside = unsafe extern "C" fn(*mut c_void);

extern "C" {
    // stay.c
    fn fast_gup_stay(stay: *mut Stay, section: unsafe extern "C" fn(Inside, *mut c_void)) -> i32;
}

/// `FAST_GUP_IOC_STAY`.
pub(super) fn stay(stay: &mut Stay) -> Result<Undo<impl FnOnce()>> {
    // SAFETY: The structure is the one of C, checked, and this is the context of a task.
    to_result(unsafe { fast_gup_stay(stay, in_section) })?;
    Ok(Undo(|| ()))
}

/// Calls `inside` where the walk reads entries.
///
/// # Safety
///
/// `inside` may be called with `arg`, with interrupts off.
unsafe extern "C" fn in_section(inside: Inside, arg: *mut c_void) {
    let Some(mm) = NonNull::new(ffi::current_mm()) else {
        return;
    };
    // SAFETY: This is the mm of current; `tables` lives in this function only.
    let Some(tables) = (unsafe { CurrentTables::new(mm) }) else {
        return;
    };
    // SAFETY: By the precondition.
    tables.section(|_| unsafe { inside(arg) });
}
