// SPDX-License-Identifier: GPL-2.0

//! Entries of a table of pages: collect, grab, look again, ask, keep.

use super::batch::Grabbed;
use super::{ControlFlow, Format, Level, Pages, Path, Refusal, Table, Walker, BATCH};

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

            let (unchanged, refused) = self.look_again(path, index, grabbed, refused);
            let (kept, refused) = self.ask(path, index, unchanged, refused);
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

    /// Takes references for the runs of the batch. Returns the number of entries whose pages it has.
    #[inline(always)]
    fn grab(&mut self, mut refused: Option<Refusal>) -> (usize, Option<Refusal>) {
        let mut done = 0;

        while let Some(&raw) = self.batch.raws().get(done) {
            let first = F::pfn(raw, Level::PTE, self.range.geometry);

            match self.pages.grab(first, self.batch.run_len(done)) {
                Ok((run, nr)) => {
                    self.batch.push_grabbed(run, nr);
                    done += nr;
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
            let raws = self.batch.raws().iter().take(grabbed);

            raws.enumerate()
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
    /// back whatever else was grabbed. Returns the number of entries kept.
    #[inline(always)]
    fn ask<T: Table>(
        &mut self,
        path: &Path<F, T>,
        index: usize,
        unchanged: usize,
        mut refused: Option<Refusal>,
    ) -> (usize, Option<Refusal>) {
        let mut done = 0;
        let mut runs = 0;

        while let Some(&Grabbed { run, nr }) = self.batch.grabbed().get(runs) {
            let asked = nr.min(unchanged - done);
            let (allowed, refusal) = if asked > 0 {
                self.ask_run(path, index, done, run, asked)
            } else {
                (0, None)
            };

            if allowed > 0 {
                self.keep(run, allowed);
            }
            refused = refusal.or(refused);
            done += allowed;
            runs += 1;
            if allowed < nr {
                self.give_back(run, allowed, nr, runs);
                break;
            }
        }
        (done, refused)
    }

    /// How many of the first `nr` pages of a run may be kept; entry `done` of the batch, `index` of
    /// the table plus as many, maps the first of them.
    #[inline(always)]
    fn ask_run<T: Table>(
        &self,
        path: &Path<F, T>,
        index: usize,
        done: usize,
        run: P::Run,
        nr: usize,
    ) -> (usize, Option<Refusal>) {
        let raws = self.batch.raws().get(done..done + nr).unwrap_or(&[]);
        let writable = raws.first().is_some_and(|&raw| F::writable(raw));
        let verdict = self.pages.verdict(run, nr, writable);

        if verdict.look_again && !Self::still_maps(path, index + done, raws) {
            return (0, Some(Refusal::Changed));
        }
        (verdict.pages, verdict.refusal)
    }

    /// A third look, at the entries of a run, from number `index` of the table. It is needed only
    /// where the answer about the folio depends on its being mapped.
    #[cold]
    fn still_maps<T: Table>(path: &Path<F, T>, index: usize, raws: &[F::Raw]) -> bool {
        let mut raws = raws.iter().enumerate();

        path.unchanged() && raws.all(|(i, &raw)| Self::load(path, index + i) == raw)
    }

    /// Gives back the pages of a run from number `from` of `nr` on, and all of the runs behind it.
    #[cold]
    fn give_back(&mut self, run: P::Run, from: usize, nr: usize, mut next: usize) {
        self.waste(run, from, nr - from);
        while let Some(&Grabbed { run, nr }) = self.batch.grabbed().get(next) {
            self.waste(run, 0, nr);
            next += 1;
        }
    }

    /// Reads entry `index` of the table, which the callers have made sure that it has.
    #[inline(always)]
    fn load<T: Table>(path: &Path<F, T>, index: usize) -> F::Raw {
        // SAFETY: `path` leads to a table of pages, for this is never called for others, and
        // `ptes()` limits what it looks at to the entries of such a table.
        F::load(unsafe { path.table().slot(index) })
    }
}
