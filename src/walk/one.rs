// SPDX-License-Identifier: GPL-2.0

//! A range of one page: the same protocol, without what is made ready for many.
//!
//! Most calls are for one page, or a few: futexes, page faults of guests, small direct I/O.

use super::{Format, Level, Pages, Path, Range, Refusal, Table, Tables, Tally};

/// Walks `range`, which has one page. See [`walk()`](super::walk).
#[inline(always)]
pub(crate) fn one<F: Format, T: Tables, P: Pages>(
    tables: &T,
    pages: &mut P,
    range: &Range<'_, F>,
) -> Tally {
    let mut tally = Tally::new();
    let result = tables.section(|section| {
        let path = Path::<F, _>::descend(section, range.geometry, range.start)?;

        match path.leaf() {
            None => pte(&path, pages, range, &mut tally),
            Some(raw) => huge(&path, raw, pages, range, &mut tally),
        }
    });

    pages.section_ended();
    tally.sections = 1;
    tally.longest_section = 1;
    match result {
        Ok(()) => tally.pages = 1,
        Err(refusal) => tally.refusal = refusal.number(),
    }
    tally
}

/// Gets the page of an entry of a table of pages.
#[inline(always)]
fn pte<F: Format, T: Table, P: Pages>(
    path: &Path<F, T>,
    pages: &mut P,
    range: &Range<'_, F>,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    let index = F::index(Level::PTE, range.start, range.geometry);
    // SAFETY: `path` leads to a table of pages, and `index()` answers with the number of an entry
    // of such a table.
    let slot = unsafe { path.table().slot(index) };
    let raw = F::load(slot);
    if !F::permitted(raw, range.rights) {
        return Err(F::refusal(raw, range.rights));
    }

    let page = F::pfn(raw, Level::PTE, range.geometry);
    let run = match pages.grab_single(page) {
        Ok(run) => run,
        Err(_) => grab_large(pages, page)?,
    };

    pages.barrier_after_grab();

    let unchanged = || path.unchanged() && F::load(slot) == raw;
    if !unchanged() {
        return waste(pages, run, Refusal::Changed, tally);
    }
    if pages.keep_single(run, F::writable(raw)) {
        return Ok(());
    }
    ask(pages, run, F::writable(raw), unchanged, tally)
}

/// Gets a page of a leaf above the level of the pages.
#[inline(always)]
fn huge<F: Format, T: Table, P: Pages>(
    path: &Path<F, T>,
    raw: F::Raw,
    pages: &mut P,
    range: &Range<'_, F>,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    if !F::permitted(raw, range.rights) {
        return Err(F::refusal(raw, range.rights));
    }

    let (level, geometry) = (path.level(), range.geometry);
    let offset = range.start & (geometry.size(level) - 1);
    let page = F::pfn(raw, level, geometry) + offset.wrapping_shr(F::page_shift(geometry));
    let run = grab_large(pages, page)?;

    pages.barrier_after_grab();

    if !path.unchanged() {
        return waste(pages, run, Refusal::Changed, tally);
    }
    ask(pages, run, F::writable(raw), || path.unchanged(), tally)
}

#[inline(always)]
fn grab_large<P: Pages>(pages: &mut P, page: super::Pfn) -> Result<P::Run, Refusal> {
    pages.grab(page, 1).map(|(run, _)| run)
}

/// Asks about the folio, and keeps the page or gives it back.
#[inline(always)]
fn ask<P: Pages>(
    pages: &mut P,
    run: P::Run,
    writable: bool,
    unchanged: impl Fn() -> bool,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    let verdict = pages.verdict(run, 1, writable);

    if let Some(refusal) = verdict.refusal {
        return waste(pages, run, refusal, tally);
    }
    if verdict.look_again && !unchanged() {
        return waste(pages, run, Refusal::Changed, tally);
    }
    pages.keep(run, 1);
    Ok(())
}

#[inline(always)]
fn waste<P: Pages>(
    pages: &mut P,
    run: P::Run,
    refusal: Refusal,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    tally.wasted = pages.put(run, 0, 1);
    Err(refusal)
}
