// SPDX-License-Identifier: GPL-2.0

//! Entries of a table of pages: collect, grab, look again, ask, keep.

use super::{ControlFlow, Format, Level, Pages, Path, Pfn, Refusal, Table, Walker, BATCH};

impl<F: Format, P: Pages> Walker<'_, F, P> {
    /// Gets the pages of the table that `path` leads to, from `self.addr` on.
    #[inline(always)]
    pub(super) fn ptes<T: Table>(&mut self, path: &Path<F, T>) -> ControlFlow<Refusal> {
        let geometry = self.range.geometry;
        let mut index = geometry.index(Level::PTE, self.addr);
        let left = geometry.entries(Level::PTE) - index;
        let mut left = left.min(self.pages_to(0)).min(self.budget);

        while left > 0 && self.pages.has_room() {
            let refused = self.collect(path, index, left.min(BATCH));
            let (grabbed, refused) = self.grab(refused);

            self.pages.barrier_after_grab();

            let (kept, refused) = self.look_again(path, index, grabbed, refused);
            let (kept, refused) = self.ask(path, index, kept, grabbed, refused);
            if let Some(refusal) = refused {
                return ControlFlow::Break(refusal);
            }
            index += kept;
            left -= kept;
        }
        ControlFlow::Continue(())
    }

    /// Reads up to `max` entries into the batch, and finds the runs among them. Returns why it
    /// stopped before, if it did.
    #[inline(always)]
    fn collect<T: Table>(
        &mut self,
        path: &Path<F, T>,
        index: usize,
        max: usize,
    ) -> Option<Refusal> {
        let (geometry, rights) = (self.range.geometry, self.range.rights);

        self.batch.clear();
        let mut prev = None;
        for i in 0..max {
            let raw = Self::load(path, index + i);
            let follows = prev.is_some_and(|prev| F::follows(prev, raw, geometry));

            // What follows a permitted entry is permitted.
            if !follows && !F::permitted(raw, rights) {
                self.budget -= i + 1;
                return Some(F::refusal(raw, rights));
            }
            self.batch.push(raw, !follows);
            prev = Some(raw);
        }
        self.budget -= max;
        None
    }

    /// Takes references for the runs of the batch, and splits them where a folio ends. Returns the
    /// number of entries whose pages it has.
    #[inline(always)]
    fn grab(&mut self, mut refused: Option<Refusal>) -> (usize, Option<Refusal>) {
        let mut done = 0;

        while done < self.batch.len() {
            match self.pages.grab(self.pfn(done), self.batch.run_len(done)) {
                Ok(nr) => {
                    done += nr;
                    self.batch.split_at(done);
                }
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        (done, refused)
    }

    /// The second look: how many of the `grabbed` entries are, with their parents, as they were.
    #[inline(always)]
    fn look_again<T: Table>(
        &self,
        path: &Path<F, T>,
        index: usize,
        grabbed: usize,
        refused: Option<Refusal>,
    ) -> (usize, Option<Refusal>) {
        let unchanged = if path.unchanged() {
            self.batch.raws()[..grabbed]
                .iter()
                .enumerate()
                .take_while(|&(i, &raw)| Self::load(path, index + i) == raw)
                .count()
        } else {
            0
        };

        if unchanged < grabbed {
            (unchanged, Some(Refusal::Changed))
        } else {
            (grabbed, refused)
        }
    }

    /// Asks about the folios of the first `unchanged` entries, keeps what may be kept, and gives
    /// the rest of the `grabbed` back. Returns the number of entries kept.
    #[inline(always)]
    fn ask<T: Table>(
        &mut self,
        path: &Path<F, T>,
        index: usize,
        unchanged: usize,
        grabbed: usize,
        mut refused: Option<Refusal>,
    ) -> (usize, Option<Refusal>) {
        let mut done = 0;

        while done < unchanged {
            let first = self.pfn(done);
            let nr = self.batch.run_len(done).min(unchanged - done);
            let verdict = self
                .pages
                .verdict(first, nr, F::writable(self.batch.raw(done)));
            let mut allowed = verdict.pages;

            if verdict.refusal.is_some() {
                refused = verdict.refusal;
            }
            if verdict.look_again {
                let (still, again) = self.run_unchanged(path, index + done, done, allowed);
                allowed = still;
                refused = again.or(refused);
            }
            if allowed > 0 {
                self.keep(first, allowed);
            }
            done += allowed;
            if allowed < nr {
                break;
            }
        }
        if done < grabbed {
            self.give_back(done, grabbed);
        }
        (done, refused)
    }

    /// A third look, at the run of `nr` entries from number `from` of the batch, `index` of the
    /// table. It is needed only where the answer about the folio depends on its being mapped.
    #[cold]
    fn run_unchanged<T: Table>(
        &self,
        path: &Path<F, T>,
        index: usize,
        from: usize,
        nr: usize,
    ) -> (usize, Option<Refusal>) {
        let same = |i| Self::load(path, index + i) == self.batch.raw(from + i);

        if path.unchanged() && (0..nr).all(same) {
            (nr, None)
        } else {
            (0, Some(Refusal::Changed))
        }
    }

    /// Gives back the pages of the entries from `from` to `to`.
    #[cold]
    fn give_back(&mut self, from: usize, to: usize) {
        let mut from = from;

        while from < to {
            // A run that was kept in part ends where it ended before.
            let nr = self.batch.run_len(from).min(to - from);
            self.waste(self.pfn(from), nr);
            from += nr;
        }
    }

    /// Reads entry `index` of the table, which the callers have made sure that it has.
    #[inline(always)]
    fn load<T: Table>(path: &Path<F, T>, index: usize) -> F::Raw {
        // SAFETY: `path` leads to a table of pages, for this is never called for others, and
        // `ptes()` limits what it looks at to the entries of such a table.
        F::load(unsafe { path.table().slot(index) })
    }

    /// The page of entry `index` of the batch.
    #[inline(always)]
    fn pfn(&self, index: usize) -> Pfn {
        F::pfn(self.batch.raw(index), Level::PTE, self.range.geometry)
    }
}
