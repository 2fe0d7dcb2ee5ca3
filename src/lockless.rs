// SPDX-License-Identifier: GPL-2.0

//! A request served without a lock, as far as that goes. See `gup_fast()` in mm/gup.c.

use crate::ffi::{self, mm_struct, page};
use crate::native::{self, Native};
use crate::output::{LongRuns, PageArray};
use crate::ranges::{FolioHolder, Holder, RangeList};
use crate::refusal::Refusal;
use crate::request::{Flags, Request};
use crate::tables::CurrentTables;
use crate::walk::{Pages, Tally};
use core::ptr::NonNull;
use kernel::bindings;

/// Gets the pages of `request` from its start to the first one that the walk refuses, writes them
/// to `pages`, counts them for `site` and returns what it did. The pages belong to the caller.
///
/// Context: any, NMI included, in the context of the task whose pages are asked for. Does not
/// sleep. With `FOLL_PIN`, `mm_set_has_pinned_flag()` must have been called before.
///
/// # Safety
///
/// `pages` must be valid for writing as many pointers as the request has pages.
#[inline(never)]
pub(crate) unsafe fn lockless(request: &Request, pages: *mut *mut page, site: u32) -> Tally {
    let (tally, requested) = match (native::get(), NonNull::new(ffi::current_mm())) {
        (Some(native), Some(mm)) => (
            // SAFETY: This is the mm of current; and by the precondition.
            unsafe { in_mm(native, mm, request, pages) },
            request.nr_pages(native.geometry.page_shift()),
        ),
        // A kernel thread has no user pages.
        _ => (refused(Refusal::Absent), 1),
    };

    ffi::count(site, request.flags(), requested, &tally);
    #[cfg(CONFIG_FAST_GUP_TEST)]
    crate::device::observe::walked(pages, &tally);
    tally
}

/// Adds the pages of `request`, from its start to the first one that the walk refuses, to `list`, and
/// returns what it did. Nothing is counted but the pins.
///
/// Context: as for [`lockless`].
#[inline(never)]
pub(crate) fn lockless_ranges<const PIN: bool>(
    request: &Request,
    list: &mut RangeList<FolioHolder<PIN>>,
) -> Tally {
    let (Some(native), Some(mm)) = (native::get(), NonNull::new(ffi::current_mm())) else {
        // A kernel thread has no user pages.
        return refused(Refusal::Absent);
    };
    // SAFETY: This is the mm of current; `tables` lives in this function only.
    let Some(tables) = (unsafe { CurrentTables::new(mm) }) else {
        return refused(Refusal::Absent);
    };

    list.begin();
    if PIN {
        // SAFETY: As above.
        unsafe { pin(native, mm, &tables, list, request) }
    } else {
        get(native, &tables, list, request)
    }
}

/// # Safety
///
/// `mm` must be `current->mm`; `pages` as for [`lockless`].
#[inline(always)]
unsafe fn in_mm(
    native: &Native,
    mm: NonNull<mm_struct>,
    request: &Request,
    pages: *mut *mut page,
) -> Tally {
    let flags = request.flags();
    // SAFETY: By the precondition; `tables` lives in this function only.
    let Some(tables) = (unsafe { CurrentTables::new(mm) }) else {
        return refused(Refusal::Absent);
    };
    let mut room = LongRuns::new();

    if flags.contains(Flags::PIN) {
        // SAFETY: By the precondition, for the walk does not get more pages than were asked for.
        let mut array = unsafe { PageArray::<true>::new(pages, flags, &mut room) };
        // SAFETY: By the precondition.
        unsafe { pin(native, mm, &tables, &mut array, request) }
    } else {
        // SAFETY: As above.
        let mut array = unsafe { PageArray::<false>::new(pages, flags, &mut room) };
        get(native, &tables, &mut array, request)
    }
}

/// Where the pages go, and the walk can take them back from.
trait Output: Pages {
    /// Hands over what the walk has added.
    fn hand_over(&mut self);

    /// Gives it back.
    fn give_back(&mut self);
}

impl<const PIN: bool> Output for PageArray<'_, PIN> {
    #[inline(always)]
    fn hand_over(&mut self) {
        self.hand_over();
    }

    #[inline(always)]
    fn give_back(&mut self) {
        self.give_back();
    }
}

impl<H: Holder> Output for RangeList<H> {
    #[inline(always)]
    fn hand_over(&mut self) {
        self.hand_over();
    }

    #[inline(always)]
    fn give_back(&mut self) {
        self.give_back();
    }
}

#[inline(always)]
fn get(
    native: &Native,
    tables: &CurrentTables,
    output: &mut impl Output,
    request: &Request,
) -> Tally {
    let tally = native.walk(tables, output, request);

    output.hand_over();
    tally
}

/// # Safety
///
/// `mm` must be `current->mm`.
#[inline(always)]
unsafe fn pin(
    native: &Native,
    mm: NonNull<mm_struct>,
    tables: &CurrentTables,
    output: &mut impl Output,
    request: &Request,
) -> Tally {
    // fork() write-protects the pages that it shares, but not those that are pinned. If it began
    // before the walk or while it went on, it may not have seen the pins.
    let mut seq = 0;
    // SAFETY: `mm` is the mm of current.
    if !unsafe { bindings::mm_write_protect_begin(mm.as_ptr(), &mut seq) } {
        return refused(Refusal::Fork);
    }
    let mut tally = native.walk(tables, output, request);
    // SAFETY: `mm` is the mm of current.
    if unsafe { bindings::mm_write_protect_retry(mm.as_ptr(), seq) } {
        output.give_back();
        tally.wasted += tally.pages;
        tally.pages = 0;
        tally.refusal = Refusal::Fork as u32;
    } else {
        output.hand_over();
    }
    tally
}

#[cold]
fn refused(refusal: Refusal) -> Tally {
    let mut tally = Tally::new();
    tally.refusal = refusal as u32;
    tally
}
