// SPDX-License-Identifier: GPL-2.0

//! Serving the kernel's own callers of GUP while the module is loaded.
//!
//! C header: [`include/linux/gup_provider.h`](srctree/include/linux/gup_provider.h)

use crate::ffi::{self, page};
use crate::lockless::{lockless, lockless_ranges};
use crate::ranges::{Buffer, FolioHolder, PageRange, RangeList};
use crate::request::{Flags, Request};
use crate::walk::Tally;
use kernel::bindings;
use kernel::error::to_result;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

/// What mm/gup.c calls, from the registration until nobody is in it any more.
static WALKS: bindings::gup_provider = bindings::gup_provider {
    walk: Some(walk),
    walk_ranges: Some(walk_ranges),
};

/// The walk is registered with mm/gup.c.
///
/// # Invariants
///
/// While the value exists, the walk is the one that the fast variants of GUP call.
pub(crate) struct Provider(());

impl Provider {
    /// Registers the walk. `EBUSY` while somebody else provides one.
    pub(crate) fn register() -> Result<Self> {
        // SAFETY: The walks keep the contracts of `gup_walk_t` and `gup_walk_ranges_t`, and `drop()`
        // unregisters them before the module, and `WALKS` with it, can go.
        to_result(unsafe { bindings::gup_provider_register(&WALKS) })?;
        // INVARIANT: The registration has succeeded.
        Ok(Self(()))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, we are the provider. The call waits until nobody is in
        // a walk any more.
        unsafe { bindings::gup_provider_unregister() }
    }
}

/// The walk, as mm/gup.c calls it. See `gup_walk_t`.
///
/// # Safety
///
/// The arguments must be those of a request that mm/gup.c has checked, with `pages` valid for
/// writing as many pointers as it has pages.
unsafe extern "C" fn walk(
    start: usize,
    end: usize,
    gup_flags: u32,
    pages: *mut *mut page,
    site: bindings::gup_site,
) -> usize {
    let request = Request::checked(start, end, Flags::from_raw(gup_flags));

    // SAFETY: By the precondition.
    unsafe { lockless(&request, pages, site) }
}

/// The walk by ranges, as mm/gup_ranges.c calls it. See `gup_walk_ranges_t`.
///
/// # Safety
///
/// `list` must be what mm/gup_ranges.c has made of a request that it has checked.
unsafe extern "C" fn walk_ranges(
    list: *mut bindings::gup_ranges,
    gup_flags: u32,
    site: bindings::gup_site,
) -> bindings::gup_walk_end {
    // SAFETY: By the precondition; nobody else has the list meanwhile.
    let list = unsafe { &mut *list };
    let flags = Flags::from_raw(gup_flags);
    let request = Request::checked(list.addr, list.end, flags);

    // SAFETY: By the precondition.
    let tally = unsafe {
        if flags.contains(Flags::PIN) {
            add::<true>(list, &request)
        } else {
            add::<false>(list, &request)
        }
    };
    list.addr += tally.pages * PAGE_SIZE;

    // What does not fit was not asked for: it is not a refusal, and its number is 0.
    let complete = tally.refusal == 0;
    ffi::count(site, flags, tally.pages + usize::from(!complete), &tally);
    if complete {
        bindings::gup_walk_end_GUP_WALK_COMPLETE
    } else {
        bindings::gup_walk_end_GUP_WALK_REFUSED
    }
}

// What C and Rust call a range is the same.
const _: () = assert!(size_of::<PageRange>() == size_of::<bindings::gup_range>());

/// Adds the pages of `request` to those that the list has.
///
/// # Safety
///
/// As for [`walk_ranges`].
unsafe fn add<const PIN: bool>(list: &mut bindings::gup_ranges, request: &Request) -> Tally {
    let holder = FolioHolder::<PIN>::new(request.flags());
    // SAFETY: By the precondition, there is room for `max` ranges, of which `nr` are written and
    // held for the caller.
    let mut ranges = unsafe {
        let buffer = Buffer::array(list.ranges.cast::<PageRange>(), list.max);
        RangeList::resume(holder, buffer, list.nr)
    };

    let tally = lockless_ranges(request, &mut ranges);
    list.nr = ranges.len();
    tally
}
