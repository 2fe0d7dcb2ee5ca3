// SPDX-License-Identifier: GPL-2.0

//! What the walk refused: get_user_pages() under the mmap lock, which may fault.
//!
//! The kernel's `*_unlocked()` variants take the lock themselves. A fault that has to wait drops it,
//! for others to change the address space meanwhile, and asks for a retry: of its page alone, with
//! `FOLL_TRIED`, as often as it takes. A signal that kills ends the wait, and with
//! `FOLL_INTERRUPTIBLE` any other does. What was got before is kept.

use crate::ffi::{self, page};
use crate::ranges::{Holder, RangeList};
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

    // SAFETY: By the precondition, `pages` has room for `nr` more pages behind the first `done`.
    unsafe { get(start, nr, request.flags(), pages.add(done)) }
}

/// Pages that [`step`] gets at once.
const STEP: usize = 16;

/// Adds some of the first pages of `request` to a list, and returns their number. It is less than
/// what was got if the list is full.
///
/// Context: as for [`rest`].
pub(crate) fn step<H: Holder>(request: &Request, list: &mut RangeList<H>) -> Result<usize> {
    let mut pages = [core::ptr::null_mut(); STEP];
    let nr = request.nr_pages(PAGE_SHIFT as u8).min(list.room().max(1));

    // SAFETY: There is room for as many pages.
    let got = unsafe {
        get(
            request.start(),
            nr.min(STEP),
            request.flags(),
            pages.as_mut_ptr(),
        )
    }?;
    Ok(list.append_all(&pages[..got.min(STEP)]))
}

/// Gets `nr` pages from the one at `start` on.
///
/// # Safety
///
/// `pages` must be valid for writing `nr` pointers.
unsafe fn get(start: usize, nr: usize, flags: Flags, pages: *mut *mut page) -> Result<usize> {
    let offered = flags.without(Flags::GET.with(Flags::PIN)).raw();

    // SAFETY: By the precondition.
    let ret = unsafe {
        if flags.contains(Flags::PIN) {
            bindings::pin_user_pages_unlocked(start, nr, pages, offered)
        } else {
            bindings::get_user_pages_unlocked(start, nr, pages, offered)
        }
    };
    ffi::to_count(ret)
}
