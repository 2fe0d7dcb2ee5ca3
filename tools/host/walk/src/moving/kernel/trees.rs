// SPDX-License-Identifier: GPL-2.0

//! What the kernel does to tables: collapse, split, move, share, free.

use super::{Kernel, Taken, FRAME};
use crate::c::x86::*;
use crate::folios::Kind;
use crate::format::{Level, Pfn, PhysAddr};
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
            let index = addr >> (12 + 9 * this.index()) & 511;
            let raw = memory.read(at, index);
            if this == level {
                return Some(((at, index), raw));
            }
            if raw & _PAGE_PRESENT == 0 || raw & _PAGE_PSE != 0 {
                return None;
            }
            at = raw & FRAME;
        }
    }

    /// The numbers of the pages that are translated by the same table of pages.
    pub(super) fn neighbours(&self, page: usize) -> Vec<usize> {
        let table = self.addr(page) >> PMD_SHIFT;
        (0..self.stage.pages)
            .filter(|&other| self.addr(other) >> PMD_SHIFT == table)
            .collect()
    }

    pub(super) fn clear_table(&mut self, world: &World, page: usize) {
        if self.hand.is_some() || self.cleared_pmd.is_some() || self.taken.is_some() {
            return;
        }
        if let Some((place, raw)) = self.upper(world, page, Level::PMD) {
            if raw & _PAGE_PRESENT != 0 && raw & _PAGE_PSE == 0 {
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
        let index = |page| self.addr(page) >> 12 & 511;
        let raw = |index| memory.read(pmd & FRAME, index);
        let entries = self
            .neighbours(page)
            .into_iter()
            .map(|page| (index(page), raw(index(page))));
        let present = entries.filter(|(_, raw)| raw & _PAGE_PRESENT != 0);
        present
            .map(|(index, raw)| (index, (raw & FRAME) as usize >> 12))
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
        let first = self.fresh(9);
        world.folios.borrow_mut().add(first, 9, Kind::Anon);
        *self.maps.entry(first).or_default() += 1;
        let flags = self.stage.flags() | _PAGE_PSE | _PAGE_RW;
        self.write(world, place, (first as u64) << 12 | flags);

        // Others may look at the table still: its entries stay until it is freed.
        world.memory.borrow_mut().free(pmd & FRAME);
        for (_, pfn) in pages {
            self.unmap(world, pfn);
        }
    }

    pub(super) fn invalidate_huge(&mut self, world: &World, page: usize) {
        if let Some((place, raw)) = self.upper(world, page, Level::PMD) {
            if raw & _PAGE_PRESENT != 0 && raw & _PAGE_PSE != 0 {
                self.write(world, place, raw & !_PAGE_PRESENT);
            }
        }
    }

    pub(super) fn install_table(&mut self, world: &World, page: usize) {
        let Some((place, raw)) = self.upper(world, page, Level::PMD) else {
            return;
        };
        if raw & (_PAGE_PRESENT | _PAGE_PSE) != _PAGE_PSE {
            return;
        }
        let table = world.memory.borrow_mut().allocate(Level::PTE);
        let first = (raw & FRAME) as usize >> 12 & !511;
        let flags = raw & (_PAGE_RW | _PAGE_USER) | _PAGE_PRESENT;
        for neighbour in self.neighbours(page) {
            let index = self.addr(neighbour) >> 12 & 511;
            *self.maps.entry(first + index).or_default() += 1;
            self.write(
                world,
                (table, index),
                ((first + index) as u64) << 12 | flags,
            );
        }
        *self.maps.get_mut(&first).expect("a huge page is mapped") -= 1;
        self.write(world, place, table | _PAGE_TABLE);
    }

    pub(super) fn take_table(&mut self, world: &World, page: usize, level: Level) {
        let busy = self.hand.is_some() || self.cleared_pmd.is_some();
        if busy || self.taken.is_some() || level.index() <= self.stage.level {
            return;
        }
        if let Some((parent, raw)) = self.upper(world, page, level) {
            if let (true, Some(below)) = (raw & (_PAGE_PRESENT | _PAGE_PSE) == 1, level.below()) {
                self.write(world, parent, 0);
                self.taken = Some(Taken {
                    raw,
                    table: raw & FRAME,
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
        let index = |level: Level| addr >> (12 + 9 * level.index()) & 511;
        let raw = memory.read(table, index(level));
        let next = level.below()?;
        if raw & _PAGE_PRESENT == 0 || raw & _PAGE_PSE != 0 {
            return Some(((table, index(level)), level));
        }
        Some(((raw & FRAME, index(next)), next))
    }

    pub(super) fn taken_place(
        &self,
        world: &World,
        page: usize,
    ) -> Option<((PhysAddr, usize), Level)> {
        let Taken { table, level, .. } = self.taken?;
        if level == Level::PTE {
            return Some(((table, self.addr(page) >> 12 & 511), level));
        }
        self.taken_leaf(world, page)
            .filter(|&(_, level)| level.index() == self.stage.level)
    }

    pub(super) fn clear_taken(&mut self, world: &World, page: usize) {
        let Some((place, level)) = self.taken_place(world, page) else {
            return;
        };
        let raw = world.memory.borrow().read(place.0, place.1);
        if raw & _PAGE_PRESENT != 0 {
            self.write(world, place, 0);
            let size = 4096usize << (9 * level.index());
            self.unmap(world, ((raw & FRAME) as usize & !(size - 1)) / 4096);
        }
    }

    pub(super) fn change_taken(&mut self, world: &World, page: usize) {
        self.clear_taken(world, page);
        if let Some((place, level)) = self.taken_place(world, page) {
            let order = 9 * level.index() as u8;
            let first = self.fresh(order);
            world.folios.borrow_mut().add(first, order, Kind::Anon);
            *self.maps.entry(first).or_default() += 1;
            self.write(
                world,
                place,
                (first as u64) << 12 | self.stage.flags() | _PAGE_RW,
            );
        }
    }

    pub(super) fn reclaim_table(&mut self, world: &World, page: usize) {
        if self.hand.is_some() {
            return;
        }
        let Some((place, raw)) = self.upper(world, page, Level::PMD) else {
            return;
        };
        if raw & (_PAGE_PRESENT | _PAGE_PSE) != _PAGE_PRESENT {
            return;
        }
        let table = raw & FRAME;
        let pages = self.neighbours(page);
        let empty = pages.iter().all(|&page| {
            world
                .memory
                .borrow()
                .read(table, self.addr(page) >> 12 & 511)
                == 0
        });
        if empty {
            self.write(world, place, 0);
            world.memory.borrow_mut().free(table);
        }
    }
}
