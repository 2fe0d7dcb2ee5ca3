// SPDX-License-Identifier: GPL-2.0

//! The way from the root down to the entries that map an address.

use super::{Entry, Format, Geometry, Level, Refusal, Section, Slot, Table};

/// Parents of the entries of pages that are looked at twice: PMD and PUD.
const WATCHED: usize = 2;

/// An entry as it was when it was read.
struct Seen<F: Format, S: Slot> {
    slot: S,
    raw: F::Raw,
}

impl<F: Format, S: Slot> Clone for Seen<F, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Format, S: Slot> Copy for Seen<F, S> {}

impl<F: Format, S: Slot> Seen<F, S> {
    #[inline(always)]
    fn unchanged(&self) -> bool {
        let now = F::load(self.slot);

        // What is read below is read behind this, see `Path::unchanged()`.
        self.slot.read_barrier();
        now == self.raw
    }
}

/// Where a descent ended: at a table of pages, or at a leaf above it.
///
/// Entries above the PUD are not watched: the tables that they point to are freed only when the
/// mappings of their whole range are gone, and then no entry below them is left to be found
/// unchanged. A table below a PUD can be exchanged while its range stays mapped: a PMD table of
/// hugetlb that is shared no longer, a table that mremap() moves or khugepaged collapses.
///
/// # Invariants
///
/// `table` is a table of `level`.
pub(super) struct Path<F: Format, T: Table> {
    /// The last entries that were read on the way, from the lowest up.
    seen: [Option<Seen<F, T::Slot>>; WATCHED],
    level: Level,
    table: T,
}

impl<F: Format, T: Table> Path<F, T> {
    /// Goes down to the leaf, or to the table of pages, for `addr`.
    #[inline(always)]
    pub(super) fn descend<'s, S>(
        section: &'s S,
        geometry: &Geometry,
        addr: usize,
    ) -> Result<Self, Refusal>
    where
        S: Section<Table<'s> = T>,
    {
        // INVARIANT: The root is a table of the highest level.
        let mut path = Path {
            seen: [None; WATCHED],
            level: geometry.root(),
            table: section.root(),
        };

        while let Some(below) = path.level.below() {
            // SAFETY: By the type invariant, this is a table of `level`, and `index()` answers with
            // the number of an entry of such a table.
            let slot = unsafe { path.table.slot(F::index(path.level, addr, geometry)) };
            let raw = F::load(slot);

            if path.level <= Level::PUD {
                path.seen = [Some(Seen { slot, raw }), path.seen[0]];
            }
            match F::entry(raw, path.level, geometry) {
                Entry::Table(table) => {
                    // SAFETY: The entry was read just now, and says so. That it may have changed
                    // since does not matter: the table was in the tree when the entry was read,
                    // which is after the section began, and so it stays until the section ends.
                    path.table = unsafe { section.table(table) };
                    // INVARIANT: An entry points to a table of the level below its own.
                    path.level = below;
                }
                Entry::Leaf => break,
                Entry::Refused(refusal) => return Err(refusal),
            }
        }
        Ok(path)
    }

    /// The level of the entries that map memory.
    #[inline(always)]
    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// The table that the descent ended at.
    #[inline(always)]
    pub(super) fn table(&self) -> T {
        self.table
    }

    /// The leaf, if the descent ended above the level of the pages.
    #[inline(always)]
    pub(super) fn leaf(&self) -> Option<F::Raw> {
        if self.level == Level::PTE {
            return None;
        }
        self.seen[0].map(|seen| seen.raw)
    }

    /// Goes on to the entry for `addr`, in the same table, if that is a leaf. If it is not, nothing
    /// has changed.
    #[inline(always)]
    pub(super) fn next_leaf(&mut self, addr: usize, geometry: &Geometry) -> bool {
        // SAFETY: By the type invariant, this is a table of `level`, and `index()` answers with the
        // number of an entry of such a table.
        let slot = unsafe { self.table.slot(F::index(self.level, addr, geometry)) };
        let raw = F::load(slot);

        if F::entry(raw, self.level, geometry) != Entry::Leaf {
            return false;
        }
        self.seen[0] = Some(Seen { slot, raw });
        true
    }

    /// What was read before is read in front of what is read behind.
    #[inline(always)]
    pub(super) fn read_barrier(&self) {
        if let Some(seen) = self.seen[0] {
            seen.slot.read_barrier();
        }
    }

    /// Reads the watched entries again, the leaf among them: whether all are as they were.
    ///
    /// From the top down, and before the entries of the table of pages. If a parent is as it was,
    /// what is below it was part of the tree up to this moment, so that an entry which is found
    /// unchanged afterwards was mapped when it was read first. The other way round, a table that
    /// left the tree, was used by others, and came back would not be noticed.
    #[inline(always)]
    pub(super) fn unchanged(&self) -> bool {
        self.seen
            .iter()
            .rev()
            .flatten()
            .all(|seen| seen.unchanged())
    }
}
