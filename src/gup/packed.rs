// SPDX-License-Identifier: GPL-2.0

//! The API of packed ranges, see [`crate::packed`].

use crate::packed::{self, Block, PfnRange};
use crate::ranges::PageRange;
use kernel::bindings;

/// `fast_gup_pack_ranges()`: ranges into blocks.
///
/// # Safety
///
/// `ranges` must be `nr` ranges, and `blocks` must be `nr_blocks` pointers to blocks, which nobody
/// else accesses.
#[no_mangle]
pub(crate) unsafe extern "C" fn fast_gup_pack_ranges(
    ranges: *const PageRange,
    nr: usize,
    blocks: *const *mut Block,
    nr_blocks: &mut usize,
) -> usize {
    let ranges = (0..nr).map(|i| {
        // SAFETY: By the precondition; the pages of a range exist.
        unsafe {
            let PageRange { page, nr_pages } = *ranges.add(i);
            // CASTS: On no machine is either wider than 64 bits.
            PfnRange {
                first: bindings::page_to_pfn(page) as u64,
                nr_pages: nr_pages as u64,
            }
        }
    });
    // SAFETY: By the precondition, and each of them is used once.
    let blocks = (0..*nr_blocks).map(|i| unsafe { &mut **blocks.add(i) });
    let (packed, used) = packed::pack(ranges, blocks);

    *nr_blocks = used;
    packed
}

/// `fast_gup_unpack_ranges()`: the ranges in a block.
///
/// # Safety
///
/// The block must be one that was packed, and nobody may write to it meanwhile. `ranges` must be
/// valid for writing `max` ranges.
#[no_mangle]
pub(crate) unsafe extern "C" fn fast_gup_unpack_ranges(
    block: &Block,
    ranges: *mut PageRange,
    max: usize,
) -> usize {
    let unpacked = packed::ranges(block).take(max).enumerate();

    unpacked
        .map(|(i, range)| {
            // SAFETY: By the precondition, and as the range was packed from one of pages.
            // CASTS: It was not wider then.
            unsafe {
                ranges.add(i).write(PageRange {
                    page: bindings::pfn_to_page(range.first as usize),
                    nr_pages: range.nr_pages as usize,
                });
            }
        })
        .count()
}

/// `fast_gup_packed_pages()`: the number of pages in blocks.
///
/// # Safety
///
/// `blocks` must be `nr_blocks` pointers to blocks that were packed, to which nobody writes.
#[no_mangle]
pub(crate) unsafe extern "C" fn fast_gup_packed_pages(
    blocks: *const *const Block,
    nr_blocks: usize,
) -> u64 {
    // SAFETY: By the precondition.
    packed::total((0..nr_blocks).map(|i| unsafe { &**blocks.add(i) }))
}
