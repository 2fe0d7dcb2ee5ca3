// SPDX-License-Identifier: GPL-2.0

//! Taking and dropping references and pins on runs of pages.
//!
//! The rules are those of `try_grab_folio_fast()` and `gup_put_folio()` in mm/gup.c. Two things
//! differ: a run of pages of one folio takes its references at once, and a pin of a folio without
//! a pin count of its own takes its `GUP_PIN_COUNTING_BIAS` references in one step.

use crate::ffi::{folio, page};
use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::request::Flags;
use core::ptr::NonNull;
use kernel::bindings;

mod allowed;
pub(crate) use allowed::verdict;

const PIN_BIAS: i32 = bindings::GUP_PIN_COUNTING_BIAS as i32;

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
#[derive(Clone, Copy)]
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

    /// Whether it is the page full of zeros, which is never freed and never pinned.
    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: By the type invariant this is a page.
        unsafe { bindings::is_zero_page(self.as_ptr()) }
    }
}

impl Folio {
    #[inline(always)]
    fn as_ptr(self) -> *mut folio {
        self.0.as_ptr()
    }

    /// Number of pages from `page` to the end of the folio, to which a reference must be held.
    #[inline(always)]
    fn pages_from(self, page: Page) -> usize {
        // SAFETY: The type invariant, and the reference.
        unsafe {
            if !bindings::folio_test_large(self.as_ptr()) {
                return 1;
            }
            bindings::folio_nr_pages(self.as_ptr())
                - bindings::folio_page_idx(self.as_ptr(), page.as_ptr())
        }
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

    /// Adds `refs` references, unless the folio is free or frozen, or the count would come close
    /// to its end.
    #[inline(always)]
    fn try_add(self, refs: i32) -> bool {
        // SAFETY: The type invariant; the count of a `struct page` may be tried at any time.
        unsafe {
            let count = bindings::folio_ref_count(self.as_ptr());
            // A count that has gone negative, or would, is somebody's attack: see commit
            // 8fde12ca79af ("mm: prevent get_user_pages() from overflowing page refcount").
            if count <= 0 || count > i32::MAX - refs {
                return false;
            }
            bindings::folio_ref_try_add(self.as_ptr(), refs)
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

    #[inline(always)]
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

    /// Counts `nr` pages as pinned on the node of the folio.
    #[inline(always)]
    pub(crate) fn count_acquired(self, nr: usize) {
        // SAFETY: The node of a `struct page` does not change.
        unsafe {
            bindings::node_stat_mod_folio(
                self.as_ptr(),
                bindings::node_stat_item_NR_FOLL_PIN_ACQUIRED,
                nr as isize,
            )
        }
    }

    /// Counts `nr` pages as no longer pinned.
    fn count_released(self, nr: usize) {
        // SAFETY: As above.
        unsafe {
            bindings::node_stat_mod_folio(
                self.as_ptr(),
                bindings::node_stat_item_NR_FOLL_PIN_RELEASED,
                nr as isize,
            )
        }
    }
}

/// Takes a reference, or a pin, for each page of the longest part of the run of `nr` pages from
/// `first` that lies in one folio, and returns its length.
///
/// A pin is counted by [`counts_as_pin`] and [`Folio::count_acquired`], not here: what is given
/// back again was never acquired.
///
/// Context: interrupts off, between the two looks at the entries.
#[inline(always)]
pub(crate) fn grab(first: Page, nr: usize, flags: Flags) -> Result<usize, Refusal> {
    if !flags.contains(Flags::PCI_P2PDMA) && is_p2pdma(first) {
        return Err(Refusal::P2pdma);
    }
    if !flags.contains(Flags::PIN) {
        return try_get(first, nr).map(|(_, nr)| nr);
    }
    if first.is_zero() {
        return Ok(1);
    }
    pin(first, nr, flags)
}

/// `FOLL_GET`. See `try_get_folio()`.
#[inline(always)]
fn try_get(first: Page, nr: usize) -> Result<(Folio, usize), Refusal> {
    loop {
        let folio = first.folio();
        let refs = if nr > 1 && folio.is_large() { nr } else { 1 };

        // CAST: A leaf has 2^18 pages at most.
        if !folio.try_add(refs as i32) {
            return Err(Refusal::Reference);
        }
        // The folio may have been split, or freed and used again, before we had the reference. Now
        // it is what it is.
        if first.folio().0 == folio.0 {
            let in_folio = folio.pages_from(first).min(refs);

            if in_folio < refs {
                // SAFETY: These are among the references taken above.
                unsafe { folio.put_refs((refs - in_folio) as i32) };
            }
            return Ok((folio, in_folio));
        }
        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(refs as i32) };
    }
}

/// `FOLL_PIN`.
#[inline(always)]
fn pin(first: Page, nr: usize, flags: Flags) -> Result<usize, Refusal> {
    let folio = first.folio();

    let (folio, nr) = if folio.has_pincount() {
        try_get(first, nr)?
    } else {
        // Guess that it is still a folio without a pin count once we have a reference: then one
        // addition is the pin.
        if !folio.try_add(PIN_BIAS) {
            return Err(Refusal::Reference);
        }
        if first.folio().0 == folio.0 && !folio.has_pincount() {
            return check_longterm(folio, 1, PIN_BIAS, flags);
        }
        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(PIN_BIAS) };
        try_get(first, nr)?
    };

    if !folio.has_pincount() {
        // It was large when we guessed, and is not any more; or it is of order 1 on a 32-bit
        // machine. Its pages are few, so that the product cannot overflow.
        let bias = nr as i32 * (PIN_BIAS - 1);

        if !folio.try_add(bias) {
            // SAFETY: The references were taken above.
            unsafe { folio.put_refs(nr as i32) };
            return Err(Refusal::Reference);
        }
        return check_longterm(folio, nr, nr as i32 * PIN_BIAS, flags);
    }

    let nr = check_longterm(folio, nr, nr as i32, flags)?;
    folio.add_pincount(nr as i32);
    Ok(nr)
}

/// A pin for long must not keep memory from moving that has to be movable.
#[inline(always)]
fn check_longterm(folio: Folio, nr: usize, refs: i32, flags: Flags) -> Result<usize, Refusal> {
    if flags.contains(Flags::LONGTERM) && !folio.longterm_pinnable() {
        // SAFETY: The caller has taken these references just now.
        unsafe { folio.put_refs(refs) };
        return Err(Refusal::Longterm);
    }
    Ok(nr)
}

/// Drops what [`grab`] took for `nr` pages from `first`, all of one folio.
///
/// # Safety
///
/// The caller must own what it drops.
#[inline]
pub(crate) unsafe fn put(first: Page, nr: usize, flags: Flags) {
    let pin = flags.contains(Flags::PIN);
    if pin && first.is_zero() {
        return;
    }

    let folio = first.folio();
    let mut refs = nr as i32;
    if pin {
        if folio.has_pincount() {
            folio.add_pincount(-refs);
        } else {
            refs *= PIN_BIAS;
        }
    }
    // SAFETY: By the precondition.
    unsafe { folio.put_refs(refs) };
}

/// Drops what [`grab`] took, and was counted as acquired. See `gup_put_folio()`.
///
/// # Safety
///
/// The caller must own what it drops.
pub(crate) unsafe fn release(first: Page, nr: usize, flags: Flags) {
    if counts_as_pin(first, flags) {
        first.folio().count_released(nr);
    }
    // SAFETY: By the precondition.
    unsafe { put(first, nr, flags) };
}

/// Whether a page that was grabbed is pinned: the page of zeros never is.
#[inline(always)]
pub(crate) fn counts_as_pin(page: Page, flags: Flags) -> bool {
    flags.contains(Flags::PIN) && !page.is_zero()
}

#[inline(always)]
fn is_p2pdma(page: Page) -> bool {
    // SAFETY: By the invariant of `Page`. As in C, the answer is a guess until there is a
    // reference: the pages of a device do not become pages of the system while they are mapped.
    unsafe { bindings::is_pci_p2pdma_page(page.as_ptr()) }
}
