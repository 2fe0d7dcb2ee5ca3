// SPDX-License-Identifier: GPL-2.0

//! What `folio.rs` takes from the module's own boundary to C.

pub(crate) use kernel::bindings::{folio, page};

/// The folio itself: `atomic_try_cmpxchg()` knows what is meant.
pub(crate) fn refcount(folio: *mut folio) -> *mut kernel::bindings::atomic_t {
    folio.cast()
}

pub(crate) fn is_zero_pfn(pfn: crate::format::Pfn) -> bool {
    // SAFETY: There is no precondition here.
    unsafe { kernel::bindings::is_zero_page(kernel::bindings::pfn_to_page(pfn)) }
}
