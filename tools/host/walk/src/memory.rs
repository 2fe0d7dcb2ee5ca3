// SPDX-License-Identifier: GPL-2.0

//! Memory that holds page tables, and knows what may be read of it.
//!
//! A table that is taken out of the tree keeps its contents until the section ends, as in the
//! kernel, where interrupts that are off hold up whoever frees it. After that, reading it is a
//! failure of the test, and it comes back as another table.

use crate::format::{Level, PhysAddr};
use crate::shape::Shape;
use std::collections::BTreeMap;

/// What `POISON_FREE` makes of an entry: present and writable on x86, of all things.
const POISON: u64 = 0x6b6b_6b6b_6b6b_6b6b;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InUse,
    /// Out of the tree, waiting for the section to end.
    Unlinked,
    Freed,
}

/// A table. It is aligned to its size, which need not be that of a page: there may be several in
/// one, or one in several.
struct Allocated {
    state: State,
    level: Level,
    /// The memory of all of it, in the byte order of the machine. What is behind the entries is of
    /// another kind.
    words: Box<[u64]>,
}

/// The tables of an address space, and what became of them.
pub(crate) struct Memory {
    allocated: BTreeMap<PhysAddr, Allocated>,
    /// Where nothing was allocated yet.
    end: PhysAddr,
    in_section: bool,
    shape: Shape,
    root: PhysAddr,
}

impl Memory {
    /// An empty tree.
    pub(crate) fn new(shape: Shape) -> Self {
        let mut memory = Self {
            allocated: BTreeMap::new(),
            end: shape.tables(),
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

    /// A table without entries; one that was freed, if there is one of that size, so that mistakes
    /// meet it.
    pub(crate) fn allocate(&mut self, level: Level) -> PhysAddr {
        let size = self.shape.table_size(level);
        let words = size as usize / 8;
        let mut fresh = Allocated {
            state: State::InUse,
            level,
            words: vec![0; words].into_boxed_slice(),
        };
        fresh.words[self.shape.entries(level).min(words)..].fill(POISON);

        let reusable =
            |table: &Allocated| table.state == State::Freed && table.words.len() == words;
        let mut freed = self.allocated.iter().filter(|(_, table)| reusable(table));
        let at = match freed.next() {
            Some((&at, _)) => at,
            None => {
                let at = self.end.next_multiple_of(size);
                self.end = at + size;
                at
            }
        };
        self.allocated.insert(at, fresh);
        at
    }

    /// Frees a table that no entry points to any more.
    pub(crate) fn free(&mut self, at: PhysAddr) {
        let in_section = self.in_section;
        let table = self.table_mut(at);
        assert!(table.state == State::InUse, "a table is freed twice");
        if in_section {
            table.state = State::Unlinked;
        } else {
            table.free();
        }
    }

    pub(crate) fn section_begins(&mut self) {
        assert!(!self.in_section, "sections do not nest");
        self.in_section = true;
    }

    pub(crate) fn section_ends(&mut self) {
        assert!(self.in_section, "no section to end");
        self.in_section = false;
        for table in self.allocated.values_mut() {
            if table.state == State::Unlinked {
                table.free();
            }
        }
    }

    pub(crate) fn in_section(&self) -> bool {
        self.in_section
    }

    /// The level of the table at an address, which must be one.
    pub(crate) fn level(&self, at: PhysAddr) -> Level {
        self.table(at).level
    }

    /// The memory of an entry, as the walk reads it.
    pub(crate) fn word(&self, at: PhysAddr, index: usize) -> u64 {
        let table = self.table(at);
        assert!(
            table.state != State::Freed,
            "read of the freed table {at:#x}"
        );
        table.words[index]
    }

    /// The value of an entry.
    pub(crate) fn read(&self, at: PhysAddr, index: usize) -> u64 {
        self.shape.from_memory(self.word(at, index))
    }

    /// Writes an entry. Tables out of the tree are written, too, for they may be in another's.
    pub(crate) fn write(&mut self, at: PhysAddr, index: usize, raw: u64) {
        let word = self.shape.to_memory(raw);
        let table = self.table_mut(at);
        assert!(
            table.state != State::Freed,
            "write to the freed table {at:#x}"
        );
        table.words[index] = word;
    }

    fn table(&self, at: PhysAddr) -> &Allocated {
        match self.allocated.get(&at) {
            Some(table) => table,
            None => panic!("no table at {at:#x}"),
        }
    }

    fn table_mut(&mut self, at: PhysAddr) -> &mut Allocated {
        match self.allocated.get_mut(&at) {
            Some(table) => table,
            None => panic!("no table at {at:#x}"),
        }
    }
}

impl Allocated {
    fn free(&mut self) {
        self.state = State::Freed;
        self.words.fill(POISON);
    }
}

/// Building trees, for who makes the worlds.
impl Memory {
    /// The place of the entry of `level` for an address; makes the tables above it, with `bits` in
    /// the entries that point to them besides those of the shape.
    pub(crate) fn place(&mut self, addr: usize, level: Level, bits: u64) -> (PhysAddr, usize) {
        let shape = self.shape;
        let mut at = self.root;
        loop {
            let this = self.level(at);
            let index = shape.index(this, addr);
            if this == level {
                return (at, index);
            }
            at = match (shape.table_at(self.read(at, index)), this.below()) {
                (0, Some(below)) => {
                    let table = self.allocate(below);
                    self.write(at, index, shape.table(this, table) | bits);
                    table
                }
                (table, _) => table,
            };
        }
    }
}
