// SPDX-License-Identifier: GPL-2.0

//! Holding the folios of user memory.

use super::Holder;
use crate::ffi::page;
use crate::folio::{self, Acquired, Page, Run};
use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::request::Flags;
use crate::walk::{Mapping, Verdict};
use kernel::bindings;

/// Holds folios by references, or by pins.
///
/// A pin of a range is one pin of its folio, and is counted in the statistics of the node as one.
pub(crate) struct FolioHolder<const PIN: bool> {
    flags: Flags,
    acquired: Acquired,
}

impl<const PIN: bool> FolioHolder<PIN> {
    /// `flags` are those of the request that the ranges are for.
    pub(crate) fn new(flags: Flags) -> Self {
        Self {
            flags,
            acquired: Acquired::new(),
        }
    }
}

/// A page of a list.
#[inline(always)]
fn page_of(page: *mut page) -> Page {
    // SAFETY: There are only pages in lists which were got, and they are held still.
    unsafe { Page::from_ptr(page) }
}

impl<const PIN: bool> Holder for FolioHolder<PIN> {
    type Run = Run;

    #[inline(always)]
    fn hold_single(&mut self, page: Pfn) -> Result<Run, usize> {
        // SAFETY: The walk has the number from an entry that maps memory which is not special.
        unsafe {
            if self.flags.contains(Flags::LONGTERM) {
                folio::grab_single::<PIN, true>(page)
            } else {
                folio::grab_single::<PIN, false>(page)
            }
        }
    }

    #[inline(always)]
    fn hold(&mut self, first: Pfn) -> Result<(Run, usize), Refusal> {
        // SAFETY: As above.
        folio::grab_once::<PIN>(unsafe { Page::new(first) }, self.flags)
    }

    #[inline(always)]
    fn held(&self, first: Pfn) -> Run {
        // SAFETY: As above.
        Run::borrowed(unsafe { Page::new(first) })
    }

    #[inline(always)]
    fn barrier(&self) {
        // Pairs with the same barriers as that of a PageArray, see there. Where nothing was taken
        // since the last call of this function, because all pages continue a range that is held
        // already, the atomic operation is the one that took its reference, a while ago.
        // SAFETY: There is no precondition.
        unsafe { bindings::smp_mb__after_atomic() };
    }

    #[inline(always)]
    fn put(&mut self, run: Run) {
        // SAFETY: The list puts only what it has held and not kept.
        unsafe { folio::put::<PIN>(run, 1) };
    }

    #[inline(always)]
    fn verdict(&self, run: Run, nr: usize, mapping: Mapping) -> Verdict {
        // SAFETY: The walk asks about pages whose folio is held, inside of a section.
        unsafe { folio::verdict::<PIN>(run, nr, self.flags, mapping) }
    }

    #[inline(always)]
    fn simply_allowed(&self, run: Run, writable: bool) -> bool {
        let Some((page, folio)) = run.single() else {
            return false;
        };
        // SAFETY: As above.
        unsafe { folio::simply_allowed::<PIN>(page, folio, self.flags, writable) }
    }

    #[inline(always)]
    fn keep(&mut self, run: Run) -> *mut page {
        let folio = run.folio();

        folio.set_referenced();
        if PIN && run.is_held() {
            self.acquired.add(folio, 1);
        }
        run.first().as_ptr()
    }

    #[inline(always)]
    fn count(&mut self) {
        core::mem::replace(&mut self.acquired, Acquired::new()).count();
    }

    fn place(&self, page: *mut page) -> (Pfn, Pfn) {
        let page = page_of(page);
        let pfn = page.pfn();

        (pfn, pfn + page.folio().pages_from(page))
    }

    fn release(&mut self, page: *mut page) {
        // SAFETY: The list releases only what it owns.
        unsafe { folio::release::<PIN>(page_of(page)) };
    }
}
