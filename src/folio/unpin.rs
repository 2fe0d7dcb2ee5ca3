// SPDX-License-Identifier: GPL-2.0

//! Dropping the pins of an array of pages.

use super::grab::{release_run, release_single};
use super::{Page, Released};
use crate::ffi::page;

/// Drops the pins of `nr` pages: those of consecutive pages of a folio at once, and all of a node
/// are counted at once. See `unpin_user_pages()`.
///
/// Context: process or interrupt context, not NMI: a folio may be freed.
///
/// # Safety
///
/// `pages` must point to `nr` pages that were pinned, and whose pins are the caller's.
pub(crate) unsafe fn unpin(pages: *const *mut page, nr: usize) {
    // SAFETY: By the precondition.
    let page_at = |at: usize| unsafe { *pages.add(at) };
    let mut released = Released::new();
    let mut at = 0;

    while at < nr {
        let first = page_at(at);
        // SAFETY: By the precondition, this is a page.
        let page = unsafe { Page::from_ptr(first) };

        if let Some(folio) = page.single_folio() {
            // SAFETY: By the precondition.
            unsafe { release_single(folio, &mut released) };
            at += 1;
            continue;
        }

        // The pages of a folio are consecutive, see folio_page().
        let most = page.folio().pages_from(page).min(nr - at);
        let follows = |&i: &usize| page_at(at + i) == first.wrapping_add(i);
        let run = (1..most).take_while(follows).count() + 1;
        // SAFETY: By the precondition; the run is of one folio.
        unsafe { release_run::<true>(page, run, &mut released) };
        at += run;
    }
    released.count();
}
