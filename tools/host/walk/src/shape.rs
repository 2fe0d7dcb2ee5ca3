// SPDX-License-Identifier: GPL-2.0

//! The shapes of page tables that the tests make: what differs between them, but for the format.

use crate::c::ppc64::Machine as Ppc64;
use crate::c::x86;
use crate::flags::Flags;
use crate::format::ppc64::Keys;
use crate::format::x86_64::X86_64;
use crate::format::x86_pae::X86Pae;
use crate::format::{Access, Geometry, Level, PhysAddr};

mod on_ppc64;
mod on_x86;

pub(crate) use on_x86::table_bits;

/// Page tables of one kind of machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// x86_64 with four levels.
    Four,
    /// x86_64 with five levels.
    Five,
    /// 32-bit x86 with PAE, and more memory than 4 GiB.
    Pae,
    /// ppc64 with radix or hash tables, and pages of 64K or 4K.
    Radix64K,
    Radix4K,
    Hash64K,
    Hash4K,
}

impl Keys for Ppc64 {
    fn allow(self, raw: u64, access: Access) -> bool {
        self.arch_pte_access_permitted(raw, access == Access::Write)
    }
}

/// The shape of the tree, and what is where in the tests.
impl Shape {
    pub(crate) const ALL: [Shape; 7] = [
        Shape::Four,
        Shape::Five,
        Shape::Pae,
        Shape::Radix64K,
        Shape::Radix4K,
        Shape::Hash64K,
        Shape::Hash4K,
    ];
    pub(crate) const PPC64: [Shape; 4] = [
        Shape::Radix64K,
        Shape::Radix4K,
        Shape::Hash64K,
        Shape::Hash4K,
    ];

    /// A machine of ppc64 with that register of keys, if it is one.
    pub(crate) fn ppc64(self, amr: u64) -> Option<Ppc64> {
        let (radix, page_shift) = match self {
            Shape::Radix64K => (true, 16),
            Shape::Radix4K => (true, 12),
            Shape::Hash64K => (false, 16),
            Shape::Hash4K => (false, 12),
            _ => return None,
        };
        Some(Ppc64 {
            radix,
            page_shift,
            amr: if radix { 0 } else { amr },
        })
    }

    pub(crate) fn root(self) -> Level {
        Level::root(match self {
            Shape::Five => 5,
            Shape::Pae => 3,
            _ => 4,
        })
    }

    /// The bits of an address below the index of `level`.
    pub(crate) fn shift(self, level: Level) -> u32 {
        match self.ppc64(0) {
            Some(machine) => machine.shift(level.index()),
            None => x86::PAGE_SHIFT + 9 * level.index() as u32,
        }
    }

    /// What a leaf of `level` maps, as the order of its number of pages.
    pub(crate) fn order(self, level: Level) -> u8 {
        (self.shift(level) - self.page_shift()) as u8
    }

    pub(crate) fn page_shift(self) -> u32 {
        self.shift(Level::PTE)
    }

    pub(crate) fn page_size(self) -> usize {
        1 << self.page_shift()
    }

    /// The entries of a table of `level`.
    pub(crate) fn entries(self, level: Level) -> usize {
        match self.ppc64(0) {
            Some(machine) => 1 << machine.index_sizes()[level.index()],
            None if self == Shape::Pae && level == Level::PUD => 4,
            None => 512,
        }
    }

    /// The number of the entry for an address.
    pub(crate) fn index(self, level: Level, addr: usize) -> usize {
        addr >> self.shift(level) & (self.entries(level) - 1)
    }

    /// The bytes of a table of `level`, to which it is aligned. It may have more than its entries.
    pub(crate) fn table_size(self, level: Level) -> u64 {
        match self.ppc64(0) {
            Some(machine) => machine.table_size(level.index()),
            None => 4096,
        }
    }

    /// The first address behind user space.
    pub(crate) fn task_size(self) -> usize {
        match self {
            Shape::Four => 1 << 47,
            Shape::Five => 1 << 56,
            Shape::Pae => 0xc000_0000,
            Shape::Radix64K | Shape::Radix4K | Shape::Hash64K => 1 << 52,
            Shape::Hash4K => 1 << 46,
        }
    }

    /// A border between two tables of PMDs, and of everything below them.
    pub(crate) fn border(self) -> usize {
        match self {
            Shape::Pae => 2 << self.shift(Level::PUD),
            _ => 1 << self.shift(Level::P4D),
        }
    }

    /// What the format is told; the C of x86 has `physical_mask`.
    pub(crate) fn geometry(self, physical_mask: u64) -> Geometry {
        let frame = physical_mask & !0xfff;
        match self.ppc64(0) {
            Some(machine) => Geometry::new(
                machine.page_shift as u8,
                machine.index_sizes(),
                machine.pte_rpn_mask(),
            ),
            None if self == Shape::Pae => X86Pae::geometry(frame, 1 << 36),
            None => X86_64::geometry(self == Shape::Five, frame),
        }
    }

    /// Whether a bit of the addresses may say that memory is encrypted.
    pub(crate) fn encrypts(self) -> bool {
        matches!(self, Shape::Four | Shape::Five)
    }

    /// Whether threads have protection keys.
    pub(crate) fn has_keys(self) -> bool {
        !matches!(self, Shape::Pae | Shape::Radix64K | Shape::Radix4K)
    }

    /// A register of keys that forbids all access to the pages of `key`, and nothing else.
    pub(crate) fn forbid(self, key: u32) -> u64 {
        match self.ppc64(0) {
            Some(_) => 0b11 << (62 - 2 * key),
            None => 0b11 << (2 * key),
        }
    }

    /// Where tables are: high, so that a frame mask that is too narrow is noticed; but in the
    /// direct map of a 32-bit machine.
    pub(crate) fn tables(self) -> PhysAddr {
        match self {
            Shape::Pae => 0x2a5a_3000,
            Shape::Four | Shape::Five => 0x2a5a_1230_0000,
            _ => 0x000a_5a5a_1230_0000,
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

/// What entries are made of.
impl Shape {
    /// An entry as memory has it: the bytes in the order of the machine.
    pub(crate) fn to_memory(self, raw: u64) -> u64 {
        match self.ppc64(0) {
            Some(_) => crate::c::ppc64::cpu_to_be64(raw),
            None => raw,
        }
    }

    /// The inverse of [`Shape::to_memory`].
    pub(crate) fn from_memory(self, word: u64) -> u64 {
        self.to_memory(word)
    }

    /// An entry of `level` that maps memory.
    pub(crate) fn leaf(self, level: Level, pfn: usize, flags: Flags) -> u64 {
        match self.ppc64(0) {
            Some(machine) => on_ppc64::leaf(&machine, level, pfn, flags),
            None => on_x86::leaf(self, level, pfn, flags),
        }
    }

    /// Whether a leaf is writable and for user space.
    pub(crate) fn flags(self, raw: u64) -> Flags {
        match self.ppc64(0) {
            Some(_) => on_ppc64::flags(raw),
            None => on_x86::flags(raw),
        }
    }

    /// The first page that a leaf maps, or one that is being split.
    pub(crate) fn pfn(self, raw: u64) -> usize {
        match self.ppc64(0) {
            Some(machine) => machine.pte_pfn(raw),
            None => (raw & on_x86::FRAME) as usize >> x86::PAGE_SHIFT,
        }
    }

    /// An entry of `level` that points to a table.
    pub(crate) fn table(self, level: Level, table: PhysAddr) -> u64 {
        match self.ppc64(0) {
            Some(machine) => machine.populate(table, level.index()),
            None => table | on_x86::table_bits(self, level),
        }
    }

    /// The address of the table that an entry points to, or would, were it present.
    pub(crate) fn table_at(self, raw: u64) -> PhysAddr {
        match self.ppc64(0) {
            Some(_) => on_ppc64::table_at(raw),
            None => raw & on_x86::FRAME,
        }
    }

    /// The table that an entry points to, if it does.
    pub(crate) fn points_to(self, raw: u64) -> Option<PhysAddr> {
        let points = match self.ppc64(0) {
            Some(_) => on_ppc64::points_to_table(raw),
            None => on_x86::points_to_table(raw),
        };
        points.then(|| self.table_at(raw))
    }

    pub(crate) fn is_present(self, raw: u64) -> bool {
        match self.ppc64(0) {
            Some(_) => on_ppc64::is_present(raw),
            None => raw & x86::_PAGE_PRESENT != 0,
        }
    }

    /// What becomes of an entry.
    pub(crate) fn changed(self, raw: u64, change: Change) -> u64 {
        match self.ppc64(0) {
            Some(machine) => on_ppc64::changed(&machine, raw, change),
            None => on_x86::changed(raw, change),
        }
    }

    /// Whether a huge page is being split, see [`Change::Split`].
    pub(crate) fn is_splitting(self, raw: u64) -> bool {
        match self.ppc64(0) {
            Some(machine) => machine.pmd_is_serializing(raw) && machine.leaf(raw),
            None => on_x86::is_splitting(raw),
        }
    }

    /// An entry of a page that is swapped out.
    pub(crate) fn swap_entry(self) -> u64 {
        match self.ppc64(0) {
            Some(machine) => on_ppc64::swap_entry(&machine),
            None => 0x00ff_ee00_0000_1200,
        }
    }

    /// Bits which are wrong, or missing, if they change in an entry that points to a table.
    pub(crate) fn spoils(self) -> &'static [u64] {
        match self.ppc64(0) {
            Some(_) => &on_ppc64::SPOILS,
            None => &on_x86::SPOILS,
        }
    }
}

/// What is done to the entry of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    WriteProtect,
    ProtNone,
    /// What the CPU, or the kernel for it, sets at any time.
    Accessed,
    Dirty,
    /// `hash_page()` begins, and ends, to fill the table of hashes from it.
    Busy,
    Hashed,
    /// `ptep_modify_prot_start()`: nobody may use it until it has its new value.
    Protect,
    /// `pmdp_invalidate()`: a huge page is being split.
    Split,
    /// Not present, and nothing else.
    Absent,
}

/// The number of the page at that address.
pub(crate) const FOUR_GIB: usize = 1 << 20;
