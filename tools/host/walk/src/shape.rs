// SPDX-License-Identifier: GPL-2.0

//! The shapes of page tables that the tests make: what differs between them, but for the format.

use crate::c::x86::*;
use crate::format::x86_64::X86_64;
use crate::format::x86_pae::X86Pae;
use crate::format::{Geometry, Level, PhysAddr};

/// Page tables of one kind of machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// x86_64 with four levels.
    Four,
    /// x86_64 with five levels.
    Five,
    /// 32-bit x86 with PAE, and more memory than 4 GiB.
    Pae,
}

impl Shape {
    pub(crate) const ALL: [Shape; 3] = [Shape::Four, Shape::Five, Shape::Pae];

    pub(crate) fn root(self) -> Level {
        Level::root(match self {
            Shape::Four => 4,
            Shape::Five => 5,
            Shape::Pae => 3,
        })
    }

    /// The first address behind user space.
    pub(crate) fn task_size(self) -> usize {
        match self {
            Shape::Four => 1 << 47,
            Shape::Five => 1 << 56,
            Shape::Pae => 0xc000_0000,
        }
    }

    /// A border between two tables of PMDs, and of everything below them.
    pub(crate) fn border(self) -> usize {
        match self {
            Shape::Pae => 2 << PUD_SHIFT,
            _ => 1 << 39,
        }
    }

    /// What the format is told, where the C has `physical_mask`.
    pub(crate) fn geometry(self, physical_mask: u64) -> Geometry {
        let frame = physical_mask & !0xfff;
        match self {
            Shape::Four => X86_64::geometry(false, frame),
            Shape::Five => X86_64::geometry(true, frame),
            Shape::Pae => X86Pae::geometry(frame, 1 << 36),
        }
    }

    /// Bits that are clear in an entry that maps memory, or a table.
    pub(crate) fn reserved(self) -> u64 {
        match self {
            Shape::Pae => !_PAGE_NX & !((1 << 36) - 1),
            _ => 0,
        }
    }

    /// The flags of an entry of `level` that points to a table. See `pud_populate()` of PAE.
    pub(crate) fn table_bits(self, level: Level) -> u64 {
        match self {
            Shape::Pae if level == Level::PUD => _PAGE_PRESENT,
            _ => _PAGE_TABLE,
        }
    }

    /// The entries of a table of `level`.
    pub(crate) fn entries(self, level: Level) -> usize {
        match self {
            Shape::Pae if level == Level::PUD => 4,
            _ => 512,
        }
    }

    /// `_PAGE_SAVED_DIRTY`.
    pub(crate) fn saved_dirty(self) -> u64 {
        match self {
            Shape::Pae => _PAGE_SAVED_DIRTY_32,
            _ => _PAGE_SAVED_DIRTY,
        }
    }

    /// Where tables are: high, so that a frame mask that is too narrow is noticed; but in the
    /// direct map of a 32-bit machine.
    pub(crate) fn tables(self) -> PhysAddr {
        match self {
            Shape::Pae => 0x2a5a_3000,
            _ => 0x2a5a_1230_0000,
        }
    }

    /// Where memory begins that a small test maps: with PAE, a little in front of 8 GiB.
    pub(crate) fn memory(self, order: u8) -> usize {
        match self {
            Shape::Pae => 2 * FOUR_GIB - (1 << order.max(4)),
            _ => 0x4_0000,
        }
    }

    /// Memory that nobody has used yet. With PAE, the first page has an address whose lower half
    /// is that of [`Shape::memory`].
    pub(crate) fn fresh(self) -> usize {
        match self {
            Shape::Pae => 3 * FOUR_GIB - 16,
            _ => 0x10_0000,
        }
    }
}

/// The number of the page at that address.
pub(crate) const FOUR_GIB: usize = 1 << 20;
