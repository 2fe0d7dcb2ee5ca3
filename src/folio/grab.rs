// SPDX-License-Identifier: GPL-2.0

//! Taking and dropping references and pins on runs of pages.
//!
//! The rules are those of `try_grab_folio_fast()` and `gup_put_folio()` in mm/gup.c. Two things
//! differ: a run of pages of one folio takes its references at once, or a single one for all of them
//! if that is how they will be released; and a pin of a folio without a pin count of its own takes
//! its `GUP_PIN_COUNTING_BIAS` references in one step.
//!
//! Pins are counted in the statistics of the node when they are handed out, and not here: what is
//! given back again was never acquired.

use super::{Acquired, Folio, Page, Released};
use crate::ffi;
use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::request::Flags;
use core::ptr::NonNull;
use kernel::bindings;

const PIN_BIAS: i32 = bindings::GUP_PIN_COUNTING_BIAS as i32;

/// Consecutive pages of one folio, each with a reference or a pin of ours, or all with the same one.
/// The page of zeros needs no pin and has none.
///
/// It is the address of the first page and what is special about it, in one word: the walk writes
/// it down and reads it again for each page of scattered memory.
///
/// # Invariants
///
/// The address, without [`TAGS`](Run::TAGS), is that of a [`Page`]. Without any of them, the page
/// is a folio of its own, or the head of one, for as long as the reference is held.
#[derive(Clone, Copy)]
pub(crate) struct Run(NonNull<u8>);

impl Run {
    /// The folio was large when it was grabbed.
    const LARGE: usize = 1 << 0;
    /// It is the page of zeros, which was to be pinned and is not held.
    const ZERO: usize = 1 << 1;
    /// Set in the address, which is aligned to more than that.
    const TAGS: usize = Self::LARGE | Self::ZERO;

    #[inline(always)]
    fn new(first: Page, tag: usize) -> Self {
        Self(first.0.cast().map_addr(|addr| addr | tag))
    }

    #[inline(always)]
    fn is(self, tag: usize) -> bool {
        self.0.addr().get() & tag != 0
    }

    /// Pages of a folio that is held already, by a reference which this value does not stand for.
    #[inline(always)]
    pub(crate) fn borrowed(first: Page) -> Self {
        // INVARIANT: Nothing is claimed about a page that is tagged.
        Self::new(first, Self::LARGE)
    }

    #[inline(always)]
    pub(crate) fn first(self) -> Page {
        let page = self.0.as_ptr().map_addr(|addr| addr & !Self::TAGS);

        // SAFETY: This is the address that the value was made of, which is not null.
        // INVARIANT: By the type invariant, it is that of a page.
        Page(unsafe { NonNull::new_unchecked(page.cast()) })
    }

    /// The page as a folio, unless the run may be more than that, or is not held.
    #[inline(always)]
    pub(crate) fn single(self) -> Option<(Page, Folio)> {
        // INVARIANT: By the type invariant.
        (!self.is(Self::TAGS)).then_some((Page(self.0.cast()), Folio(self.0.cast())))
    }

    /// The folio of the pages, as long as one of the references is held.
    #[inline(always)]
    pub(crate) fn folio(self) -> Folio {
        self.first().folio()
    }

    /// Whether there are references to be released.
    #[inline(always)]
    pub(crate) fn is_held(self) -> bool {
        !self.is(Self::ZERO)
    }
}

/// Takes a reference, or a pin, to a page that is a folio of its own. If it is not, or if there is
/// anything else, leaves it to [`grab`] and tells how many pages of its folio there may be from
/// this one on.
///
/// Context: interrupts off, between the two looks at the entries.
///
/// # Safety
///
/// As for [`Page::new`].
#[inline(always)]
pub(crate) unsafe fn grab_single<const PIN: bool, const LONGTERM: bool>(
    pfn: Pfn,
) -> Result<Run, usize> {
    // SAFETY: By the precondition.
    let page = unsafe { Page::new(pfn) };
    let Some(folio) = page.single_folio() else {
        return Err(page.folio().guess_pages_from(page));
    };
    if PIN && ffi::is_zero_pfn(pfn) {
        return Ok(Run::new(page, Run::ZERO));
    }

    // Guess that it is still a folio of its own once we have a reference: then one addition is the
    // pin. It cannot be a tail by then, for these have a count of zero. Should it be a head, a
    // single reference is one to its folio.
    let refs = if PIN { PIN_BIAS } else { 1 };
    if !folio.try_add(refs) {
        return Err(1);
    }
    if (PIN && folio.is_large()) || (LONGTERM && !folio.longterm_pinnable()) {
        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(refs) };
        return Err(1);
    }
    // INVARIANT: The page is a folio of its own, or its head, and we hold a reference.
    Ok(Run::new(page, 0))
}

/// Takes a reference, or a pin, for each page of the longest part of the run of `nr` pages from
/// `first` that lies in one folio, and returns it with its length.
///
/// Context: interrupts off, between the two looks at the entries.
#[inline(always)]
pub(crate) fn grab<const PIN: bool>(
    first: Page,
    nr: usize,
    flags: Flags,
) -> Result<(Run, usize), Refusal> {
    if PIN && first.is_zero() {
        return Ok((Run::new(first, Run::ZERO), 1));
    }

    let (folio, nr) = get(first, nr)?;
    if PIN {
        make_pins(folio, nr, flags)?;
    }
    Ok((Run::new(first, Run::LARGE), nr))
}

/// Takes one reference, or one pin, to the folio of a page. Returns the pages from there on as a run,
/// with their number up to the end of the folio.
///
/// Context: interrupts off, between the two looks at the entries; or any, if the folio is held.
#[inline(always)]
pub(crate) fn grab_once<const PIN: bool>(
    first: Page,
    flags: Flags,
) -> Result<(Run, usize), Refusal> {
    if PIN && first.is_zero() {
        return Ok((Run::new(first, Run::ZERO), 1));
    }

    let (folio, _) = get(first, 1)?;
    if PIN {
        make_pins(folio, 1, flags)?;
    }
    Ok((Run::new(first, Run::LARGE), folio.pages_from(first)))
}

/// Takes one more reference, or pin, to the folio of a page, which the caller holds in the same way,
/// and counts it as acquired. Returns whether there was room in the counts.
pub(crate) fn hold_again<const PIN: bool>(page: Page) -> bool {
    let Ok((run, _)) = grab_once::<PIN>(page, Flags::from_raw(0)) else {
        return false;
    };
    if PIN && run.is_held() {
        let mut acquired = Acquired::new();
        acquired.add(run.folio(), 1);
        acquired.count();
    }
    true
}

/// `FOLL_GET`. See `try_get_folio()`.
#[inline(always)]
fn get(first: Page, nr: usize) -> Result<(Folio, usize), Refusal> {
    let mut folio = first.folio();
    loop {
        let refs = if folio.is_large() { nr } else { 1 };

        // CAST: A leaf has 2^18 pages at most.
        if !folio.try_add(refs as i32) {
            return Err(Refusal::Reference);
        }
        // The folio may have been split, or freed and used again, before we had the reference. Now
        // it is what it is.
        let now = first.folio();
        if now == folio {
            let in_folio = folio.pages_from(first).min(refs);

            if in_folio < refs {
                // SAFETY: These are among the references taken above.
                unsafe { folio.put_refs((refs - in_folio) as i32) };
            }
            return Ok((folio, in_folio));
        }
        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(refs as i32) };
        folio = now;
    }
}

/// Makes pins of `nr` references, or gives them back.
#[inline(always)]
fn make_pins(folio: Folio, nr: usize, flags: Flags) -> Result<(), Refusal> {
    // CAST: As above.
    let refs = nr as i32;

    // A pin for long must not keep memory from moving that has to be movable.
    if flags.contains(Flags::LONGTERM) && !folio.longterm_pinnable() {
        // SAFETY: The references were taken by the caller.
        unsafe { folio.put_refs(refs) };
        return Err(Refusal::Longterm);
    }
    if folio.has_pincount() {
        folio.add_pincount(refs);
    } else if !folio.try_add(refs * (PIN_BIAS - 1)) {
        // A folio without a pin count has two pages at most, so that the product did not overflow.
        // SAFETY: The references were taken by the caller.
        unsafe { folio.put_refs(refs) };
        return Err(Refusal::Reference);
    }
    Ok(())
}

/// Drops the references to `nr` pages of a run that [`grab`] has returned.
///
/// # Safety
///
/// The caller must own what it drops.
#[cold]
#[inline(never)]
pub(crate) unsafe fn put<const PIN: bool>(run: Run, nr: usize) {
    if run.is_held() {
        // SAFETY: By the precondition.
        unsafe { drop_refs::<PIN>(run.folio(), nr) };
    }
}

/// Drops what was got or pinned for a page, and counted as acquired. See `gup_put_folio()`.
///
/// # Safety
///
/// The caller must own what it drops.
pub(crate) unsafe fn release<const PIN: bool>(page: Page) {
    let mut released = Released::new();

    // SAFETY: By the precondition.
    unsafe { release_run::<PIN>(page, 1, &mut released) };
    released.count();
}

/// Drops what was got or pinned for `nr` pages of a folio from `first` on, and adds the pins to those
/// that are to be counted.
///
/// # Safety
///
/// The caller must own what it drops.
#[inline(always)]
pub(crate) unsafe fn release_run<const PIN: bool>(first: Page, nr: usize, released: &mut Released) {
    if PIN && first.is_zero() {
        return;
    }

    let folio = first.folio();
    if PIN {
        released.add(folio, nr);
    }
    // SAFETY: By the precondition.
    unsafe { drop_refs::<PIN>(folio, nr) };
}

/// The same for the pin of a folio of one page.
///
/// # Safety
///
/// The caller must own it.
#[inline(always)]
pub(crate) unsafe fn release_single(folio: Folio, released: &mut Released) {
    if folio.head().is_zero() {
        return;
    }
    released.add(folio, 1);
    // SAFETY: By the precondition. A folio of one page has no pin count.
    unsafe { folio.put_refs(PIN_BIAS) };
}

/// # Safety
///
/// The caller must own references, or pins, to `nr` pages of the folio.
#[inline(always)]
unsafe fn drop_refs<const PIN: bool>(folio: Folio, nr: usize) {
    // CAST: As above.
    let mut refs = nr as i32;

    if PIN {
        if folio.has_pincount() {
            folio.add_pincount(-refs);
        } else {
            refs *= PIN_BIAS;
        }
    }
    // SAFETY: By the precondition.
    unsafe { folio.put_refs(refs) };
}
