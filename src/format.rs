// SPDX-License-Identifier: GPL-2.0

//! Formats of page tables: what the bits of an entry mean, and nothing else.
//!
//! A format is a pure function of the entry's value. It reads no memory but through the [`Slot`]
//! that it is handed, so that every format compiles on every architecture and on the host, where
//! the tests drive it with tables of their own. Only the choice of the native one is `cfg`.

use crate::refusal::Refusal;

#[cfg_attr(
    not(CONFIG_PPC_BOOK3S_64),
    allow(dead_code, reason = "compiled everywhere, native on one")
)]
pub(crate) mod ppc64;
#[cfg_attr(
    not(CONFIG_PPC_BOOK3S_64),
    allow(dead_code, reason = "compiled everywhere, native on one")
)]
pub(crate) mod ppc64_hash;
#[cfg_attr(
    not(CONFIG_PPC_BOOK3S_64),
    allow(dead_code, reason = "compiled everywhere, native on one")
)]
pub(crate) mod ppc64_radix;
#[cfg_attr(
    not(CONFIG_X86),
    allow(dead_code, reason = "compiled everywhere, native on one")
)]
pub(crate) mod x86;
#[cfg_attr(
    not(CONFIG_X86_64),
    allow(dead_code, reason = "compiled everywhere, native on one")
)]
pub(crate) mod x86_64;
#[cfg_attr(
    not(CONFIG_X86_PAE),
    allow(dead_code, reason = "compiled everywhere, native on one")
)]
pub(crate) mod x86_pae;

/// Number of a page frame.
pub(crate) type Pfn = usize;

/// A physical address; 64 bits wide on 32-bit machines, too.
pub(crate) type PhysAddr = u64;

/// The deepest tree of tables any format has.
pub(crate) const MAX_LEVELS: usize = 5;

/// Level of a table or of its entries, counted from the pages up.
///
/// C folds the levels that a machine does not have; here they do not exist: the root of four-level
/// tables is at level [`Level::P4D`], whatever C calls it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Level(u8);

#[allow(dead_code, reason = "the walk needs no name for some of them")]
impl Level {
    pub(crate) const PTE: Level = Level(0);
    pub(crate) const PMD: Level = Level(1);
    pub(crate) const PUD: Level = Level(2);
    pub(crate) const P4D: Level = Level(3);
    pub(crate) const PGD: Level = Level(4);

    /// The level of the root of a tree of `levels` tables.
    #[inline(always)]
    pub(crate) const fn root(levels: u8) -> Level {
        Level(levels - 1)
    }

    /// The level below, or `None` for the level of the pages.
    #[inline(always)]
    pub(crate) fn below(self) -> Option<Level> {
        self.0.checked_sub(1).map(Level)
    }

    /// Index of this level in arrays of [`MAX_LEVELS`].
    #[inline(always)]
    pub(crate) const fn index(self) -> usize {
        // The mask is no-op that lets the compiler drop the bounds checks.
        (self.0 & 7) as usize
    }
}

/// Shape of the tables: chosen once, at run time.
///
/// # Invariants
///
/// - `1 <= levels <= MAX_LEVELS`, and `shift` and `bits` are filled for that many levels.
/// - `shift[0]` is the page shift, and `shift[n + 1] == shift[n] + bits[n]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    levels: u8,
    shift: [u8; 8],
    bits: [u8; 8],
    frame: PhysAddr,
    end: PhysAddr,
}

impl Geometry {
    /// Describes tables with `bits[n]` bits of index at level `n`, which map pages of
    /// `1 << page_shift` bytes. `frame` are the bits of an entry that hold a physical address.
    pub(crate) const fn new<const LEVELS: usize>(
        page_shift: u8,
        bits: [u8; LEVELS],
        frame: PhysAddr,
    ) -> Self {
        assert!(LEVELS >= 1 && LEVELS <= MAX_LEVELS);

        let mut geometry = Self {
            levels: LEVELS as u8,
            shift: [0; 8],
            bits: [0; 8],
            frame,
            end: PhysAddr::MAX,
        };
        let mut shift = page_shift;
        let mut level = 0;
        while level < LEVELS {
            geometry.shift[level] = shift;
            geometry.bits[level] = bits[level];
            shift += bits[level];
            level += 1;
        }
        geometry
    }

    /// The same for a machine whose memory ends at `end`.
    pub(crate) const fn with_memory_end(self, end: PhysAddr) -> Self {
        Self { end, ..self }
    }

    /// Number of levels.
    #[inline(always)]
    pub(crate) fn levels(&self) -> u8 {
        self.levels
    }

    /// Level of the root table.
    #[inline(always)]
    pub(crate) fn root(&self) -> Level {
        Level::root(self.levels)
    }

    /// Bits of an entry that hold a physical address.
    #[inline(always)]
    pub(crate) fn frame_mask(&self) -> PhysAddr {
        self.frame
    }

    /// The physical address behind all memory, where a format asks for it.
    #[inline(always)]
    pub(crate) fn memory_end(&self) -> PhysAddr {
        self.end
    }

    /// Number of bits of the offset in a page.
    #[inline(always)]
    pub(crate) fn page_shift(&self) -> u8 {
        self.shift[0]
    }

    /// Bytes that one entry of `level` maps.
    #[inline(always)]
    pub(crate) fn size(&self, level: Level) -> usize {
        1usize.wrapping_shl(u32::from(self.shift[level.index()]))
    }

    /// Index of the entry for `addr` in its table of `level`.
    #[inline(always)]
    pub(crate) fn index(&self, level: Level, addr: usize) -> usize {
        // By the type invariant, no shift is as wide as an address; the compiler cannot know.
        addr.wrapping_shr(u32::from(self.shift[level.index()])) & (self.entries(level) - 1)
    }

    /// Number of entries in a table of `level`.
    #[inline(always)]
    pub(crate) fn entries(&self, level: Level) -> usize {
        1usize.wrapping_shl(u32::from(self.bits[level.index()]))
    }
}

/// Memory of one entry, as a format may read it.
///
/// Each read is one access of that size, in the byte order of the CPU, and never a locked one: the
/// CPU and others write to the entry at the same time.
pub(crate) trait Slot: Copy {
    /// Reads a 64-bit entry, on a machine that does so at once.
    fn read_u64(self) -> u64;

    /// Reads the less significant half of a 64-bit entry.
    fn read_low(self) -> u32;

    /// Reads the more significant half of a 64-bit entry.
    fn read_high(self) -> u32;

    /// `smp_rmb()`: reads in front of it are made before reads behind it.
    fn read_barrier(self);
}

/// What an entry above the level of the pages says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// The table of the level below is at this address.
    Table(PhysAddr),
    /// The entry maps memory itself.
    Leaf,
    /// The walk ends here.
    Refused(Refusal),
}

/// Access that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A format of page table entries.
///
/// Formats obey two laws, which the host tests check for all combinations of flags: an entry that
/// [`permitted`](Format::permitted) accepts maps memory that has a `struct page`; and if no
/// [`difference`](Format::difference) between two entries [`matters`](Format::matters), `permitted`
/// answers the same for both and their frames are so many pages apart.
pub(crate) trait Format: 'static {
    /// Name in messages and in `/dev/fast_gup`.
    const NAME: &'static str;

    /// The value of an entry. Two reads of an entry that give equal values found it unchanged.
    type Raw: Copy + PartialEq;

    /// Access asked for, together with what the thread is allowed by its protection keys.
    type Rights: Copy;

    /// Reads an entry. A value that is present is one that the entry held at some instant; others
    /// are only known not to be present.
    fn load<S: Slot>(slot: S) -> Self::Raw;

    /// Interprets an entry of a level above the pages.
    fn entry(raw: Self::Raw, level: Level, geometry: &Geometry) -> Entry;

    /// Whether a leaf may be accessed.
    fn permitted(raw: Self::Raw, rights: Self::Rights) -> bool;

    /// Why [`permitted`](Format::permitted) says no.
    fn refusal(raw: Self::Raw, rights: Self::Rights) -> Refusal;

    /// The first page that a leaf of `level` maps.
    fn pfn(raw: Self::Raw, level: Level, geometry: &Geometry) -> Pfn;

    /// Number of bits of the offset in a page: for formats that have it as a constant, one that the
    /// compiler knows.
    #[inline(always)]
    fn page_shift(geometry: &Geometry) -> u32 {
        u32::from(geometry.page_shift())
    }

    /// Index of the entry for `addr` in its table of `level`: for formats whose tables all have the
    /// same size, one that needs no memory.
    #[inline(always)]
    fn index(level: Level, addr: usize, geometry: &Geometry) -> usize {
        geometry.index(level, addr)
    }

    /// Whether a leaf maps memory for writing.
    fn writable(raw: Self::Raw) -> bool;

    /// The bits in which `raw` differs from the entry of the level of the pages that maps the page
    /// `nr` behind the one of `first` with the same permissions.
    fn difference(first: Self::Raw, raw: Self::Raw, nr: usize, geometry: &Geometry) -> u64;

    /// Whether any of the bits of a [`difference`](Format::difference), or of several, matters.
    fn matters(difference: u64, geometry: &Geometry) -> bool;
}
