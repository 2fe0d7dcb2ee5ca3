// SPDX-License-Identifier: GPL-2.0

//! Consecutive entries of a table of pages that map the pages of one folio: grab them all, look
//! once.
//!
//! Only the entry that leads to the folio has to be read before a reference is taken. From then on
//! the folio is what it is, so that an entry which is read behind the barrier, and maps a page of
//! it, does so while the page is held: there is nothing that a first look could add. The parents
//! are looked at in front of the entries, as always, and once more behind them, for there is no
//! first look either which would tell that the entries were part of the tree.

use super::ptes::Entries;
use super::{keep, ControlFlow, Format, Level, Mapping, Pages, Refusal, Table, Walker};

impl<F: Format, P: Pages> Walker<'_, F, P> {
    /// Gets the page of the first of `entries`, which was read as `raw`, and those of the entries
    /// behind it that map the same folio in a row: `max` pages at most. Returns their number.
    ///
    /// `in_a_row` tells whether to guess that the last of so many entries maps the last page only
    /// if those between do what is to be expected. It is cleared when that was wrong.
    #[inline(always)]
    pub(super) fn folio<T: Table>(
        &mut self,
        entries: &Entries<'_, F, T>,
        raw: F::Raw,
        max: usize,
        in_a_row: &mut bool,
    ) -> ControlFlow<Refusal, usize> {
        let geometry = self.range.geometry;
        let follows = |&nr: &usize| {
            let difference = F::difference(raw, entries.load(nr), nr, geometry);
            !F::matters(difference, geometry)
        };
        let (nr, looked_at) = if *in_a_row && follows(&(max - 1)) {
            (max, max)
        } else {
            let nr = (1..max).take_while(follows).count() + 1;
            // With the one that does not follow, and the last.
            (nr, max.min(nr + 2))
        };

        // The first of them has been counted.
        self.budget -= looked_at - 1;
        let first = F::pfn(raw, Level::PTE, geometry);
        let (run, grabbed) = match self.pages.grab(first, nr) {
            Ok(grabbed) => grabbed,
            Err(refusal) => return ControlFlow::Break(refusal),
        };

        self.pages.barrier_after_grab();

        let same = unchanged(entries, raw, grabbed, geometry);
        if same == 0 {
            self.waste(run, 0, grabbed);
            return ControlFlow::Break(Refusal::Changed);
        }
        *in_a_row = same == nr;

        let still = || unchanged(entries, raw, same, geometry) == same;
        let (kept, refused) = keep(
            self.pages,
            run,
            same,
            Mapping::pages(F::writable(raw)),
            still,
        );
        self.kept(kept);
        if kept < grabbed {
            self.waste(run, kept, grabbed - kept);
        }
        match refused {
            Some(refusal) => ControlFlow::Break(refusal),
            None => ControlFlow::Continue(kept),
        }
    }
}

/// How many of the first `nr` entries map consecutive pages from the one that `raw` maps, with the
/// same permissions, and are part of the tree; none, if the first of them is not `raw`.
#[inline(always)]
fn unchanged<F: Format, T: Table>(
    entries: &Entries<'_, F, T>,
    raw: F::Raw,
    nr: usize,
    geometry: &super::Geometry,
) -> usize {
    let path = entries.path();
    if !path.unchanged() || entries.load(0) != raw {
        return 0;
    }

    let difference = |nr| F::difference(raw, entries.load(nr), nr, geometry);
    // As a rule all of them do, which takes no branch for each.
    let all = (1..nr).fold(0, |all, nr| all | difference(nr));
    let same = if F::matters(all, geometry) {
        let follows = |&nr: &usize| !F::matters(difference(nr), geometry);
        (1..nr).take_while(follows).count() + 1
    } else {
        nr
    };

    path.read_barrier();
    if path.unchanged() {
        same
    } else {
        0
    }
}
