// SPDX-License-Identifier: GPL-2.0

//! Entries of a table of pages.
//!
//! Each maps a folio of its own, or consecutive ones map a large folio. Of the former there are
//! [many at a time](super::singles), of the latter [one](super::folio).

use super::singles::{Batch, Stop};
use super::{ControlFlow, Format, Level, Pages, Path, Refusal, Table, Walker, BATCH};
use crate::array_vec::Room;

/// The entries of a table of pages, from one of them on.
pub(super) struct Entries<'p, F: Format, T: Table> {
    path: &'p Path<F, T>,
    index: usize,
}

impl<'p, F: Format, T: Table> Entries<'p, F, T> {
    /// Reads the entry with number `nr`, which the callers have made sure that the table has.
    #[inline(always)]
    pub(super) fn load(&self, nr: usize) -> F::Raw {
        // SAFETY: `path` leads to a table of pages, for these are made for no others, and `ptes()`
        // limits what is looked at to the entries of such a table.
        F::load(unsafe { self.path.table().slot(self.index.wrapping_add(nr)) })
    }

    /// The way to them.
    #[inline(always)]
    pub(super) fn path(&self) -> &'p Path<F, T> {
        self.path
    }

    /// Those from number `nr` on.
    #[inline(always)]
    pub(super) fn behind(&self, nr: usize) -> Self {
        Self {
            path: self.path,
            index: self.index.wrapping_add(nr),
        }
    }
}

impl<F: Format, P: Pages> Walker<'_, F, P> {
    /// Gets the pages of the table that `path` leads to, from `self.addr` on.
    #[inline(always)]
    pub(super) fn ptes<T: Table>(&mut self, path: &Path<F, T>) -> ControlFlow<Refusal> {
        let geometry = self.range.geometry;
        let index = F::index(Level::PTE, self.addr, geometry);
        let mut left = self
            .pages_to(0)
            .min(geometry.entries(Level::PTE) - index)
            .min(self.budget);
        let mut entries = Entries { path, index };
        let (mut raws, mut runs) = (Room::new(), Room::new());
        let mut batch = Batch::<F, P>::new(&mut raws, &mut runs);
        let mut in_a_row = true;

        while left > 0 && self.pages.has_room() {
            let stop = self.grab_singles(&mut batch, &entries, left.min(BATCH));

            if batch.len() > 0 {
                let kept = self.keep_singles(&batch, &entries)?;
                entries = entries.behind(kept);
                left -= kept;
            }
            match stop {
                Stop::Full => (),
                Stop::Refused(refusal) => return ControlFlow::Break(refusal),
                Stop::Folio(raw, most) => {
                    let kept = self.folio(&entries, raw, most.min(left), &mut in_a_row)?;
                    entries = entries.behind(kept);
                    left -= kept;
                }
            }
            // More may have been looked at than was kept.
            left = left.min(self.budget);
        }
        ControlFlow::Continue(())
    }
}
