// SPDX-License-Identifier: GPL-2.0

//! Taking and dropping references and pins on runs of pages.
//!
//! The rules are those of `try_grab_folio_fast()` and `gup_put_folio()` in mm/gup.c. Two things
//! differ: a run of pages of one folio takes its references at once, and a pin of a folio without
//! a pin count of its own takes its `GUP_PIN_COUNTING_BIAS` references in one step.
//!
//! Pins are counted in the statistics of the node when they are handed out, and not here: what is
//! given back again was never acquired.

use super::{Folio, Page};
use crate::refusal::Refusal;
use crate::request::Flags;
use kernel::bindings;

const PIN_BIAS: i32 = bindings::GUP_PIN_COUNTING_BIAS as i32;

/// Pages of one folio, each with a reference or a pin of ours; the page of zeros has no pin.
///
/// # Invariants
///
/// `first` is a page of `folio`, which stays so for as long as one of the references is held.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    first: Page,
    folio: Folio,
    held: bool,
}

impl Run {
    #[inline(always)]
    pub(crate) fn first(self) -> Page {
        self.first
    }

    #[inline(always)]
    pub(crate) fn folio(self) -> Folio {
        self.folio
    }

    /// Whether there is something to be released.
    #[inline(always)]
    pub(crate) fn is_held(self) -> bool {
        self.held
    }
}

/// Takes a reference, or a pin, for each page of the longest part of the run of `nr` pages from
/// `first` that lies in one folio, and returns it with its length.
///
/// Context: interrupts off, between the two looks at the entries.
#[inline(always)]
pub(crate) fn grab(first: Page, nr: usize, flags: Flags) -> Result<(Run, usize), Refusal> {
    let folio = first.folio();
    if !flags.contains(Flags::PCI_P2PDMA) && folio.is_p2pdma() {
        return Err(Refusal::P2pdma);
    }

    let pin_it = flags.contains(Flags::PIN);
    let held = !(pin_it && first.is_zero());
    let (folio, nr) = if !held {
        (folio, 1)
    } else if pin_it {
        pin(first, folio, nr, flags)?
    } else {
        get(first, folio, nr)?
    };
    // INVARIANT: The references are ours; the page of zeros is never freed.
    Ok((Run { first, folio, held }, nr))
}

/// `FOLL_GET`. See `try_get_folio()`.
#[inline(always)]
fn get(first: Page, mut folio: Folio, nr: usize) -> Result<(Folio, usize), Refusal> {
    loop {
        let refs = if nr > 1 && folio.is_large() { nr } else { 1 };

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

/// `FOLL_PIN`.
#[inline(always)]
fn pin(first: Page, folio: Folio, nr: usize, flags: Flags) -> Result<(Folio, usize), Refusal> {
    if !folio.has_pincount() {
        // Guess that it is still a folio without a pin count once we have a reference: then one
        // addition is the pin.
        if !folio.try_add(PIN_BIAS) {
            return Err(Refusal::Reference);
        }
        if first.folio() == folio && !folio.has_pincount() {
            check_longterm(folio, PIN_BIAS, flags)?;
            return Ok((folio, 1));
        }
        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(PIN_BIAS) };
    }
    pin_in_steps(first, nr, flags)
}

/// A pin that takes references first, and makes them pins once it is known how.
#[inline(always)]
fn pin_in_steps(first: Page, nr: usize, flags: Flags) -> Result<(Folio, usize), Refusal> {
    let (folio, nr) = get(first, first.folio(), nr)?;
    // CAST: As above.
    let refs = nr as i32;

    check_longterm(folio, refs, flags)?;
    if folio.has_pincount() {
        folio.add_pincount(refs);
    } else if !folio.try_add(refs * (PIN_BIAS - 1)) {
        // It was large when we guessed, and is not any more. The folio has two pages at most, so
        // that the product did not overflow.
        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(refs) };
        return Err(Refusal::Reference);
    }
    Ok((folio, nr))
}

/// A pin for long must not keep memory from moving that has to be movable: if it would, `refs`
/// references are given back.
#[inline(always)]
fn check_longterm(folio: Folio, refs: i32, flags: Flags) -> Result<(), Refusal> {
    if flags.contains(Flags::LONGTERM) && !folio.longterm_pinnable() {
        // SAFETY: The callers have taken these references just now.
        unsafe { folio.put_refs(refs) };
        return Err(Refusal::Longterm);
    }
    Ok(())
}

/// Drops the references to `nr` pages of a run that [`grab`] has returned.
///
/// # Safety
///
/// The caller must own what it drops.
#[inline]
pub(crate) unsafe fn put(run: Run, nr: usize, flags: Flags) {
    if run.held {
        // SAFETY: By the precondition.
        unsafe { drop_refs(run.folio, nr, flags) };
    }
}

/// Drops what was got or pinned for a page, and counted as acquired. See `gup_put_folio()`.
///
/// # Safety
///
/// The caller must own what it drops.
pub(crate) unsafe fn release(page: Page, flags: Flags) {
    let pinned = flags.contains(Flags::PIN);
    if pinned && page.is_zero() {
        return;
    }

    let folio = page.folio();
    if pinned {
        folio.count_released(1);
    }
    // SAFETY: By the precondition.
    unsafe { drop_refs(folio, 1, flags) };
}

/// # Safety
///
/// The caller must own references, or pins, to `nr` pages of the folio.
#[inline(always)]
unsafe fn drop_refs(folio: Folio, nr: usize, flags: Flags) {
    // CAST: As above.
    let mut refs = nr as i32;

    if flags.contains(Flags::PIN) {
        if folio.has_pincount() {
            folio.add_pincount(-refs);
        } else {
            refs *= PIN_BIAS;
        }
    }
    // SAFETY: By the precondition.
    unsafe { folio.put_refs(refs) };
}
