// SPDX-License-Identifier: GPL-2.0

//! The API of the module: a request, the lockless walk, and the fallback for what is left.
//!
//! C header: [`include/linux/fast_gup.h`](srctree/include/linux/fast_gup.h), which documents the
//! functions for their callers.

use crate::fallback;
use crate::ffi::{self, page};
use crate::folio;
use crate::lockless::lockless;
use crate::request::{Flags, Invalid, Request};
use core::ptr::NonNull;
use kernel::bindings;
use kernel::page::{PAGE_SHIFT, PAGE_SIZE};
use kernel::prelude::*;
use kernel::{pr_warn_once, warn_on};

pub(crate) mod packed;
pub(crate) mod ranges;

/// `fast_gup()`: references to user pages.
#[no_mangle]
extern "C" fn fast_gup(start: usize, nr: isize, flags: u32, pages: *mut *mut page) -> isize {
    // SAFETY: The C prototype demands room for `nr` pages.
    unsafe { get(start, nr, flags, Flags::GET, pages) }
}

/// `fast_gup_only()`: references to user pages, without sleeping.
#[no_mangle]
extern "C" fn fast_gup_only(start: usize, nr: isize, flags: u32, pages: *mut *mut page) -> isize {
    // SAFETY: The C prototype demands room for `nr` pages.
    unsafe { get(start, nr, flags, Flags::GET.with(Flags::FAST_ONLY), pages) }
}

/// `fast_gup_pin()`: pins of user pages.
#[no_mangle]
extern "C" fn fast_gup_pin(start: usize, nr: isize, flags: u32, pages: *mut *mut page) -> isize {
    // SAFETY: The C prototype demands room for `nr` pages.
    unsafe { get(start, nr, flags, Flags::PIN, pages) }
}

/// `fast_gup_unpin()`: the end of what [`fast_gup_pin`] has returned.
#[no_mangle]
extern "C" fn fast_gup_unpin(pages: *mut *mut page, nr: usize, _flags: u32) {
    // A negative errno is not a number of pages, see unpin_user_pages().
    if warn_on!(nr > isize::MAX as usize) {
        return;
    }
    // SAFETY: The C prototype demands that the pages were pinned, and that the pins are the
    // caller's.
    unsafe { folio::unpin(pages, nr) }
}

/// Gets what it can without a lock, and the rest with one. Returns the number of pages, or a
/// negative errno if there are none.
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
) -> isize {
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
        Ok(None) => return 0,
        Err(invalid) => return errno(invalid, flags),
    };

    if kind.contains(Flags::PIN) {
        set_has_pinned();
    }

    // SAFETY: By the precondition: the request has `nr_pages` pages.
    let fast = unsafe { lockless(&request, pages, ffi::SITE_API) };
    if kind.contains(Flags::FAST_ONLY) || fast == request.nr_pages(PAGE_SHIFT as u8) {
        return fast as isize;
    }

    // SAFETY: By the precondition: the walk has filled `fast` pointers, less than all.
    let rest = unsafe { fallback::rest(&request, fast, pages) };
    match rest {
        Ok(nr) => (fast + nr) as isize,
        // The caller must release what was got, so that an error is not an answer.
        Err(_) if fast > 0 => fast as isize,
        Err(err) => err.to_errno() as isize,
    }
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
