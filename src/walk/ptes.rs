// SPDX-License-Identifier: GPL-2.0

//! Entries of a table of pages: grab, look again, ask, keep.

use super::batch::Batch;
use super::{ControlFlow, Format, Level, Pages, Path, Refusal, Table, Walker, BATCH};
use crate::array_vec::Room;

impl<F: Format, P: Pages> Walker<'_, F, P> {
    /// Gets the pages of the table that `path` leads to, from `self.addr` on.
    #[inline(always)]
    pub(super) fn ptes<T: Table>(&mut self, path: &Path<F, T>) -> ControlFlow<Refusal> {
        let geometry = self.range.geometry;
        let mut index = F::index(Level::PTE, self.addr, geometry);
        let left = geometry.entries(Level::PTE) - index;
        let mut left = left.min(self.pages_to(0)).min(self.budget);
        let (mut raws, mut runs) = (Room::new(), Room::new());
        let mut batch = Batch::new(&mut raws, &mut runs);

        while left > 0 && self.pages.has_room() {
            let refused = self.grab(&mut batch, path, index, left.min(BATCH));

            self.pages.barrier_after_grab();

            let (unchanged, refused) = look_again(&batch, path, index, refused);
            let (kept, refused) = self.ask(&batch, path, index, unchanged, refused);
            self.kept(kept);
            if let Some(refusal) = refused {
                return ControlFlow::Break(refusal);
            }
            left -= kept;
            index += kept;
        }
        ControlFlow::Continue(())
    }

    /// Reads up to `max` entries from number `index` on into the batch, and takes references for
    /// the runs that they form. Returns why it stopped before, if it did.
    #[inline(always)]
    fn grab<T: Table>(
        &mut self,
        batch: &mut Batch<'_, F, P>,
        path: &Path<F, T>,
        index: usize,
        max: usize,
    ) -> Option<Refusal> {
        let (geometry, rights) = (self.range.geometry, self.range.rights);
        let mut refused = None;
        // Entries that were read and are not part of the batch.
        let mut behind = 0;

        batch.clear();
        while batch.len() < max {
            let at = batch.len();
            let raw = load(path, index, at);

            if !F::permitted(raw, rights) {
                refused = Some(F::refusal(raw, rights));
                behind = 1;
                break;
            }
            batch.push(raw);

            let page = F::pfn(raw, Level::PTE, geometry);
            let most = match self.pages.grab_single(page) {
                Ok(run) => {
                    batch.push_run(run);
                    continue;
                }
                Err(most) => most,
            };

            // Look for more of the folio, and take all the references at once.
            let end = max.min(at.saturating_add(most));
            let mut prev = raw;
            while batch.len() < end {
                let next = load(path, index, batch.len());
                // What follows a permitted entry is permitted.
                if !F::follows(prev, next, geometry) {
                    break;
                }
                batch.push(next);
                prev = next;
            }
            match self.pages.grab(page, batch.len().wrapping_sub(at)) {
                Ok((run, nr)) => {
                    batch.mark_run(at, nr);
                    batch.push_run(run);
                }
                Err(refusal) => {
                    // With the one that does not follow, if there is one.
                    behind = end.min(batch.len() + 1) - at;
                    batch.truncate(at);
                    refused = Some(refusal);
                    break;
                }
            }
        }
        self.budget -= batch.len() + behind;
        refused
    }

    /// Asks about the folios of the first `unchanged` entries, keeps what may be kept, and gives
    /// back whatever else was grabbed. Returns the number of entries kept.
    #[inline(always)]
    fn ask<T: Table>(
        &mut self,
        batch: &Batch<'_, F, P>,
        path: &Path<F, T>,
        index: usize,
        unchanged: usize,
        mut refused: Option<Refusal>,
    ) -> (usize, Option<Refusal>) {
        let mut done = if batch.is_scattered() {
            self.keep_singles(batch, unchanged)
        } else {
            0
        };
        let mut runs = batch.runs().iter().skip(done);

        while done < unchanged {
            let (Some(&run), Some(&raw)) = (runs.next(), batch.raws().get(done)) else {
                break;
            };
            let nr = batch.run_len(done).min(unchanged - done);
            let verdict = self.pages.verdict(run, nr, F::writable(raw));

            if verdict.look_again && !still_maps(batch.raws(), path, index, done, nr) {
                refused = Some(Refusal::Changed);
                break;
            }
            if verdict.pages > 0 {
                self.pages.keep(run, verdict.pages);
                done += verdict.pages;
            }
            if verdict.pages < nr {
                refused = verdict.refusal;
                break;
            }
        }
        if done < batch.len() {
            self.waste_from(batch, done);
        }
        (done, refused)
    }

    /// Keeps single pages up to the first that is not simply allowed.
    #[inline(always)]
    fn keep_singles(&mut self, batch: &Batch<'_, F, P>, unchanged: usize) -> usize {
        let runs = batch.runs().get(..unchanged).unwrap_or(&[]);
        let raws = batch.raws().get(..unchanged).unwrap_or(&[]);

        runs.iter()
            .zip(raws)
            .take_while(|&(&run, &raw)| self.pages.keep_single(run, F::writable(raw)))
            .count()
    }

    /// Gives back what was grabbed for the entries from number `from` on.
    #[inline(always)]
    fn waste_from(&mut self, batch: &Batch<'_, F, P>, from: usize) {
        let mut at = 0;

        for &run in batch.runs() {
            let nr = batch.run_len(at);
            let kept = from.saturating_sub(at).min(nr);

            if kept < nr {
                self.waste(run, kept, nr - kept);
            }
            at += nr;
        }
    }
}

/// The second look: how many of the entries are, with their parents, as they were.
#[inline(always)]
fn look_again<F: Format, P: Pages, T: Table>(
    batch: &Batch<'_, F, P>,
    path: &Path<F, T>,
    index: usize,
    refused: Option<Refusal>,
) -> (usize, Option<Refusal>) {
    let raws = batch.raws();
    let unchanged = if path.unchanged() {
        raws.iter()
            .enumerate()
            .take_while(|&(i, &raw)| load(path, index, i) == raw)
            .count()
    } else {
        0
    };

    if unchanged < raws.len() {
        (unchanged, Some(Refusal::Changed))
    } else {
        (unchanged, refused)
    }
}

/// A third look, at `nr` of the entries from number `done` on. It is needed only where the answer
/// about the folio depends on its being mapped.
#[cold]
#[inline(never)]
fn still_maps<F: Format, T: Table>(
    raws: &[F::Raw],
    path: &Path<F, T>,
    index: usize,
    done: usize,
    nr: usize,
) -> bool {
    let mut raws = raws.iter().enumerate().skip(done).take(nr);

    path.unchanged() && raws.all(|(i, &raw)| load(path, index, i) == raw)
}

/// Reads the entry `nr` behind number `index` of the table, which the callers have made sure that
/// it has.
#[inline(always)]
fn load<F: Format, T: Table>(path: &Path<F, T>, index: usize, nr: usize) -> F::Raw {
    // SAFETY: `path` leads to a table of pages, for this is never called for others, and `ptes()`
    // limits what is looked at to the entries of such a table.
    F::load(unsafe { path.table().slot(index.wrapping_add(nr)) })
}
