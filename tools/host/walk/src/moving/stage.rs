// SPDX-License-Identifier: GPL-2.0

//! Small address spaces to be changed: a few pages around a border between two tables.

use crate::flags::Flags;
use crate::folios::Kind;
use crate::format::{Level, Pfn};
use crate::shape::{Shape, FOUR_GIB};
use crate::world::{Request, World};

/// What is mapped, and what is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub(super) shape: Shape,
    /// Level of the leaves, as [`Level::index`] counts them.
    pub(super) level: usize,
    /// Order of the folios that are mapped by entries of pages.
    pub(super) order: u8,
    pub(super) kind: Kind,
    pub(super) writable: bool,
    pub(super) shared: bool,
    pub(super) pages: usize,
    /// How many of the pages are in front of the border.
    pub(super) before_border: usize,
    pub(super) write: bool,
    pub(super) pin: bool,
    pub(super) max_section: usize,
    /// Somebody else has the pages whose addresses are the lower halves of those that are mapped
    /// here, with PAE.
    pub(super) others_below: bool,
    /// A single page is walked like many.
    pub(super) as_many: bool,
}

impl Stage {
    pub(super) fn level(&self) -> Level {
        [Level::PTE, Level::PMD, Level::PUD][self.level]
    }

    pub(super) fn request(&self) -> Request {
        let page_size = self.shape.page_size();
        let start = self.shape.border() - self.before_border.min(self.pages) * page_size;
        Request {
            shape: self.shape,
            physical_mask: (1 << 52) - 1,
            keys: 0,
            start,
            end: start + self.pages * page_size,
            write: self.write,
            pin: self.pin,
            max_section: self.max_section,
            room: isize::MAX,
            as_many: self.as_many,
        }
    }

    /// Flags of the leaves.
    pub(super) fn flags(&self) -> Flags {
        if self.writable {
            Flags::GOOD
        } else {
            Flags::READ_ONLY
        }
    }

    /// Makes the world, and calls `mapped` with the first page of each leaf.
    pub(super) fn build(&self, mut mapped: impl FnMut(Pfn)) -> World {
        let world = World::new(self.shape);
        let request = self.request();
        let size = 1 << self.shape.shift(self.level());
        let leaf_pages = size / self.shape.page_size();
        let order = if self.level == 0 {
            self.order
        } else {
            self.shape.order(self.level())
        };
        let mut pfn: Pfn = self.shape.memory(order);

        for addr in (request.start & !(size - 1)..request.end).step_by(size) {
            if pfn % (1 << order) == 0 {
                let mut folios = world.folios.borrow_mut();
                let folio = folios.add(pfn, order, self.kind);
                if self.shared {
                    folio.shared = (pfn..pfn + folio.pages().min(512)).collect();
                }
            }
            let mut tables = world.memory.borrow_mut();
            let (at, index) = tables.place(addr, self.level(), 0);
            let raw = self.shape.leaf(self.level(), pfn, self.flags());
            tables.write(at, index, raw);
            if self.others_below {
                let below = pfn % FOUR_GIB;
                world.folios.borrow_mut().add(below, order, Kind::Anon);
            }
            mapped(pfn);
            pfn += leaf_pages;
        }
        world
    }
}
