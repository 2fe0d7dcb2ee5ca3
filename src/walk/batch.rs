// SPDX-License-Identifier: GPL-2.0

//! Consecutive entries of a table of pages, and the runs that they form.

use super::{Format, BATCH};
use crate::array_vec::ArrayVec;

/// Up to [`BATCH`] entries with consecutive addresses, as they were when they were read.
///
/// A *run* is a part of them that maps consecutive pages: all of one folio, as soon as the
/// references are taken. Runs are all that the walk handles; on scattered memory each of them has
/// one entry.
pub(super) struct Batch<F: Format> {
    raws: ArrayVec<F::Raw, BATCH>,
    /// Bit `i` is set where entry `i` starts a run.
    starts: u64,
}

const _: () = assert!(BATCH <= u64::BITS as usize);

impl<F: Format> Batch<F> {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self {
            raws: ArrayVec::new(),
            starts: 0,
        }
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.raws.clear();
        self.starts = 0;
    }

    /// Number of entries.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.raws.len()
    }

    /// Appends an entry that continues the run of the one before, or starts a new one.
    #[inline(always)]
    pub(super) fn push(&mut self, raw: F::Raw, starts_run: bool) {
        self.starts |= u64::from(starts_run) << self.raws.len();
        self.raws.push(raw);
    }

    #[inline(always)]
    pub(super) fn raws(&self) -> &[F::Raw] {
        self.raws.as_slice()
    }

    #[inline(always)]
    pub(super) fn raw(&self, index: usize) -> F::Raw {
        self.raws.as_slice()[index]
    }

    /// Number of entries of the run that `index` starts.
    #[inline(always)]
    pub(super) fn run_len(&self, index: usize) -> usize {
        // No bit is left where `index` is the last of 64: shift in two steps.
        let behind = (self.starts >> index) >> 1;
        let to_end = self.raws.len() - index;
        ((behind.trailing_zeros() as usize) + 1).min(to_end)
    }

    /// Lets a new run start at `index`: a folio ends in front of it.
    #[inline(always)]
    pub(super) fn split_at(&mut self, index: usize) {
        if index < self.raws.len() {
            self.starts |= 1 << index;
        }
    }
}
