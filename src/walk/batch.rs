// SPDX-License-Identifier: GPL-2.0

//! Consecutive entries of a table of pages, and the runs that they form.

use super::{Format, Pages, BATCH};
use crate::array_vec::ArrayVec;

/// Pages of one folio that were grabbed.
pub(super) struct Grabbed<P: Pages> {
    pub(super) run: P::Run,
    pub(super) nr: usize,
}

impl<P: Pages> Clone for Grabbed<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Pages> Copy for Grabbed<P> {}

/// Up to [`BATCH`] entries with consecutive addresses, as they were when they were read.
///
/// A *run* is a part of them that maps consecutive pages: as the entries have it at first, and of
/// one folio as soon as it is grabbed. Runs are all that the walk handles; on scattered memory each
/// of them has one entry.
pub(super) struct Batch<F: Format, P: Pages> {
    raws: ArrayVec<F::Raw, BATCH>,
    /// Bit `i` is set where entry `i` does not continue what is in front of it.
    starts: u32,
    grabbed: ArrayVec<Grabbed<P>, BATCH>,
}

const _: () = assert!(BATCH <= u32::BITS as usize);

impl<F: Format, P: Pages> Batch<F, P> {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self {
            raws: ArrayVec::new(),
            starts: 0,
            grabbed: ArrayVec::new(),
        }
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.raws.clear();
        self.starts = 0;
        self.grabbed.clear();
    }

    /// Appends an entry that continues the run of the one before, or starts a new one.
    #[inline(always)]
    pub(super) fn push(&mut self, raw: F::Raw, starts_run: bool) {
        self.starts |= u32::from(starts_run) << self.raws.len();
        self.raws.push(raw);
    }

    /// The entries.
    #[inline(always)]
    pub(super) fn raws(&self) -> &[F::Raw] {
        self.raws.as_slice()
    }

    /// Number of entries from `index` on that map consecutive pages.
    #[inline(always)]
    pub(super) fn run_len(&self, index: usize) -> usize {
        // No bit is left where `index` is the last of 32: shift in two steps.
        let behind = (self.starts >> index) >> 1;
        let to_end = self.raws.len() - index;
        ((behind.trailing_zeros() as usize) + 1).min(to_end)
    }

    /// Appends pages that were grabbed, which the entries behind the last ones map.
    #[inline(always)]
    pub(super) fn push_grabbed(&mut self, run: P::Run, nr: usize) {
        self.grabbed.push(Grabbed { run, nr });
    }

    /// What was grabbed, in the order of the entries.
    #[inline(always)]
    pub(super) fn grabbed(&self) -> &[Grabbed<P>] {
        self.grabbed.as_slice()
    }
}
