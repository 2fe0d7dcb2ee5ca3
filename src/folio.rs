// SPDX-License-Identifier: GPL-2.0

//! Pages and folios of user memory: what they are asked, and how they are held.

use crate::ffi::{self, folio, page};
use crate::format::Pfn;
use core::ptr::NonNull;
use kernel::bindings;

mod allowed;
mod grab;
mod pins;
mod unpin;

pub(crate) use allowed::{simply_allowed, verdict};
pub(crate) use grab::{grab, grab_once, grab_single, hold_again, put, release, release_run, Run};
pub(crate) use pins::{Acquired, Released};
pub(crate) use unpin::unpin;

/// A page of user memory.
///
/// There is no reference behind it: it names a `struct page`, which exists as long as the memory
/// is not unplugged, and that waits for whoever has found the page in a page table.
///
/// # Invariants
///
/// Points to a `struct page`.
#[derive(Clone, Copy)]
pub(crate) struct Page(NonNull<page>);

/// A folio.
///
/// # Invariants
///
/// Points to a `struct page` that was the head of a folio, or a single page, when it was looked
/// up. It is one for as long as somebody holds a reference to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Folio(NonNull<folio>);

impl Page {
    /// The page with number `pfn`.
    ///
    /// # Safety
    ///
    /// The number must come from an entry that maps memory and is not special.
    #[inline(always)]
    pub(crate) unsafe fn new(pfn: Pfn) -> Self {
        // SAFETY: By the precondition there is a `struct page`, whose address this computes.
        Self(unsafe { NonNull::new_unchecked(bindings::pfn_to_page(pfn)) })
    }

    /// The page at an address.
    ///
    /// # Safety
    ///
    /// There must be a `struct page`, of memory that an entry maps, or somebody holds.
    #[inline(always)]
    pub(crate) unsafe fn from_ptr(page: *mut page) -> Self {
        // SAFETY: By the precondition.
        Self(unsafe { NonNull::new_unchecked(page) })
    }

    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut page {
        self.0.as_ptr()
    }

    /// Its number.
    #[inline(always)]
    pub(crate) fn pfn(self) -> Pfn {
        // SAFETY: By the type invariant this is a page.
        unsafe { bindings::page_to_pfn(self.as_ptr()) }
    }

    /// Whether the page, to which a reference is held and which is anonymous, belongs to one
    /// process alone.
    #[inline(always)]
    fn is_anon_exclusive(self) -> bool {
        // SAFETY: By the type invariant this is a page.
        unsafe { bindings::PageAnonExclusive(self.as_ptr()) }
    }

    /// The folio that the page belongs to at this moment.
    #[inline(always)]
    pub(crate) fn folio(self) -> Folio {
        // SAFETY: By the type invariant this is a page. The folio may be split or freed at any
        // time if no reference is held, for which the callers are prepared: the answer is the
        // address of a `struct page` in any case.
        // INVARIANT: It is the head of the folio as of now.
        Folio(unsafe { NonNull::new_unchecked(bindings::page_folio(self.as_ptr())) })
    }

    /// The folio that is this page and nothing else, unless the page is part of a larger one.
    ///
    /// Without a reference, the answer is a guess.
    #[inline(always)]
    fn single_folio(self) -> Option<Folio> {
        // SAFETY: By the type invariant this is a page, and whether it is marked as a head or a
        // tail may be looked at.
        let compound = unsafe { bindings::PageCompound(self.as_ptr()) };

        // INVARIANT: A page that is neither is a folio.
        (!compound).then_some(Folio(self.0.cast()))
    }

    /// Whether it is the page full of zeros, which is never freed and never pinned.
    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: By the type invariant this is a page.
        unsafe { bindings::is_zero_page(self.as_ptr()) }
    }
}

impl Folio {
    /// Its first page.
    #[inline(always)]
    fn head(self) -> Page {
        // INVARIANT: A folio is the `struct page` of its head.
        Page(self.0.cast())
    }

    #[inline(always)]
    fn as_ptr(self) -> *mut folio {
        self.0.as_ptr()
    }

    /// Number of pages from `page` to the end of the folio, to which a reference must be held.
    #[inline(always)]
    pub(crate) fn pages_from(self, page: Page) -> usize {
        // SAFETY: The type invariant, and the reference.
        unsafe {
            if !bindings::folio_test_large(self.as_ptr()) {
                return 1;
            }
            bindings::folio_nr_pages(self.as_ptr())
                - bindings::folio_page_idx(self.as_ptr(), page.as_ptr())
        }
    }

    /// The same without a reference: not less than one, and otherwise right only if nobody splits
    /// the folio or uses its memory for something else meanwhile.
    #[inline(always)]
    fn guess_pages_from(self, page: Page) -> usize {
        // SAFETY: The type invariant. This reads numbers from a `struct page`, whatever they mean.
        let (pages, index) = unsafe {
            (
                bindings::folio_nr_pages(self.as_ptr()),
                bindings::folio_page_idx(self.as_ptr(), page.as_ptr()),
            )
        };
        pages.saturating_sub(index).max(1)
    }

    /// Whether it is memory of a device that its peers may access.
    #[inline(always)]
    fn is_p2pdma(self) -> bool {
        // SAFETY: We hold references to the folio.
        unsafe { bindings::folio_is_pci_p2pdma(self.as_ptr()) }
    }

    #[inline(always)]
    fn is_large(self) -> bool {
        // SAFETY: The type invariant. Reading the flags of a page that is not ours is a guess.
        unsafe { bindings::folio_test_large(self.as_ptr()) }
    }

    #[inline(always)]
    fn has_pincount(self) -> bool {
        // SAFETY: The type invariant. Without a reference, the answer is a guess.
        unsafe { bindings::folio_has_pincount(self.as_ptr()) }
    }

    /// Adds `refs` references, unless the folio is free or frozen, or the count would run over.
    ///
    /// `folio_ref_try_add()` does not look for the latter, and reads the count once more.
    #[inline(always)]
    fn try_add(self, refs: i32) -> bool {
        let count = ffi::refcount(self.as_ptr());
        // SAFETY: The type invariant; the count of a `struct page` may be looked at any time.
        let mut now = unsafe { bindings::folio_ref_count(self.as_ptr()) };

        loop {
            // A count that has gone negative, or would, is somebody's attack: see commit
            // 8fde12ca79af ("mm: prevent get_user_pages() from overflowing page refcount"). Less
            // one and without a sign, what is not positive is too large as well.
            if now.wrapping_sub(1) as u32 >= (i32::MAX - refs) as u32 {
                return false;
            }
            // SAFETY: As above: a count that is not zero may be raised, whose ever it is.
            if unsafe { bindings::atomic_try_cmpxchg(count, &mut now, now.wrapping_add(refs)) } {
                return true;
            }
        }
    }

    /// Drops `refs` references.
    ///
    /// # Safety
    ///
    /// The caller must own them.
    #[inline(always)]
    unsafe fn put_refs(self, refs: i32) {
        // SAFETY: By the precondition.
        unsafe { bindings::folio_put_refs(self.as_ptr(), refs) }
    }

    #[inline(always)]
    fn add_pincount(self, pins: i32) {
        // SAFETY: The folio is large, and we hold references to it, so that it stays so.
        unsafe { bindings::atomic_add(pins, bindings::folio_pincount(self.as_ptr())) }
    }

    #[inline(never)]
    fn longterm_pinnable(self) -> bool {
        // SAFETY: We hold references to the folio.
        unsafe { bindings::folio_is_longterm_pinnable(self.as_ptr()) }
    }

    /// Tells reclaim that the folio is in use.
    #[inline(always)]
    pub(crate) fn set_referenced(self) {
        // SAFETY: We hold references to the folio.
        unsafe {
            // In a hurry, others have set it before: do not fight for the cache line.
            if !bindings::folio_test_referenced(self.as_ptr()) {
                bindings::folio_set_referenced(self.as_ptr());
            }
        }
    }

    /// Node of the memory.
    #[inline(always)]
    pub(crate) fn nid(self) -> i32 {
        // SAFETY: We hold references to the folio.
        unsafe { bindings::folio_nid(self.as_ptr()) }
    }

    /// Counts `nr` pins on the node of the folio.
    #[inline(always)]
    fn count(self, item: bindings::node_stat_item, nr: usize) {
        // SAFETY: The node of a `struct page` does not change, whoever holds it.
        unsafe { bindings::node_stat_mod_folio(self.as_ptr(), item, nr as isize) }
    }
}
