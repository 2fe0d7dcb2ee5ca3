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
use kernel::page::{PAGE_SHIFT, PAGE_SIZE};

/// Gets the pages of `request` from its start to the first one that the walk refuses, writes them
/// to `pages`, counts them for `site` and returns their number. The pages belong to the caller.
///
/// Context: any, NMI included, in the context of the task whose pages are asked for. Does not
/// sleep. With `FOLL_PIN`, `mm_set_has_pinned_flag()` must have been called before.
///
/// # Safety
///
/// `pages` must be valid for writing as many pointers as the request has pages.
#[inline(always)]
pub(crate) unsafe fn lockless(request: &Request, pages: *mut *mut page, site: u32) -> usize {
    // SAFETY: By the precondition.
    unsafe {
        if request.nr_pages(PAGE_SHIFT as u8) == 1 {
            one(request.start(), request.flags(), pages, site)
        } else {
            many(request, pages, site)
        }
    }
}

/// A function of its own: what a request of one page needs fits into the registers.
///
/// # Safety
///
/// As for [`lockless`].
#[inline(never)]
unsafe fn one(start: usize, flags: Flags, pages: *mut *mut page, site: u32) -> usize {
    let request = Request::checked(start, start.wrapping_add(PAGE_SIZE), flags);

    // SAFETY: By the precondition.
    let tally = unsafe { in_current::<true>(&request, pages) };
    if tally.pages == 1 {
        ffi::count_one(site, flags);
    } else {
        ffi::count(site, flags, 1, &tally);
    }
    #[cfg(CONFIG_FAST_GUP_TEST)]
    crate::device::observe::walked(pages, &tally);
    tally.pages
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
        unsafe { pin::<false>(native, mm, &tables, list, request) }
    } else {
        get::<false>(native, &tables, list, request)
    }
}

/// # Safety
///
/// As for [`lockless`].
#[inline(never)]
unsafe fn many(request: &Request, pages: *mut *mut page, site: u32) -> usize {
    // SAFETY: By the precondition.
    let tally = unsafe { in_current::<false>(request, pages) };

    ffi::count(
        site,
        request.flags(),
        request.nr_pages(PAGE_SHIFT as u8),
        &tally,
    );
    #[cfg(CONFIG_FAST_GUP_TEST)]
    crate::device::observe::walked(pages, &tally);
    tally.pages
}

/// # Safety
///
/// As for [`lockless`]; if `ONE`, the request must be for one page.
#[inline(always)]
unsafe fn in_current<const ONE: bool>(request: &Request, pages: *mut *mut page) -> Tally {
    match (native::get(), NonNull::new(ffi::current_mm())) {
        // SAFETY: This is the mm of current; and by the precondition.
        (Some(native), Some(mm)) => unsafe { in_mm::<ONE>(native, mm, request, pages) },
        // A kernel thread has no user pages.
        _ => refused(Refusal::Absent),
    }
}

/// # Safety
///
/// `mm` must be `current->mm`; the others as for [`in_current`].
#[inline(always)]
unsafe fn in_mm<const ONE: bool>(
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
        unsafe { pin::<ONE>(native, mm, &tables, &mut array, request) }
    } else {
        // SAFETY: As above.
        let mut array = unsafe { PageArray::<false>::new(pages, flags, &mut room) };
        get::<ONE>(native, &tables, &mut array, request)
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
fn get<const ONE: bool>(
    native: &Native,
    tables: &CurrentTables,
    output: &mut impl Output,
    request: &Request,
) -> Tally {
    let tally = native.walk::<ONE, _, _>(tables, output, request);

    output.hand_over();
    tally
}

/// # Safety
///
/// `mm` must be `current->mm`; if `ONE`, the request must be for one page.
#[inline(always)]
unsafe fn pin<const ONE: bool>(
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
    let mut tally = native.walk::<ONE, _, _>(tables, output, request);
    // SAFETY: `mm` is the mm of current.
    if unsafe { bindings::mm_write_protect_retry(mm.as_ptr(), seq) } {
        output.give_back();
        tally.wasted += tally.pages;
        tally.pages = 0;
        tally.refusal = Refusal::Fork.number();
    } else {
        output.hand_over();
    }
    tally
}

#[cold]
fn refused(refusal: Refusal) -> Tally {
    let mut tally = Tally::new();
    tally.refusal = refusal.number();
    tally
}
