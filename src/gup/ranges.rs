// SPDX-License-Identifier: GPL-2.0

//! The API by ranges: as much of what is asked for as fits the caller's buffer.

use super::{errno, set_has_pinned};
use crate::fallback;
use crate::ffi::{self, page};
use crate::folio::{self, Page, Released};
use crate::lockless::lockless_ranges;
use crate::ranges::{Buffer, FolioHolder, PageRange, RangeList};
use crate::request::{self, Flags, Request};
use crate::walk::Tally;
use kernel::page::{PAGE_SHIFT, PAGE_SIZE};
use kernel::prelude::*;

/// Where the next call goes on: `struct gup_cursor`.
#[repr(C)]
pub(crate) struct Cursor {
    pub(crate) addr: usize,
}

/// `fast_gup_pin_ranges()`: pins, one for each range.
#[no_mangle]
extern "C" fn fast_gup_pin_ranges(
    cursor: &mut Cursor,
    len: usize,
    flags: u32,
    ranges: *mut PageRange,
    max: usize,
) -> isize {
    // SAFETY: The C prototype demands room for `max` ranges.
    let buffer = unsafe { Buffer::array(ranges, max) };
    get::<true>(cursor, len, flags, buffer, &mut Tally::new())
}

/// `fast_gup_get_ranges()`: references, one for each range.
#[no_mangle]
extern "C" fn fast_gup_get_ranges(
    cursor: &mut Cursor,
    len: usize,
    flags: u32,
    ranges: *mut PageRange,
    max: usize,
) -> isize {
    // SAFETY: As above.
    let buffer = unsafe { Buffer::array(ranges, max) };
    get::<false>(cursor, len, flags, buffer, &mut Tally::new())
}

/// `fast_gup_pin_range_blocks()`: pins, with the ranges in blocks.
#[no_mangle]
extern "C" fn fast_gup_pin_range_blocks(
    cursor: &mut Cursor,
    len: usize,
    flags: u32,
    blocks: *const *mut PageRange,
    nr_blocks: usize,
) -> isize {
    // SAFETY: The C prototype demands `nr_blocks` blocks.
    let buffer = unsafe { Buffer::blocks(blocks, nr_blocks) };
    get::<true>(cursor, len, flags, buffer, &mut Tally::new())
}

/// `fast_gup_get_range_blocks()`: references, with the ranges in blocks.
#[no_mangle]
extern "C" fn fast_gup_get_range_blocks(
    cursor: &mut Cursor,
    len: usize,
    flags: u32,
    blocks: *const *mut PageRange,
    nr_blocks: usize,
) -> isize {
    // SAFETY: As above.
    let buffer = unsafe { Buffer::blocks(blocks, nr_blocks) };
    get::<false>(cursor, len, flags, buffer, &mut Tally::new())
}

/// `fast_gup_unpin_ranges()`: the end of pinned ranges.
///
/// # Safety
///
/// `ranges` must be `nr` of them, whose pins are the caller's.
#[no_mangle]
pub(crate) unsafe extern "C" fn fast_gup_unpin_ranges(
    ranges: *const PageRange,
    nr: usize,
    dirty: bool,
) {
    let mut released = Released::new();

    for i in 0..nr {
        // SAFETY: By the precondition.
        unsafe {
            let page = page_of((*ranges.add(i)).page);
            if dirty {
                ffi::mark_dirty(page);
            }
            folio::release_run::<true>(page, 1, &mut released);
        }
    }
    released.count();
}

/// `fast_gup_put_ranges()`: the end of ranges with references.
///
/// # Safety
///
/// `ranges` must be `nr` of them, whose references are the caller's.
#[no_mangle]
pub(crate) unsafe extern "C" fn fast_gup_put_ranges(ranges: *const PageRange, nr: usize) {
    for i in 0..nr {
        // SAFETY: By the precondition.
        unsafe { folio::release::<false>(page_of((*ranges.add(i)).page)) };
    }
}

/// `fast_gup_split_range()`: makes two ranges of one.
///
/// # Safety
///
/// The pin of `range` must be the caller's.
#[no_mangle]
pub(crate) unsafe extern "C" fn fast_gup_split_range(
    range: &mut PageRange,
    at: usize,
    rest: &mut PageRange,
) -> i32 {
    // SAFETY: By the precondition.
    unsafe { split::<true>(range, at, rest) }
}

/// `fast_gup_split_got_range()`: the same for a range with a reference.
///
/// # Safety
///
/// The reference of `range` must be the caller's.
#[no_mangle]
pub(crate) unsafe extern "C" fn fast_gup_split_got_range(
    range: &mut PageRange,
    at: usize,
    rest: &mut PageRange,
) -> i32 {
    // SAFETY: By the precondition.
    unsafe { split::<false>(range, at, rest) }
}

/// Gets ranges from the cursor on, pinned or by references. Returns their number, or a negative errno
/// if there are none, and tells in `tally` what the walks did.
pub(crate) fn get<const PIN: bool>(
    cursor: &mut Cursor,
    len: usize,
    flags: u32,
    buffer: Buffer,
    tally: &mut Tally,
) -> isize {
    let kind = if PIN { Flags::PIN } else { Flags::GET };
    let start = ffi::untagged_addr(cursor.addr);
    let request = request::pages_of(start, len, PAGE_SIZE).and_then(|nr| {
        let limit = ffi::task_size_max();
        Request::new(start, nr, flags, kind, limit, PAGE_SIZE)
    });
    let request = match request {
        Ok(Some(request)) => request,
        Ok(None) => return 0,
        Err(invalid) => return errno(invalid, flags),
    };
    if buffer.room() == 0 {
        return EINVAL.to_errno() as isize;
    }
    if PIN {
        set_has_pinned();
    }

    let mut list = RangeList::new(FolioHolder::<PIN>::new(request.flags()), buffer);
    *tally = lockless_ranges(&request, &mut list);
    let rest = if tally.refusal == 0 {
        Rest::NONE
    } else {
        fill(&request, &mut list, tally)
    };

    // What does not fit the buffer was not asked for.
    let asked_for = tally.pages + usize::from(rest.asked_for);
    ffi::count(ffi::SITE_API, request.flags(), asked_for, tally);

    let pages = tally.pages + rest.pages;
    if pages == 0 {
        return rest.err.map_or(0, |err| err.to_errno() as isize);
    }
    // The first page, and the last one, may be asked for in part.
    cursor.addr += (pages * PAGE_SIZE - (start - request.start())).min(len);
    list.len() as isize
}

/// What the fallback did for a request.
struct Rest {
    /// It was asked.
    asked_for: bool,
    /// Pages that it got.
    pages: usize,
    /// The error that it ended with.
    err: Option<Error>,
}

impl Rest {
    const NONE: Self = Self {
        asked_for: false,
        pages: 0,
        err: None,
    };
}

/// Goes on behind a page that the walk has refused, until the list is full or the request is done:
/// by turns, the fallback gets that page and some more, and the walk what follows.
#[cold]
#[inline(never)]
fn fill<const PIN: bool>(
    request: &Request,
    list: &mut RangeList<FolioHolder<PIN>>,
    tally: &mut Tally,
) -> Rest {
    let wanted = request.nr_pages(PAGE_SHIFT as u8);
    let mut rest = Rest::NONE;
    let mut refused = true;

    while refused && list.may_grow() {
        rest.asked_for = true;
        let done = tally.pages + rest.pages;
        match fallback::step(&request.behind(done * PAGE_SIZE), list) {
            Ok(0) => break,
            Ok(nr) => rest.pages += nr,
            Err(err) => {
                rest.err = Some(err);
                break;
            }
        }

        let done = tally.pages + rest.pages;
        if done == wanted {
            break;
        }
        let walk = lockless_ranges(&request.behind(done * PAGE_SIZE), list);
        tally.add(&walk);
        refused = walk.refusal != 0;
    }
    rest
}

/// # Safety
///
/// `range` must be held by what is the caller's.
unsafe fn split<const PIN: bool>(range: &mut PageRange, at: usize, rest: &mut PageRange) -> i32 {
    if at == 0 || at >= range.nr_pages {
        return EINVAL.to_errno();
    }
    // SAFETY: By the precondition; the pages of a folio are consecutive, see folio_page().
    let first = unsafe { page_of(range.page.add(at)) };
    if !folio::hold_again::<PIN>(first) {
        return ENOMEM.to_errno();
    }
    *rest = PageRange {
        page: first.as_ptr(),
        nr_pages: range.nr_pages - at,
    };
    range.nr_pages = at;
    0
}

/// # Safety
///
/// `page` must be that of a range.
unsafe fn page_of(page: *mut page) -> Page {
    // SAFETY: By the precondition, the page was got.
    unsafe { Page::from_ptr(page) }
}
