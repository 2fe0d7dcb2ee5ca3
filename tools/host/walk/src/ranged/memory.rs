// SPDX-License-Identifier: GPL-2.0

//! What a caller gives the list to write its ranges to.

use super::{pfn, Held};
use crate::ranges::{Buffer, PageRange};
use std::cell::Cell;

/// Ranges in a block.
const BLOCK_RANGES: usize = 4096 / size_of::<PageRange>();

/// Memory for ranges: an array, or blocks.
pub(crate) struct Memory {
    ranges: Vec<Cell<PageRange>>,
    blocks: Vec<*mut PageRange>,
}

impl Memory {
    fn unwritten(room: usize) -> Vec<Cell<PageRange>> {
        let page = std::ptr::null_mut();
        let nr_pages = usize::MAX;
        vec![Cell::new(PageRange { page, nr_pages }); room]
    }

    pub(crate) fn array(room: usize) -> Self {
        Self {
            ranges: Self::unwritten(room),
            blocks: Vec::new(),
        }
    }

    /// As many blocks, the last one first.
    pub(crate) fn blocks(nr: usize) -> Self {
        let ranges = Self::unwritten(nr * BLOCK_RANGES);
        let blocks = ranges.chunks(BLOCK_RANGES).map(|block| block[0].as_ptr());
        Self {
            blocks: blocks.rev().collect(),
            ranges,
        }
    }

    pub(crate) fn room(&self) -> usize {
        self.ranges.len()
    }

    pub(super) fn buffer(&self) -> Buffer {
        // SAFETY: The vectors are as long, and are cells; the buffers live shorter than the memory.
        unsafe {
            if self.blocks.is_empty() {
                Buffer::array(self.ranges.as_ptr().cast_mut().cast(), self.room())
            } else {
                Buffer::blocks(self.blocks.as_ptr(), self.blocks.len())
            }
        }
    }

    /// The first `nr` ranges.
    pub(super) fn read(&self, nr: usize) -> Vec<Held> {
        let ranges: Vec<PageRange> = if self.blocks.is_empty() {
            self.ranges.iter().map(Cell::get).collect()
        } else {
            let blocks = self.ranges.chunks(BLOCK_RANGES).rev();
            blocks.flatten().map(Cell::get).collect()
        };
        let held = ranges.iter().take(nr).map(|range| Held {
            first: pfn(range.page),
            nr: range.nr_pages,
        });
        held.collect()
    }
}
