// SPDX-License-Identifier: GPL-2.0

//! What the walk refused: get_user_pages() under the mmap lock, which may fault.
//!
//! The kernel's `*_unlocked()` variants take the lock themselves. The first fault may drop it and
//! ask for a retry; a signal that kills ends the wait.

use crate::ffi::{self, page};
use crate::request::{Flags, Request};
use kernel::bindings;
use kernel::page::{PAGE_SHIFT, PAGE_SIZE};
use kernel::prelude::*;

/// Gets the pages of `request` behind the first `done` ones, and returns their number.
///
/// Context: process context. May sleep; takes the mmap lock.
///
/// # Safety
///
/// `pages` must be valid for writing as many pointers as the request has pages.
pub(crate) unsafe fn rest(request: &Request, done: usize, pages: *mut *mut page) -> Result<usize> {
    let start = request.start() + done * PAGE_SIZE;
    let nr = request.nr_pages(PAGE_SHIFT as u8) - done;
    let flags = request.flags().without(Flags::GET.with(Flags::PIN));

    // SAFETY: By the precondition, `pages` has room for `nr` more pages behind the first `done`.
    let ret = unsafe {
        let pages = pages.add(done);
        if request.flags().contains(Flags::PIN) {
            bindings::pin_user_pages_unlocked(start, nr, pages, flags.raw())
        } else {
            bindings::get_user_pages_unlocked(start, nr, pages, flags.raw())
        }
    };
    ffi::to_count(ret)
}
