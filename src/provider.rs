// SPDX-License-Identifier: GPL-2.0

//! Serving the kernel's own callers of GUP while the module is loaded.
//!
//! C header: [`include/linux/gup_provider.h`](srctree/include/linux/gup_provider.h)

use crate::ffi::page;
use crate::lockless::lockless;
use crate::request::{Flags, Request};
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

/// The walk is registered with mm/gup.c.
///
/// # Invariants
///
/// While the value exists, the walk is the one that the fast variants of GUP call.
pub(crate) struct Provider(());

impl Provider {
    /// Registers the walk. `EBUSY` while somebody else provides one.
    pub(crate) fn register() -> Result<Self> {
        // SAFETY: `walk` keeps the contract of `gup_walk_t`, and `drop()` unregisters it before
        // the module can go.
        to_result(unsafe { bindings::gup_provider_register(Some(walk), None) })?;
        // INVARIANT: The registration has succeeded.
        Ok(Self(()))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, we are the provider. The call waits until nobody is in
        // `walk` any more.
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
