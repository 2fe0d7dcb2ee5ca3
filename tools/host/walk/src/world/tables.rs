// SPDX-License-Identifier: GPL-2.0

//! The page tables as the walk sees them: each read is an [event](Event) that may change them.

use super::{Event, Watched, Watcher};
use crate::format::{PhysAddr, Slot};
use crate::shape::Shape;
use crate::walk::{Section, Table, Tables};

impl<'a, 'w, W: Watcher> Tables for &'a Watched<'w, W> {
    type Section = Inside<'a, 'w, W>;

    fn section<R>(&self, walk: impl FnOnce(&Self::Section) -> R) -> R {
        self.world.memory.borrow_mut().section_begins();
        let result = walk(&Inside(self));
        self.before(Event::SectionEnds);
        self.world.memory.borrow_mut().section_ends();
        result
    }
}

/// A time with interrupts off.
pub(crate) struct Inside<'a, 'w, W>(&'a Watched<'w, W>);

impl<'a, 'w, W: Watcher> Section for Inside<'a, 'w, W> {
    type Table<'s>
        = TableAt<'a, 'w, W>
    where
        Self: 's;

    fn root(&self) -> Self::Table<'_> {
        let at = self.0.world.memory.borrow().root();
        TableAt {
            watched: self.0,
            at,
        }
    }

    unsafe fn table(&self, at: PhysAddr) -> Self::Table<'_> {
        TableAt {
            watched: self.0,
            at,
        }
    }
}

pub(crate) struct TableAt<'a, 'w, W> {
    watched: &'a Watched<'w, W>,
    at: PhysAddr,
}

impl<W> Clone for TableAt<'_, '_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for TableAt<'_, '_, W> {}

impl<'a, 'w, W: Watcher> Table for TableAt<'a, 'w, W> {
    type Slot = SlotAt<'a, 'w, W>;

    unsafe fn slot(self, index: usize) -> Self::Slot {
        let memory = self.watched.world.memory.borrow();
        let entries = memory.shape().entries(memory.level(self.at));
        assert!(index < entries, "entry {index} of a table");
        SlotAt { table: self, index }
    }
}

pub(crate) struct SlotAt<'a, 'w, W> {
    table: TableAt<'a, 'w, W>,
    index: usize,
}

impl<W> Clone for SlotAt<'_, '_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for SlotAt<'_, '_, W> {}

impl<W: Watcher> SlotAt<'_, '_, W> {
    /// The memory of the entry as it is, whatever happens in front of that.
    fn read(self, event: Event) -> u64 {
        let TableAt { watched, at } = self.table;
        watched.before(event);

        let memory = watched.world.memory.borrow();
        assert!(memory.in_section(), "tables are read in sections only");
        memory.word(at, self.index)
    }

    fn event(self) -> Event {
        let TableAt { watched, at } = self.table;
        let level = watched.world.memory.borrow().level(at);
        let index = self.index;
        Event::Read { level, at, index }
    }

    fn by_halves(self) -> bool {
        self.table.watched.world.memory.borrow().shape() == Shape::Pae
    }
}

impl<W: Watcher> Slot for SlotAt<'_, '_, W> {
    fn read_u64(self) -> u64 {
        assert!(!self.by_halves(), "an entry of PAE is read at once");
        self.read(self.event())
    }

    fn read_low(self) -> u32 {
        assert!(self.by_halves(), "half of an entry is read");
        self.read(Event::ReadLow) as u32
    }

    fn read_high(self) -> u32 {
        assert!(self.by_halves(), "half of an entry is read");
        (self.read(self.event()) >> 32) as u32
    }

    /// Nothing is reordered here; what the barriers are for is shown by the models.
    fn read_barrier(self) {
        self.table.watched.before(Event::ReadBarrier);
    }
}
