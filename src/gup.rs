// SPDX-License-Identifier: GPL-2.0

//! The API of the module: a request, the lockless walk, and the fallback for what is left.
//!
//! C header: [`include/linux/fast_gup.h`](srctree/include/linux/fast_gup.h), which documents the
//! functions for their callers.

use crate::fallback;
use crate::ffi::{self, page};
use crate::lockless::lockless;
use crate::request::{Flags, Invalid, Request};
use crate::walk::Tally;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::page::{PAGE_SHIFT, PAGE_SIZE};
use kernel::pr_warn_once;
use kernel::prelude::*;

mod packed;
mod ranges;

/// `fast_gup()`: references to user pages.
#[no_mangle]
extern "C" fn fast_gup(start: usize, nr: isize, flags: u32, pages: *mut *mut page) -> isize {
    // SAFETY: The C prototype demands room for `nr` pages.
    unsafe { get(start, nr, flags, Flags::GET, pages) }.0
}

/// `fast_gup_only()`: references to user pages, without sleeping.
#[no_mangle]
extern "C" fn fast_gup_only(start: usize, nr: isize, flags: u32, pages: *mut *mut page) -> isize {
    // SAFETY: The C prototype demands room for `nr` pages.
    unsafe { get(start, nr, flags, Flags::GET.with(Flags::FAST_ONLY), pages) }.0
}

/// `fast_gup_pin()`: pins of user pages.
#[no_mangle]
extern "C" fn fast_gup_pin(start: usize, nr: isize, flags: u32, pages: *mut *mut page) -> isize {
    // SAFETY: The C prototype demands room for `nr` pages.
    unsafe { get(start, nr, flags, Flags::PIN, pages) }.0
}

/// `fast_gup_unpin()`: the end of what [`fast_gup_pin`] has returned.
#[no_mangle]
extern "C" fn fast_gup_unpin(pages: *mut *mut page, nr: usize, _flags: u32) {
    // SAFETY: The C prototype demands that the pages were pinned, and that the pins are the
    // caller's.
    unsafe { bindings::unpin_user_pages(pages, nr) }
}

/// Gets what it can without a lock, and the rest with one. Returns the number of pages, or a
/// negative errno if there are none, and what the lockless walk did.
///
/// `kind` is `GET` or `PIN`, possibly with `FAST_ONLY`.
///
/// Context: may sleep unless `FAST_ONLY` is given.
///
/// # Safety
///
/// `pages` must be valid for writing `nr_pages` pointers, if that is a positive number.
pub(crate) unsafe fn get(
    addr: usize,
    nr_pages: isize,
    flags: u32,
    kind: Flags,
    pages: *mut *mut page,
) -> (isize, Tally) {
    let start = ffi::untagged_addr(addr);
    let request = match Request::new(
        start,
        nr_pages,
        flags,
        kind,
        ffi::task_size_max(),
        PAGE_SIZE,
    ) {
        Ok(Some(request)) => request,
        Ok(None) => return (0, Tally::new()),
        Err(invalid) => return (errno(invalid, flags), Tally::new()),
    };

    if kind.contains(Flags::PIN) {
        set_has_pinned();
    }

    // SAFETY: By the precondition: the request has `nr_pages` pages.
    let tally = unsafe { lockless(&request, pages, ffi::SITE_API) };
    if kind.contains(Flags::FAST_ONLY) || tally.pages == request.nr_pages(PAGE_SHIFT as u8) {
        return (tally.pages as isize, tally);
    }

    // SAFETY: By the precondition: the walk has filled `tally.pages` pointers, less than all.
    let rest = unsafe { fallback::rest(&request, tally.pages, pages) };
    let ret = match (rest, tally.pages) {
        (Ok(nr), fast) => (fast + nr) as isize,
        // The caller must release what was got, so that an error is not an answer.
        (Err(err), 0) => err.to_errno() as isize,
        (Err(_), fast) => fast as isize,
    };
    (ret, tally)
}

/// Makes fork() look at pins at all; to be called before the first of them.
fn set_has_pinned() {
    if let Some(mm) = NonNull::new(ffi::current_mm()) {
        // SAFETY: This is the mm of current.
        unsafe { bindings::mm_set_has_pinned(mm.as_ptr()) };
    }
}

#[cold]
fn errno(invalid: Invalid, flags: u32) -> isize {
    let err = match invalid {
        Invalid::Flags => {
            pr_warn_once!("flags {flags:#x} are not offered, or not together\n");
            EINVAL
        }
        Invalid::Overflow => EOVERFLOW,
        Invalid::Range => EFAULT,
    };
    err.to_errno() as isize
}
