// SPDX-License-Identifier: GPL-2.0

//! Random address spaces: pieces of all kinds, one behind the other.

use crate::flags::Flags;
use crate::folios::Kind;
use crate::format::{Level, Pfn};
use crate::refusal::Refusal;
use crate::shape::{Change, Shape, FOUR_GIB};
use crate::world::World;
use proptest::prelude::*;

/// Memory to map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) order: u8,
    pub(crate) kind: Kind,
    /// The pages from this one on are not exclusive.
    pub(crate) shared_from: Option<usize>,
    pub(crate) refuses: Option<Refusal>,
}

/// A piece of an address space.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// A part of a folio, mapped by consecutive entries; one of them may have other flags.
    Pages {
        memory: Memory,
        skip: usize,
        pages: usize,
        flags: Flags,
        odd: Option<(usize, Flags)>,
    },
    /// One leaf, at the next address that is aligned to it; what is before is filled.
    Huge {
        memory: Memory,
        pud: bool,
        flags: Flags,
    },
    Hole {
        pages: usize,
    },
    /// Entries that are not present but not empty.
    Swapped {
        raw: u64,
        pages: usize,
    },
    /// A page whose entry at a level above it is changed afterwards, in one of the ways to
    /// [spoil](Shape::spoils) it.
    Spoiled {
        level: usize,
        change: usize,
    },
}

/// An address space.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) shape: Shape,
    /// Memory encryption: a bit of each address of memory that is none of the address.
    pub(crate) encrypted: bool,
    pub(crate) base: usize,
    /// Which entries have the bits that the CPU sets, and some that mean nothing to the walk.
    pub(crate) noise: u64,
    pub(crate) pieces: Vec<Piece>,
}

/// A world made of a space.
pub(crate) struct Built {
    pub(crate) world: World,
    /// Where the pieces begin, and where the last one ends.
    pub(crate) borders: Vec<usize>,
}

const ENCRYPTED: u64 = 1 << 47;

impl Space {
    pub(crate) fn physical_mask(&self) -> u64 {
        let mask = (1 << 52) - 1;
        if self.encrypted {
            mask & !ENCRYPTED
        } else {
            mask
        }
    }

    pub(crate) fn task_size(&self) -> usize {
        self.shape.task_size()
    }

    pub(crate) fn build(&self) -> Built {
        let mut builder = Builder {
            space: self,
            world: World::new(self.shape),
            addr: self.base,
            // With PAE, the pieces lie on both sides of 4 GiB.
            pfn: if self.shape == Shape::Pae {
                FOUR_GIB - 0x400
            } else {
                0x4_0000
            },
        };
        let mut borders = vec![self.base];
        for piece in &self.pieces {
            let most = if self.shape == Shape::Pae {
                8 << self.shape.shift(Level::PMD)
            } else {
                2 << self.shape.shift(Level::PUD)
            };
            if self.task_size() - builder.addr <= most {
                break;
            }
            builder.piece(piece);
            borders.push(builder.addr);
        }
        Built {
            world: builder.world,
            borders,
        }
    }
}

struct Builder<'a> {
    space: &'a Space,
    world: World,
    addr: usize,
    /// The first page of memory that is free.
    pfn: Pfn,
}

impl Builder<'_> {
    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Pages {
                memory,
                skip,
                pages,
                flags,
                odd,
            } => {
                let first = self.allocate(memory);
                let skip = skip % (1 << memory.order);
                let pages = (*pages).min((1 << memory.order) - skip);
                for i in 0..pages {
                    let odd = odd
                        .filter(|&(at, _)| at == i)
                        .map_or(Flags::NONE, |(_, change)| change);
                    self.map(Level::PTE, first + skip + i, *flags ^ odd);
                }
            }
            Piece::Huge { memory, pud, flags } => {
                let pud = *pud && self.space.shape != Shape::Pae;
                let level = if pud { Level::PUD } else { Level::PMD };
                self.fill(level);
                let pages = 1usize << self.space.shape.order(level);
                let mut first = self.allocate(memory);
                // A leaf of more than one folio, if the folios are small.
                let aligned = first.next_multiple_of(pages);
                while first < aligned {
                    first = self.allocate(memory);
                }
                while self.pfn < first + pages {
                    self.allocate(memory);
                }
                self.map(level, first, *flags);
            }
            Piece::Hole { pages } => self.addr += pages * self.space.shape.page_size(),
            Piece::Swapped { raw, pages } => {
                let shape = self.space.shape;
                for _ in 0..*pages {
                    self.write(Level::PTE, shape.changed(*raw, Change::Absent));
                    self.addr += shape.page_size();
                }
            }
            Piece::Spoiled { level, change } => {
                let shape = self.space.shape;
                // In a table of its own, so that only what is behind it is lost.
                self.fill(Level::PMD);
                let addr = self.addr;
                let first = self.allocate(&PLAIN);
                self.map(Level::PTE, first, Flags::GOOD);
                let levels = [Level::PMD, Level::PUD, Level::P4D, Level::root(5)];
                let level = levels[level % shape.root().index()];
                let change = shape.spoils()[change % shape.spoils().len()];
                let mut tables = self.world.memory.borrow_mut();
                let (at, index) = tables.place(addr, level, self.table_bits());
                let raw = tables.read(at, index);
                tables.write(at, index, raw ^ change);
            }
        }
    }

    /// Maps pages and huge pages up to the next address that is aligned to a leaf of `level`.
    fn fill(&mut self, level: Level) {
        let shape = self.space.shape;
        for (by, to) in [(Level::PTE, Level::PMD), (Level::PMD, level)] {
            let order = shape.order(by);
            let mut first = None;
            while self.addr % (1 << shape.shift(to)) != 0 {
                let memory = Memory { order, ..PLAIN };
                let pfn = *first.get_or_insert_with(|| self.allocate(&memory));
                self.map(by, pfn, Flags::GOOD);
                // The huge pages are one and the same, to save memory.
                if by == Level::PTE {
                    first = None;
                }
            }
        }
    }

    fn allocate(&mut self, memory: &Memory) -> Pfn {
        let pages = 1 << memory.order;
        let first = self.pfn.next_multiple_of(pages);
        self.pfn = first + pages;

        let mut folios = self.world.folios.borrow_mut();
        let folio = folios.add(first, memory.order, memory.kind);
        folio.refuses = memory.refuses;
        if let Some(from) = memory.shared_from {
            // Not all of them, of a folio that is huge: the first is what matters.
            folio.shared = (first + from..first + pages).take(600).collect();
        }
        first
    }

    fn map(&mut self, level: Level, pfn: Pfn, flags: Flags) {
        let shape = self.space.shape;
        let mut raw = shape.leaf(level, pfn, flags | self.noise());
        if shape.ppc64(0).is_none() && !shape.is_present(raw) {
            // A PROT_NONE entry of x86 has its address inverted.
            raw ^= self.space.physical_mask() & !0xfff;
        }
        if self.space.encrypted {
            raw |= ENCRYPTED;
        }
        self.write(level, raw);
        self.addr += 1 << shape.shift(level);
    }

    fn write(&mut self, level: Level, raw: u64) {
        let bits = self.table_bits();
        let mut tables = self.world.memory.borrow_mut();
        let (at, index) = tables.place(self.addr, level, bits);
        tables.write(at, index, raw);
    }

    /// What an entry that points to a table has besides its flags.
    fn table_bits(&self) -> u64 {
        if self.space.encrypted {
            ENCRYPTED
        } else {
            0
        }
    }

    /// Flags that differ from entry to entry without any rule.
    fn noise(&self) -> Flags {
        let mixed = (self.addr as u64 ^ self.space.noise).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let noisy = [
            Flags::ACCESSED,
            Flags::DIRTY,
            Flags::SOFT_DIRTY,
            Flags::NOISE,
        ];
        let chosen = (0..4).filter(|i| mixed >> i & 1 != 0);
        chosen.fold(Flags::NONE, |flags, i| flags | noisy[i])
    }
}

const PLAIN: Memory = Memory {
    order: 0,
    kind: Kind::Anon,
    shared_from: None,
    refuses: None,
};

fn flags() -> impl Strategy<Value = Flags> {
    let key = (0u32..32).prop_map(|key| Flags::GOOD | Flags::key(key));
    prop_oneof![
        20 => Just(Flags::GOOD),
        3 => Just(Flags::GOOD | Flags::NOEXEC),
        3 => key,
        8 => Just(Flags::READ_ONLY),
        1 => Just(Flags::READ_ONLY | Flags::MARK),
        1 => Just(Flags::READ_ONLY | Flags::DIRTY),
        1 => Just(Flags::GOOD | Flags::SPECIAL),
        1 => Just(Flags::GOOD.without(Flags::USER)),
        1 => Just(Flags::PROTNONE | Flags::ACCESSED),
    ]
}

fn memory(orders: impl Strategy<Value = u8>) -> impl Strategy<Value = Memory> {
    let kind = prop_oneof![
        16 => Just(Kind::Anon),
        8 => Just(Kind::File { mapped: true }),
        1 => Just(Kind::File { mapped: false }),
        1 => Just(Kind::Secret { mapped: true }),
    ];
    let refuses = prop_oneof![
        60 => Just(None),
        1 => Just(Some(Refusal::Reference)),
        1 => Just(Some(Refusal::P2pdma)),
        1 => Just(Some(Refusal::Longterm)),
    ];
    let shared = prop_oneof![3 => Just(None), 1 => (0usize..100).prop_map(Some)];
    (orders, kind, shared, refuses).prop_map(|(order, kind, shared_from, refuses)| Memory {
        order,
        kind,
        shared_from: shared_from.map(|from| from % (1 << order)),
        refuses,
    })
}

fn piece() -> impl Strategy<Value = Piece> {
    let order = prop_oneof![3 => Just(0u8), 3 => 1u8..5, 2 => 5u8..11, 1 => 11u8..=18];
    let odd_flag = prop::sample::select(vec![
        Flags::WRITE,
        Flags::NOEXEC,
        Flags::SPECIAL,
        Flags::key(1),
        Flags::MARK,
        Flags::PRESENT,
        Flags::USER,
    ]);
    let odd = prop::option::weighted(0.3, (0usize..64, odd_flag));
    let pages = (memory(order), any::<usize>(), 1usize..900, flags(), odd);
    let orders = prop_oneof![6 => Just(9u8), 1 => Just(6u8), 1 => 10u8..=18];
    prop_oneof![
        12 => pages.prop_map(|(memory, skip, pages, flags, odd)| Piece::Pages {
            memory,
            skip,
            pages,
            flags,
            odd,
        }),
        4 => (memory(orders), flags())
            .prop_map(|(memory, flags)| Piece::Huge { memory, pud: false, flags }),
        1 => (memory(Just(18u8)), flags())
            .prop_map(|(memory, flags)| Piece::Huge { memory, pud: true, flags }),
        1 => (1usize..700).prop_map(|pages| Piece::Hole { pages }),
        1 => (any::<u64>(), 1usize..5).prop_map(|(raw, pages)| Piece::Swapped { raw, pages }),
        1 => (0usize..4, any::<usize>()).prop_map(|(level, change)| Piece::Spoiled { level, change }),
    ]
}

/// Spaces that begin in front of a border between two tables of any level.
pub(crate) fn space() -> impl Strategy<Value = Space> {
    let border = prop::sample::select(vec![Level::PMD, Level::PUD, Level::P4D]);
    let shape = prop::sample::select(&Shape::ALL[..]);
    let start = (border, 1usize..200, 0usize..700);
    let top = prop::bool::weighted(0.1);
    (
        shape,
        any::<bool>(),
        start,
        top,
        any::<u64>(),
        prop::collection::vec(piece(), 1..14),
    )
        .prop_map(|(shape, encrypted, start, top, noise, pieces)| {
            let (mut border, mut number, before) = start;
            let mut below_top = 4usize << shape.shift(Level::PUD);
            if shape == Shape::Pae {
                border = border.min(Level::PUD);
                if border == Level::PUD {
                    number = 1 + number % 2;
                }
                below_top = 64 << shape.shift(Level::PMD);
            }
            let place = number << shape.shift(border);
            let before = before * shape.page_size();
            let low = place - before.min(place);
            let high = shape.task_size() - below_top + before;
            Space {
                shape,
                encrypted: encrypted && shape.encrypts(),
                base: if top { high } else { low },
                noise,
                pieces,
            }
        })
}
