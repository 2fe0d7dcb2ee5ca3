// SPDX-License-Identifier: GPL-2.0

//! The memory that a caller has given for ranges.

use super::PageRange;

/// Bytes of one of the blocks that ranges may be scattered over: `FAST_GUP_BLOCK_SIZE`.
const BLOCK_SIZE: usize = 4096;

/// Ranges that a block has room for: `FAST_GUP_BLOCK_RANGES`.
pub(crate) const BLOCK_RANGES: usize = BLOCK_SIZE / size_of::<PageRange>();

#[derive(Clone, Copy)]
enum Memory {
    Array(*mut PageRange),
    Blocks(*const *mut PageRange),
}

/// An array of ranges, or blocks of them.
///
/// # Invariants
///
/// The memory is valid for reading and writing `room` ranges.
pub(crate) struct Buffer {
    memory: Memory,
    room: usize,
}

impl Buffer {
    /// An array.
    ///
    /// # Safety
    ///
    /// While the value exists, `ranges` must be valid for reading and writing `room` ranges, and
    /// nobody else may access them.
    pub(crate) unsafe fn array(ranges: *mut PageRange, room: usize) -> Self {
        // INVARIANT: By the precondition.
        Self {
            memory: Memory::Array(ranges),
            room,
        }
    }

    /// Blocks of [`BLOCK_RANGES`].
    ///
    /// # Safety
    ///
    /// While the value exists, `blocks` must be valid for reading `nr` pointers to such blocks, each
    /// as for [`array`](Self::array).
    pub(crate) unsafe fn blocks(blocks: *const *mut PageRange, nr: usize) -> Self {
        // INVARIANT: By the precondition. More than fits an address does not exist.
        Self {
            memory: Memory::Blocks(blocks),
            room: nr.saturating_mul(BLOCK_RANGES),
        }
    }

    /// Number of ranges that there is room for.
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Writes range number `at`. There is no effect behind the end.
    #[inline(always)]
    pub(crate) fn write(&self, at: usize, range: PageRange) {
        if at < self.room {
            // SAFETY: By the type invariant, and as there are more ranges than `at`.
            unsafe { self.entry(at).write(range) }
        }
    }

    /// Reads range number `at`, which was written.
    #[inline(always)]
    pub(crate) fn read(&self, at: usize) -> PageRange {
        if at >= self.room {
            return PageRange {
                page: core::ptr::null_mut(),
                nr_pages: 0,
            };
        }
        // SAFETY: As above.
        unsafe { self.entry(at).read() }
    }

    /// # Safety
    ///
    /// There must be more ranges than `at`.
    #[inline(always)]
    unsafe fn entry(&self, at: usize) -> *mut PageRange {
        match self.memory {
            // SAFETY: By the type invariant and the precondition, this is in the array.
            Memory::Array(ranges) => unsafe { ranges.add(at) },
            // SAFETY: As above, for the block and for the range in it.
            Memory::Blocks(blocks) => unsafe {
                (*blocks.add(at / BLOCK_RANGES)).add(at % BLOCK_RANGES)
            },
        }
    }
}
