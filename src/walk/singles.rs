// SPDX-License-Identifier: GPL-2.0

//! Consecutive entries of a table of pages, each of which maps a folio of its own: grab, look
//! again, ask, keep.

use super::ptes::Entries;
use super::{keep, ControlFlow, Format, Level, Pages, Refusal, Table, Walker, BATCH};
use crate::array_vec::ArrayVec;

/// Up to [`BATCH`] entries with consecutive addresses, as they were when they were read, and what
/// was grabbed for them.
pub(super) type Batch<'a, F, P> = ArrayVec<'a, (<F as Format>::Raw, <P as Pages>::Run), BATCH>;

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
                        batch.push((raw, run));
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

        if entries.path().unchanged() {
            for &(raw, run) in batch.as_slice() {
                // The second look.
                if entries.load(kept) != raw {
                    refused = Some(Refusal::Changed);
                    break;
                }
                if !self.pages.keep_single(run, F::writable(raw)) {
                    let unchanged = || entries.path().unchanged() && entries.load(kept) == raw;

                    refused = keep(self.pages, run, 1, F::writable(raw), unchanged).1;
                    if refused.is_some() {
                        break;
                    }
                }
                kept = kept.wrapping_add(1);
            }
        } else {
            refused = Some(Refusal::Changed);
        }

        self.kept(kept);
        let Some(refusal) = refused else {
            return ControlFlow::Continue(kept);
        };
        for &(_, run) in batch.as_slice().iter().skip(kept) {
            self.waste(run, 0, 1);
        }
        ControlFlow::Break(refusal)
    }
}
