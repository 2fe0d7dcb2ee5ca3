// SPDX-License-Identifier: GPL-2.0

//! Memory that holds page tables, and knows what may be read of it.
//!
//! A table that is taken out of the tree keeps its contents until the section ends, as in the
//! kernel, where interrupts that are off hold up whoever frees it. After that, reading it is a
//! failure of the test, and it comes back as another table.

use crate::format::{Level, PhysAddr};
use crate::shape::Shape;

/// Entries of a table, at most.
const ENTRIES: usize = 512;

/// What `POISON_FREE` makes of an entry: present and writable, of all things.
const POISON: u64 = 0x6b6b_6b6b_6b6b_6b6b;

/// Bits of an entry that may hold the address of a table here.
const FRAME: u64 = 0x0000_7fff_ffff_f000;

const TABLE_SHIFT: u32 = 12;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InUse,
    /// Out of the tree, waiting for the section to end.
    Unlinked,
    Freed,
}

struct Page {
    state: State,
    level: Level,
    entries: Box<[u64; ENTRIES]>,
}

/// The tables of an address space, and what became of them.
pub(crate) struct Memory {
    pages: Vec<Page>,
    in_section: bool,
    shape: Shape,
    root: PhysAddr,
}

impl Memory {
    /// An empty tree.
    pub(crate) fn new(shape: Shape) -> Self {
        let mut memory = Self {
            pages: Vec::new(),
            in_section: false,
            shape,
            root: 0,
        };
        memory.root = memory.allocate(shape.root());
        memory
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn root(&self) -> PhysAddr {
        self.root
    }

    /// A table without entries; one that was freed, if there is one, so that mistakes meet it.
    pub(crate) fn allocate(&mut self, level: Level) -> PhysAddr {
        let fresh = Page {
            state: State::InUse,
            level,
            entries: Box::new([0; ENTRIES]),
        };
        let freed = self.pages.iter().position(|p| p.state == State::Freed);
        let number = match freed {
            Some(number) => {
                self.pages[number] = fresh;
                number
            }
            None => {
                self.pages.push(fresh);
                self.pages.len() - 1
            }
        };
        self.shape.tables() + ((number as PhysAddr) << TABLE_SHIFT)
    }

    /// Frees a table that no entry points to any more.
    pub(crate) fn free(&mut self, at: PhysAddr) {
        let in_section = self.in_section;
        let page = self.page(at);
        assert!(page.state == State::InUse, "a table is freed twice");
        if in_section {
            page.state = State::Unlinked;
        } else {
            page.free();
        }
    }

    pub(crate) fn section_begins(&mut self) {
        assert!(!self.in_section, "sections do not nest");
        self.in_section = true;
    }

    pub(crate) fn section_ends(&mut self) {
        assert!(self.in_section, "no section to end");
        self.in_section = false;
        for page in &mut self.pages {
            if page.state == State::Unlinked {
                page.free();
            }
        }
    }

    pub(crate) fn in_section(&self) -> bool {
        self.in_section
    }

    /// The level of the table at an address, which must be one.
    pub(crate) fn level(&self, at: PhysAddr) -> Level {
        self.pages[self.number(at)].level
    }

    /// Reads an entry, as the walk does or anybody else.
    pub(crate) fn read(&self, at: PhysAddr, index: usize) -> u64 {
        let page = &self.pages[self.number(at)];
        assert!(
            page.state != State::Freed,
            "read of the freed table {at:#x}"
        );
        page.entries[index]
    }

    /// Writes an entry. Tables out of the tree are written, too, for they may be in another's.
    pub(crate) fn write(&mut self, at: PhysAddr, index: usize, raw: u64) {
        let page = self.page(at);
        assert!(
            page.state != State::Freed,
            "write to the freed table {at:#x}"
        );
        page.entries[index] = raw;
    }

    fn page(&mut self, at: PhysAddr) -> &mut Page {
        let number = self.number(at);
        &mut self.pages[number]
    }

    fn number(&self, at: PhysAddr) -> usize {
        let offset = at.wrapping_sub(self.shape.tables());
        let number = (offset >> TABLE_SHIFT) as usize;
        let aligned = offset % (1 << TABLE_SHIFT) == 0;
        assert!(aligned && number < self.pages.len(), "no table at {at:#x}");
        number
    }
}

impl Page {
    fn free(&mut self) {
        self.state = State::Freed;
        self.entries.fill(POISON);
    }
}

/// Building trees, for who makes the worlds.
impl Memory {
    /// The place of the entry of `level` for an address; makes the tables above it, with `bits` in
    /// the entries that point to them besides those of the shape.
    pub(crate) fn place(&mut self, addr: usize, level: Level, bits: u64) -> (PhysAddr, usize) {
        let mut at = self.root;
        loop {
            let this = self.level(at);
            let index = addr >> (12 + 9 * this.index()) & (ENTRIES - 1);
            if this == level {
                return (at, index);
            }
            at = match (self.read(at, index) & FRAME, this.below()) {
                (0, Some(below)) => {
                    let table = self.allocate(below);
                    self.write(at, index, table | self.shape.table_bits(this) | bits);
                    table
                }
                (table, _) => table,
            };
        }
    }
}
