// SPDX-License-Identifier: GPL-2.0

//! What the kernel does to single entries, and to the folios that they map.

use super::Kernel;
use crate::flags::Flags;
use crate::folios::Kind;
use crate::format::{Level, Pfn};
use crate::naive::Mapped;
use crate::refusal::Refusal;
use crate::shape::Change;
use crate::world::World;

impl Kernel {
    pub(super) fn clear(&mut self, world: &World, page: usize) {
        if self.hand.is_some() {
            return;
        }
        if let Ok((_, mapped)) = self.page(world, page) {
            self.hand = Some(mapped);
            self.write(world, (mapped.at, mapped.index), 0);
        }
    }

    /// Who is faulted by the entry that this leaves waits for the lock, and finds the new one.
    pub(super) fn protect(&mut self, world: &World, page: usize) {
        if self.hand.is_some() {
            return;
        }
        if let Ok((_, mapped)) = self.page(world, page) {
            self.hand = Some(mapped);
            let raw = self.changed(mapped.raw, Change::Protect);
            self.write(world, (mapped.at, mapped.index), raw);
        }
    }

    /// An entry is gone for good.
    pub(super) fn unmapped(&mut self, world: &World, mapped: Mapped) {
        let first = mapped.pfn & !(mapped.size / self.stage.shape.page_size() - 1);
        self.unmap(world, first);
    }

    pub(super) fn unmap(&mut self, world: &World, first: Pfn) {
        *self
            .maps
            .get_mut(&first)
            .expect("what is unmapped was mapped") -= 1;

        let mut folios = world.folios.borrow_mut();
        let Some(folio) = folios.of(first) else {
            return;
        };
        let (head, order, pages) = (folio.first, folio.order, folio.pages());
        let maps: usize = self.maps.range(head..head + pages).map(|(_, nr)| nr).sum();
        if maps == 0 && folio.owned() {
            folios.disown(head);
            if folios.of(head).is_none() {
                self.freed = Some((head, order));
            }
        }
    }

    pub(super) fn try_share(&mut self, world: &World) {
        let Some(mapped) = self.hand else {
            return;
        };
        let mut folios = world.folios.borrow_mut();
        let Some(folio) = folios.of_mut(mapped.pfn) else {
            return;
        };
        if folio.kind != Kind::Anon || folio.shared.contains(&mapped.pfn) {
            return;
        }
        if self.request.pin && folio.seen() > 0 {
            // -EBUSY
            self.hand = None;
            self.write(world, (mapped.at, mapped.index), mapped.raw);
            return;
        }
        let shared = self.pages_of(&mapped);
        folio.shared.extend(shared.clone());
        if self.request.pin {
            for pfn in shared {
                self.oracle.no_reference_was_seen(pfn);
            }
        }
    }

    /// The pages of an entry, as far as anybody looks at them: a huge one is shared as a whole.
    fn pages_of(&self, mapped: &Mapped) -> std::ops::Range<Pfn> {
        let in_leaf = mapped.size / self.stage.shape.page_size();
        let first = mapped.pfn & !(in_leaf - 1);

        first..first + in_leaf.min(512)
    }

    pub(super) fn swap_out(&mut self, world: &World) {
        let Some(mapped) = self.hand.take() else {
            return;
        };
        let swapped = self.stage.shape.swap_entry();
        self.write(world, (mapped.at, mapped.index), swapped);

        // folio_ref_freeze() is an atomic operation: it does not miss a reference.
        let taken = world
            .folios
            .borrow()
            .of(mapped.pfn)
            .map_or(0, |f| f.taken());
        if taken == 0 {
            self.unmapped(world, mapped);
        }
    }

    pub(super) fn drop_mapping(&mut self, world: &World) {
        let Some(mapped) = self.hand else {
            return;
        };
        let mut folios = world.folios.borrow_mut();
        let Some(folio) = folios.of_mut(mapped.pfn) else {
            return;
        };
        match &mut folio.kind {
            Kind::Anon => {}
            Kind::File { mapped } | Kind::Secret { mapped } => *mapped = false,
        }
    }

    pub(super) fn fault(&mut self, world: &World, page: usize) {
        if self.hand.is_some() || self.taken.is_some() || self.cleared_pmd.is_some() {
            return;
        }
        let addr = self.addr(page);
        if self.page(world, page) != Err(Refusal::Absent) {
            return;
        }
        // A huge page that is swapped out, or being split, is in the way of smaller ones.
        for level in [Level::PUD, Level::PMD]
            .into_iter()
            .filter(|l| *l > self.stage.level())
        {
            let raw = self.upper(world, page, level).map_or(0, |(_, raw)| raw);
            if raw != 0 && self.stage.shape.points_to(raw).is_none() {
                return;
            }
        }
        let mut memory = world.memory.borrow_mut();
        let place = memory.place(addr, self.stage.level(), 0);
        let order = self.stage.shape.order(self.stage.level());
        let first = match self.freed.take() {
            Some((first, freed)) if freed >= order => first,
            _ => self.fresh(order),
        };
        world.folios.borrow_mut().add(first, order, Kind::Anon);
        *self.maps.entry(first).or_default() += 1;
        let flags = self.stage.flags() | Flags::WRITE;
        let raw = self.stage.shape.leaf(self.stage.level(), first, flags);
        memory.write(place.0, place.1, raw);
    }

    pub(super) fn fork_page(&mut self, world: &World, page: usize) {
        if self.write_protect_seq % 2 == 0 {
            return;
        }
        let Ok((pfn, mapped)) = self.page(world, page) else {
            return;
        };
        let mut folios = world.folios.borrow_mut();
        let Some(folio) = folios.of_mut(pfn).filter(|f| f.kind == Kind::Anon) else {
            return;
        };
        if !(self.request.pin && folio.seen() > 0) {
            folio.shared.extend(self.pages_of(&mapped));
            let raw = self.changed(mapped.raw, Change::WriteProtect);
            self.write(world, (mapped.at, mapped.index), raw);
        }
    }
}
