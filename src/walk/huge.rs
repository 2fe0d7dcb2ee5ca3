// SPDX-License-Identifier: GPL-2.0

//! Leaves above the level of the pages: one entry, one folio.

use super::{keep, ControlFlow, Format, Mapping, Pages, Path, Refusal, Table, Walker};

impl<F: Format, P: Pages> Walker<'_, F, P> {
    /// Gets the pages of the leaf that `path` leads to, from `self.addr` on, and those of the leaves
    /// that follow in the same table.
    #[inline(always)]
    pub(super) fn huge<T: Table>(&mut self, mut path: Path<F, T>) -> ControlFlow<Refusal> {
        let geometry = self.range.geometry;
        let table = geometry
            .size(path.level())
            .wrapping_mul(geometry.entries(path.level()));

        loop {
            self.leaf(&path)?;

            let at_end = self.addr >= self.range.end || self.addr & table.wrapping_sub(1) == 0;
            let may_go_on = self.budget > 0 && self.pages.has_room();
            if at_end || !may_go_on || !path.next_leaf(self.addr, geometry) {
                return ControlFlow::Continue(());
            }
        }
    }

    /// Gets the pages of one leaf.
    #[inline(always)]
    fn leaf<T: Table>(&mut self, path: &Path<F, T>) -> ControlFlow<Refusal> {
        let geometry = self.range.geometry;
        let level = path.level();
        let Some(raw) = path.leaf() else {
            return ControlFlow::Break(Refusal::Bad);
        };

        self.budget -= 1;
        if !F::permitted(raw, self.range.rights) {
            return ControlFlow::Break(F::refusal(raw, self.range.rights));
        }

        let size = geometry.size(level);
        let offset = (self.addr & (size - 1)).wrapping_shr(F::page_shift(geometry));
        let want = self.pages_to((self.addr | (size - 1)).wrapping_add(1));
        let first = F::pfn(raw, level, geometry) + offset;
        let (run, grabbed) = match self.pages.grab(first, want) {
            Ok(grabbed) => grabbed,
            Err(refusal) => return ControlFlow::Break(refusal),
        };

        self.pages.barrier_after_grab();

        if !path.unchanged() {
            self.waste(run, 0, grabbed);
            return ControlFlow::Break(Refusal::Changed);
        }

        let (kept, refused) = keep(
            self.pages,
            run,
            grabbed,
            Mapping::huge(F::writable(raw)),
            || path.unchanged(),
        );
        self.kept(kept);
        if kept < grabbed {
            self.waste(run, kept, grabbed - kept);
        }
        match refused {
            Some(refusal) => ControlFlow::Break(refusal),
            None => ControlFlow::Continue(()),
        }
    }
}
