// SPDX-License-Identifier: GPL-2.0

//! The pages of a request on their way to the caller: an array of `struct page *`.

use crate::array_vec::{ArrayVec, Room};
use crate::ffi::page;
use crate::folio::{self, Acquired, Page, Run};
use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::request::Flags;
use crate::walk::{Mapping, Pages, Verdict, BATCH};
use core::mem::MaybeUninit;
use kernel::bindings;

/// Long runs that one section can have.
const LONG_RUNS: usize = 8;

/// A run that is longer than a batch of entries, so one of a huge page. Interrupts are off while
/// entries are read; they need not be while the 2^18 pointers to a 1 GiB page are computed.
#[derive(Clone, Copy)]
struct LongRun {
    at: usize,
    first: Page,
    nr: usize,
}

/// Room for the long runs of one section.
pub(crate) struct LongRuns(Room<LongRun, LONG_RUNS>);

impl LongRuns {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self(Room::new())
    }
}

/// The array that a caller of GUP has given.
///
/// # Invariants
///
/// - `pages` is valid for writing all the pages of the request, and `filled` stays below that.
/// - The first `filled` pointers stand for pages that were got and belong to this value. They are
///   written, except for those of the runs in `long`.
pub(crate) struct PageArray<'a, const PIN: bool, const LONGTERM: bool> {
    pages: *mut *mut page,
    filled: usize,
    flags: Flags,
    long: ArrayVec<'a, LongRun, LONG_RUNS>,
    acquired: Acquired,
}

impl<'a, const PIN: bool, const LONGTERM: bool> PageArray<'a, PIN, LONGTERM> {
    /// An empty array.
    ///
    /// # Safety
    ///
    /// While the value exists, `pages` must be valid for writing as many pointers as the request
    /// has pages that the walk is to fill it for.
    #[inline(always)]
    pub(crate) unsafe fn new(pages: *mut *mut page, flags: Flags, room: &'a mut LongRuns) -> Self {
        // INVARIANT: By the precondition; there are no pages yet.
        Self {
            pages,
            filled: 0,
            flags,
            long: ArrayVec::new(&mut room.0),
            acquired: Acquired::new(),
        }
    }

    /// Hands the pages over to the caller of GUP.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self) {
        self.acquired.count();
        self.filled = 0;
    }

    /// Gives all pages back.
    ///
    /// Page by page: by now `fork()` may share them, so that nothing but the numbers of
    /// references is to be looked at.
    #[inline(always)]
    pub(crate) fn give_back(&mut self) {
        self.acquired.count();
        // SAFETY: By the type invariant, and as no section is open, the pointers are written, and
        // we own what they stand for.
        unsafe { release_all::<PIN>(self.pages, self.filled) };
        self.filled = 0;
    }

    /// Writes the pointers of consecutive pages of one folio.
    #[inline(always)]
    fn write(&self, at: usize, first: Page, nr: usize) {
        // SAFETY: By the type invariant there is room for all the pages of the request. The pages
        // exist, for they were got; those of a folio are consecutive, see folio_page().
        unsafe {
            let to = core::slice::from_raw_parts_mut(
                self.pages.add(at).cast::<MaybeUninit<*mut page>>(),
                nr,
            );
            let mut page = first.as_ptr();

            for to in to {
                to.write(page);
                page = page.wrapping_add(1);
            }
        }
    }
}

/// Gives `nr` pages back.
///
/// # Safety
///
/// `pages` must point to as many pages, which the caller owns.
#[cold]
unsafe fn release_all<const PIN: bool>(pages: *const *mut page, nr: usize) {
    for i in 0..nr {
        // SAFETY: By the precondition.
        unsafe {
            folio::release::<PIN>(Page::from_ptr(*pages.add(i)));
        }
    }
}

impl<const PIN: bool, const LONGTERM: bool> Pages for PageArray<'_, PIN, LONGTERM> {
    type Run = Run;

    #[inline(always)]
    fn grab_single(&mut self, page: Pfn) -> Result<Run, usize> {
        // SAFETY: The walk has the number from an entry that maps memory which is not special.
        unsafe { folio::grab_single::<PIN, LONGTERM>(page) }
    }

    #[inline(always)]
    fn grab(&mut self, first: Pfn, nr: usize) -> Result<(Run, usize), Refusal> {
        // SAFETY: As above.
        folio::grab::<PIN>(unsafe { Page::new(first) }, nr, self.flags)
    }

    #[inline(always)]
    fn barrier_after_grab(&self) {
        // Pairs with the barriers of those who clear an entry and then look at the references:
        // folio_try_share_anon_rmap_*(), and page_ref_freeze() of split, migration and reclaim.
        // Taking the references was an atomic operation.
        // SAFETY: There is no precondition.
        unsafe { bindings::smp_mb__after_atomic() };
    }

    #[inline(always)]
    fn put(&mut self, run: Run, _from: usize, nr: usize) -> usize {
        // SAFETY: The walk puts only what it has grabbed and not kept.
        unsafe { folio::put::<PIN>(run, nr) };
        nr
    }

    #[inline(always)]
    fn verdict(&self, run: Run, nr: usize, mapping: Mapping) -> Verdict {
        // SAFETY: The walk asks about pages that it has grabbed, inside of a section.
        unsafe { folio::verdict::<PIN>(run, nr, self.flags, mapping) }
    }

    #[inline(always)]
    fn keep(&mut self, run: Run, nr: usize) {
        let (first, folio) = (run.first(), run.folio());
        folio.set_referenced();
        if PIN && run.is_held() {
            self.acquired.add(folio, nr);
        }

        // INVARIANT: The pages are ours now; their pointers are written here or with `long`.
        if nr <= BATCH || !self.has_room() {
            self.write(self.filled, first, nr);
        } else {
            self.long.push(LongRun {
                at: self.filled,
                first,
                nr,
            });
        }
        self.filled = self.filled.wrapping_add(nr);
    }

    #[inline(always)]
    fn keep_single(&mut self, run: Run, nr: usize, writable: bool) -> bool {
        let Some((page, folio)) = run.single() else {
            return false;
        };
        // SAFETY: As above.
        if !unsafe { folio::simply_allowed::<PIN>(page, folio, self.flags, writable) } {
            return false;
        }

        folio.set_referenced();
        if PIN {
            self.acquired.add_single(folio, nr);
        }
        // SAFETY: By the type invariant there is room for all the pages of the request.
        unsafe {
            self.pages
                .add(self.filled.wrapping_add(nr))
                .write(page.as_ptr())
        };
        true
    }

    #[inline(always)]
    fn kept_singles(&mut self, nr: usize) {
        if PIN {
            self.acquired.added_singles(nr);
        }
        // INVARIANT: The pages are ours now, and their pointers are written.
        self.filled = self.filled.wrapping_add(nr);
    }

    #[inline(always)]
    fn has_room(&self) -> bool {
        self.long.len() < LONG_RUNS
    }

    /// There is room for the whole request.
    #[inline(always)]
    fn enter(&mut self, _entries: usize) -> bool {
        true
    }

    #[inline(always)]
    fn section_ended(&mut self) {
        for &LongRun { at, first, nr } in self.long.as_slice() {
            self.write(at, first, nr);
        }
        self.long.clear();
    }
}
