// SPDX-License-Identifier: GPL-2.0

//! The structures for ranges.

use super::{Checked, FLAGS};
use core::mem::size_of;
use kernel::prelude::*;
use kernel::transmute::{AsBytes, FromBytes};

const _: () = {
    use core::mem::offset_of;

    assert!(size_of::<RangeInfo>() == 32);
    assert!(size_of::<Ranges>() == 112);
    assert!(offset_of!(Ranges, result) == 56);
    assert!(size_of::<Split>() == 48);
    assert!(size_of::<Pack>() == 48);
};

/// Functions that return ranges, see `enum fast_gup_ranges_entry`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangesEntry {
    Pin,
    Get,
    PinBlocks,
    GetBlocks,
}

impl RangesEntry {
    const ALL: [RangesEntry; 4] = [
        RangesEntry::Pin,
        RangesEntry::Get,
        RangesEntry::PinBlocks,
        RangesEntry::GetBlocks,
    ];

    /// Whether the ranges are pinned.
    pub(crate) fn pins(self) -> bool {
        matches!(self, RangesEntry::Pin | RangesEntry::PinBlocks)
    }

    /// Whether they are returned in blocks.
    pub(crate) fn in_blocks(self) -> bool {
        matches!(self, RangesEntry::PinBlocks | RangesEntry::GetBlocks)
    }
}

/// `struct fast_gup_range_info`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RangeInfo {
    pub(crate) pfn: u64,
    pub(crate) nr_pages: u64,
    pub(crate) order: u32,
    pub(crate) flags: u32,
    pub(crate) refs: u32,
    pub(crate) index: u32,
}

// SAFETY: There is no padding, and nothing in it is uninitialised.
unsafe impl AsBytes for RangeInfo {}

/// `struct fast_gup_ranges`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Ranges {
    size: u32,
    version: u32,
    entry: u32,
    pub(crate) flags: u32,
    pub(crate) addr: u64,
    pub(crate) len: u64,
    pub(crate) max: u64,
    pub(crate) ranges: u64,
    pub(crate) max_ranges: u64,

    pub(crate) result: i64,
    pub(crate) handle: u64,
    pub(crate) fast_pages: u64,
    pub(crate) sections: u64,
    pub(crate) longest_section: u64,
    pub(crate) wasted: u64,
    pub(crate) refusal: u32,
    reserved: u32,
}

impl Ranges {
    /// The function.
    pub(crate) fn entry(&self) -> Result<RangesEntry> {
        let at = self.entry as usize;
        RangesEntry::ALL.get(at).copied().ok_or(EINVAL)
    }

    /// Whether a flag is set.
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

checked!(Ranges, |me| me.flags & !FLAGS == 0
    && me.reserved == 0
    && me.entry().is_ok()
    && (me.ranges == 0) == (me.max_ranges == 0));

/// `struct fast_gup_split`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Split {
    size: u32,
    version: u32,
    pub(crate) handle: u64,
    pub(crate) range: u64,
    pub(crate) at: u64,

    pub(crate) result: i64,
    pub(crate) rest: u64,
}

checked!(Split, |_me| true);

/// `struct fast_gup_pack`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Pack {
    size: u32,
    version: u32,
    pub(crate) handle: u64,
    pub(crate) max_blocks: u64,

    pub(crate) packed: u64,
    pub(crate) blocks: u64,
    pub(crate) pages: u64,
}

checked!(Pack, |_me| true);
