// SPDX-License-Identifier: GPL-2.0

//! Consecutive entries of a table of pages, and the runs that they form.

use super::{Format, Pages, BATCH};
use crate::array_vec::{ArrayVec, Room};

/// Up to [`BATCH`] entries with consecutive addresses, as they were when they were read, and the
/// runs of pages that were grabbed for them.
///
/// On scattered memory each run has one entry, and nothing is written down of its length.
pub(super) struct Batch<'a, F: Format, P: Pages> {
    raws: ArrayVec<'a, F::Raw, BATCH>,
    runs: ArrayVec<'a, P::Run, BATCH>,
    /// Bit `i` is set where entry `i` continues the run in front of it.
    continues: u32,
}

const _: () = assert!(BATCH <= u32::BITS as usize);

impl<'a, F: Format, P: Pages> Batch<'a, F, P> {
    #[inline(always)]
    pub(super) fn new(
        raws: &'a mut Room<F::Raw, BATCH>,
        runs: &'a mut Room<P::Run, BATCH>,
    ) -> Self {
        Self {
            raws: ArrayVec::new(raws),
            runs: ArrayVec::new(runs),
            continues: 0,
        }
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.raws.clear();
        self.runs.clear();
        self.continues = 0;
    }

    /// Number of entries.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.raws.len()
    }

    /// Appends an entry.
    #[inline(always)]
    pub(super) fn push(&mut self, raw: F::Raw) {
        self.raws.push(raw);
    }

    /// Drops the entries from number `len` on, for which nothing was grabbed.
    #[inline(always)]
    pub(super) fn truncate(&mut self, len: usize) {
        self.raws.truncate(len);
    }

    /// The run that is to be pushed next has the `nr` entries from number `at` on, and there are
    /// none behind it.
    #[inline(always)]
    pub(super) fn mark_run(&mut self, at: usize, nr: usize) {
        let behind_first = 1u32.wrapping_shl(nr as u32 - 1).wrapping_sub(1);

        self.continues |= behind_first.wrapping_shl(at as u32 + 1);
        self.truncate(at.wrapping_add(nr));
    }

    /// Appends what was grabbed for a run.
    #[inline(always)]
    pub(super) fn push_run(&mut self, run: P::Run) {
        self.runs.push(run);
    }

    /// The entries.
    #[inline(always)]
    pub(super) fn raws(&self) -> &[F::Raw] {
        self.raws.as_slice()
    }

    /// What was grabbed, in the order of the entries.
    #[inline(always)]
    pub(super) fn runs(&self) -> &[P::Run] {
        self.runs.as_slice()
    }

    /// Whether no run has more than one entry.
    #[inline(always)]
    pub(super) fn is_scattered(&self) -> bool {
        self.continues == 0
    }

    /// Length of the run that begins with entry `at`.
    #[inline(always)]
    pub(super) fn run_len(&self, at: usize) -> usize {
        (self.continues.wrapping_shr(at as u32) >> 1).trailing_ones() as usize + 1
    }
}
