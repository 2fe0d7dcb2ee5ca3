// SPDX-License-Identifier: GPL-2.0

//! Consecutive entries of a table of pages, each of which maps a folio of its own: grab, look
//! again, ask, keep.

use super::ptes::Entries;
use super::{keep, ControlFlow, Format, Level, Mapping, Pages, Refusal, Table, Walker, BATCH};
use crate::array_vec::PairVec;

/// Up to [`BATCH`] entries with consecutive addresses, as they were when they were read, and what
/// was grabbed for them.
pub(super) type Batch<'a, F, P> = PairVec<'a, <F as Format>::Raw, <P as Pages>::Run, BATCH>;

/// Why there are no more entries in a batch.
pub(super) enum Stop<F: Format> {
    /// There were enough.
    Full,
    /// The next one is refused.
    Refused(Refusal),
    /// The next one, which was read just now, may map a part of a large folio: as many pages of it,
    /// at most.
    Folio(F::Raw, usize),
}

impl<F: Format, P: Pages> Walker<'_, F, P> {
    /// Reads up to `max` entries into the batch, and takes references for them.
    #[inline(always)]
    pub(super) fn grab_singles<T: Table>(
        &mut self,
        batch: &mut Batch<'_, F, P>,
        entries: &Entries<'_, F, T>,
        max: usize,
    ) -> Stop<F> {
        let (geometry, rights) = (self.range.geometry, self.range.rights);

        batch.clear();
        while batch.len() < max {
            let raw = entries.load(batch.len());

            let stop = if F::permitted(raw, rights) {
                match self.pages.grab_single(F::pfn(raw, Level::PTE, geometry)) {
                    Ok(run) => {
                        batch.push(raw, run);
                        continue;
                    }
                    Err(most) => Stop::Folio(raw, most),
                }
            } else {
                Stop::Refused(F::refusal(raw, rights))
            };
            self.budget -= batch.len() + 1;
            return stop;
        }
        self.budget -= max;
        Stop::Full
    }

    /// Keeps of the batch what is unchanged and may be kept, and gives the rest back. Returns the
    /// number of entries kept, if these are all of them.
    #[inline(always)]
    pub(super) fn keep_singles<T: Table>(
        &mut self,
        batch: &Batch<'_, F, P>,
        entries: &Entries<'_, F, T>,
    ) -> ControlFlow<Refusal, usize> {
        let mut refused = None;
        let mut kept = 0;

        self.pages.barrier_after_grab();

        if !entries.path().unchanged() {
            refused = Some(Refusal::Changed);
        }
        while refused.is_none() {
            kept = self.keep_simple(batch, kept, entries);
            let Some((raw, run)) = batch.get(kept) else {
                break;
            };
            let still = || entries.path().unchanged() && entries.load(kept) == raw;

            refused = if entries.load(kept) == raw {
                keep(self.pages, run, 1, Mapping::pages(F::writable(raw)), still).1
            } else {
                Some(Refusal::Changed)
            };
            if refused.is_none() {
                kept += 1;
            }
        }

        self.kept(kept);
        let Some(refusal) = refused else {
            return ControlFlow::Continue(kept);
        };
        while let Some((_, run)) = batch.get(kept) {
            self.waste(run, 0, 1);
            kept += 1;
        }
        ControlFlow::Break(refusal)
    }

    /// Keeps entries from number `from` on which are unchanged and simply allowed. Returns the number
    /// of the first that is not.
    #[inline(always)]
    fn keep_simple<T: Table>(
        &mut self,
        batch: &Batch<'_, F, P>,
        from: usize,
        entries: &Entries<'_, F, T>,
    ) -> usize {
        let entries = entries.behind(from);
        let mut nr = 0;

        while let Some((raw, run)) = batch.get(from.wrapping_add(nr)) {
            // The second look.
            if entries.load(nr) != raw || !self.pages.keep_single(run, nr, F::writable(raw)) {
                break;
            }
            nr = nr.wrapping_add(1);
        }
        self.pages.kept_singles(nr);
        from.wrapping_add(nr)
    }
}
