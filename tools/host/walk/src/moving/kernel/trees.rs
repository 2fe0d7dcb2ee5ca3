// SPDX-License-Identifier: GPL-2.0

//! What the kernel does to tables: collapse, split, move, share, free.

use super::{Kernel, Taken};
use crate::flags::Flags;
use crate::folios::Kind;
use crate::format::{Level, Pfn, PhysAddr};
use crate::shape::Change;
use crate::world::World;

impl Kernel {
    /// Place and value of the entry of a level above the pages, if the tree goes that far.
    pub(super) fn upper(
        &self,
        world: &World,
        page: usize,
        level: Level,
    ) -> Option<((PhysAddr, usize), u64)> {
        let memory = world.memory.borrow();
        let addr = self.addr(page);
        let mut at = memory.root();
        loop {
            let this = memory.level(at);
            let index = self.stage.shape.index(this, addr);
            let raw = memory.read(at, index);
            if this == level {
                return Some(((at, index), raw));
            }
            at = self.stage.shape.points_to(raw)?;
        }
    }

    /// The numbers of the pages that are translated by the same table of pages.
    pub(super) fn neighbours(&self, page: usize) -> Vec<usize> {
        let shift = self.stage.shape.shift(Level::PMD);
        let table = self.addr(page) >> shift;
        (0..self.stage.pages)
            .filter(|&other| self.addr(other) >> shift == table)
            .collect()
    }

    pub(super) fn clear_table(&mut self, world: &World, page: usize) {
        if self.hand.is_some() || self.cleared_pmd.is_some() || self.taken.is_some() {
            return;
        }
        if let Some((place, raw)) = self.upper(world, page, Level::PMD) {
            if self.stage.shape.points_to(raw).is_some() {
                self.cleared_pmd = Some(raw);
                self.write(world, place, 0);
            }
        }
    }

    /// What the table that is out of the tree maps.
    pub(super) fn cleared_pages(&self, world: &World, page: usize) -> Vec<(usize, Pfn)> {
        let Some(pmd) = self.cleared_pmd else {
            return Vec::new();
        };
        let memory = world.memory.borrow();
        let shape = self.stage.shape;
        let index = |page| shape.index(Level::PTE, self.addr(page));
        let raw = |index| memory.read(shape.table_at(pmd), index);
        let entries = self
            .neighbours(page)
            .into_iter()
            .map(|page| (index(page), raw(index(page))));
        let present = entries.filter(|&(_, raw)| shape.is_present(raw));
        present
            .map(|(index, raw)| (index, shape.pfn(raw)))
            .collect()
    }

    pub(super) fn check_table(&mut self, world: &World, page: usize) {
        let pages = self.cleared_pages(world, page);
        let Some(pmd) = self.cleared_pmd else { return };
        let folios = world.folios.borrow();
        let referenced = |&(_, pfn): &(_, Pfn)| folios.of(pfn).is_some_and(|f| f.seen() > 0);
        if pages.iter().any(referenced) {
            if let Some((place, 0)) = self.upper(world, page, Level::PMD) {
                self.cleared_pmd = None;
                self.write(world, place, pmd);
            }
        } else {
            for (_, pfn) in pages {
                self.oracle.no_reference_was_seen(pfn);
            }
        }
    }

    pub(super) fn install_huge(&mut self, world: &World, page: usize) {
        let pages = self.cleared_pages(world, page);
        let place = self.upper(world, page, Level::PMD);
        let (Some(pmd), Some((place, 0))) = (self.cleared_pmd, place) else {
            return;
        };

        self.cleared_pmd = None;
        let shape = self.stage.shape;
        let order = shape.order(Level::PMD);
        let first = self.fresh(order);
        world.folios.borrow_mut().add(first, order, Kind::Anon);
        *self.maps.entry(first).or_default() += 1;
        let flags = self.stage.flags() | Flags::WRITE;
        self.write(world, place, shape.leaf(Level::PMD, first, flags));

        // Others may look at the table still: its entries stay until it is freed.
        world.memory.borrow_mut().free(shape.table_at(pmd));
        for (_, pfn) in pages {
            self.unmap(world, pfn);
        }
    }

    pub(super) fn invalidate_huge(&mut self, world: &World, page: usize) {
        if let Some((place, raw)) = self.upper(world, page, Level::PMD) {
            let shape = self.stage.shape;
            if shape.is_present(raw) && shape.points_to(raw).is_none() {
                self.write(world, place, self.changed(raw, Change::Split));
            }
        }
    }

    pub(super) fn install_table(&mut self, world: &World, page: usize) {
        let Some((place, raw)) = self.upper(world, page, Level::PMD) else {
            return;
        };
        let shape = self.stage.shape;
        if !shape.is_splitting(raw) {
            return;
        }
        let table = world.memory.borrow_mut().allocate(Level::PTE);
        let first = shape.pfn(raw) & !(shape.entries(Level::PTE) - 1);
        let flags = shape.flags(raw) | Flags::PRESENT;
        for neighbour in self.neighbours(page) {
            let index = shape.index(Level::PTE, self.addr(neighbour));
            *self.maps.entry(first + index).or_default() += 1;
            let raw = shape.leaf(Level::PTE, first + index, flags);
            self.write(world, (table, index), raw);
        }
        *self.maps.get_mut(&first).expect("a huge page is mapped") -= 1;
        self.write(world, place, shape.table(Level::PMD, table));
    }

    pub(super) fn take_table(&mut self, world: &World, page: usize, level: Level) {
        let busy = self.hand.is_some() || self.cleared_pmd.is_some();
        if busy || self.taken.is_some() || level.index() <= self.stage.level {
            return;
        }
        if let Some((parent, raw)) = self.upper(world, page, level) {
            if let (Some(table), Some(below)) = (self.stage.shape.points_to(raw), level.below()) {
                self.write(world, parent, 0);
                self.taken = Some(Taken {
                    raw,
                    table,
                    level: below,
                    parent,
                });
            }
        }
    }

    /// The place of the leaf for a page in the table that was taken.
    pub(super) fn taken_leaf(
        &self,
        world: &World,
        page: usize,
    ) -> Option<((PhysAddr, usize), Level)> {
        let Taken { table, level, .. } = self.taken?;
        let memory = world.memory.borrow();
        let addr = self.addr(page);
        let shape = self.stage.shape;
        let index = |level: Level| shape.index(level, addr);
        let raw = memory.read(table, index(level));
        let next = level.below()?;
        match shape.points_to(raw) {
            None => Some(((table, index(level)), level)),
            Some(table) => Some(((table, index(next)), next)),
        }
    }

    pub(super) fn taken_place(
        &self,
        world: &World,
        page: usize,
    ) -> Option<((PhysAddr, usize), Level)> {
        let Taken { table, level, .. } = self.taken?;
        if level == Level::PTE {
            let index = self.stage.shape.index(level, self.addr(page));
            return Some(((table, index), level));
        }
        self.taken_leaf(world, page)
            .filter(|&(_, level)| level.index() == self.stage.level)
    }

    pub(super) fn clear_taken(&mut self, world: &World, page: usize) {
        let Some((place, level)) = self.taken_place(world, page) else {
            return;
        };
        let raw = world.memory.borrow().read(place.0, place.1);
        let shape = self.stage.shape;
        if shape.is_present(raw) {
            self.write(world, place, 0);
            self.unmap(world, shape.pfn(raw) & !((1 << shape.order(level)) - 1));
        }
    }

    pub(super) fn change_taken(&mut self, world: &World, page: usize) {
        self.clear_taken(world, page);
        if let Some((place, level)) = self.taken_place(world, page) {
            let order = self.stage.shape.order(level);
            let first = self.fresh(order);
            world.folios.borrow_mut().add(first, order, Kind::Anon);
            *self.maps.entry(first).or_default() += 1;
            let flags = self.stage.flags() | Flags::WRITE;
            self.write(world, place, self.stage.shape.leaf(level, first, flags));
        }
    }

    pub(super) fn reclaim_table(&mut self, world: &World, page: usize) {
        if self.hand.is_some() {
            return;
        }
        let Some((place, raw)) = self.upper(world, page, Level::PMD) else {
            return;
        };
        let Some(table) = self.stage.shape.points_to(raw) else {
            return;
        };
        let pages = self.neighbours(page);
        let empty = pages.iter().all(|&page| {
            world
                .memory
                .borrow()
                .read(table, self.stage.shape.index(Level::PTE, self.addr(page)))
                == 0
        });
        if empty {
            self.write(world, place, 0);
            world.memory.borrow_mut().free(table);
        }
    }
}
