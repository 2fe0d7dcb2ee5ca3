// SPDX-License-Identifier: GPL-2.0

//! Ranges on behalf of user space: got, held, split, packed.

use super::abi::{self, Pack, RangeInfo, Ranges, RangesEntry, Split, Undo};
use super::call;
use super::held::{Held, Owned, OwnedRanges};
use crate::gup::{packed, ranges};
use crate::packed::{Block, WORDS};
use crate::ranges::{Buffer, PageRange, BLOCK_RANGES};
use crate::walk::Tally;
use core::mem::size_of;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Mutex;
use kernel::uaccess::{UserPtr, UserSlice};

/// Ranges that one call may ask for.
const MOST_RANGES: usize = 1 << 20;
/// Blocks that one call may ask for.
const MOST_BLOCKS: usize = 1 << 12;

/// `FAST_GUP_IOC_RANGES`.
pub(super) fn call<'a>(
    held: &'a Mutex<Held>,
    call: &mut Ranges,
) -> Result<Undo<impl FnOnce() + 'a>> {
    let entry = call.entry()?;
    // What a 32-bit kernel cannot pass on as it is must not become another request.
    let fit = |value| usize::try_from(value).map_err(|_| ERANGE);
    let (addr, len, max) = (fit(call.addr)?, fit(call.len)?, fit(call.max)?);
    let flags = call::foll(call.flags);
    let mut cursor = ranges::Cursor { addr };

    let (result, tally, owned) = run(&mut cursor, len, flags, max, entry, call)?;
    report(call, owned.ranges())?;

    call.addr = cursor.addr as u64;
    call.result = result as i64;
    call.fast_pages = tally.pages as u64;
    call.sections = tally.sections as u64;
    call.longest_section = tally.longest_section as u64;
    call.wasted = tally.wasted as u64;
    call.refusal = tally.refusal;
    call.handle = 0;
    if call.has(abi::FLAG_HOLD) && result > 0 {
        call.handle = held.lock().keep(Owned::Ranges(owned))?;
    }

    let handle = call.handle;
    Ok(Undo(move || {
        // The guard is dropped before the ranges are: releasing them may take a while.
        let owned = held.lock().take(handle);
        drop(owned);
    }))
}

/// Calls the function, and returns its answer, what the walks did, and the ranges.
fn run(
    cursor: &mut ranges::Cursor,
    len: usize,
    flags: u32,
    max: usize,
    entry: RangesEntry,
    call: &Ranges,
) -> Result<(isize, Tally, OwnedRanges)> {
    let most = if entry.in_blocks() {
        MOST_BLOCKS
    } else {
        MOST_RANGES
    };
    if max > most {
        return Err(E2BIG);
    }
    let get = if entry.pins() {
        ranges::get::<true>
    } else {
        ranges::get::<false>
    };
    let room = if entry.in_blocks() {
        max * BLOCK_RANGES
    } else {
        max
    };
    let writable = call.has(abi::FLAG_WRITE);
    let mut owned = OwnedRanges::with_room(room, entry.pins(), writable)?;

    let blocks = Blocks::new(if entry.in_blocks() { max } else { 0 })?;
    let buffer = if entry.in_blocks() {
        // SAFETY: There are as many blocks, and nobody else knows them.
        unsafe { Buffer::blocks(blocks.pointers(), max) }
    } else {
        // SAFETY: There is room for as many ranges, and nobody else knows them.
        unsafe { Buffer::array(owned.room(), max) }
    };
    let mut tally = Tally::new();
    let result = get(cursor, len, flags, buffer, &mut tally);
    let nr = usize::try_from(result).unwrap_or(0);

    if entry.in_blocks() {
        blocks.copy_to(owned.room(), nr);
    }
    // SAFETY: The function has written as many ranges as it says, and what holds them is ours.
    unsafe { owned.set_filled(nr) };
    Ok((result, tally, owned))
}

/// Blocks of ranges, which are not next to each other.
struct Blocks {
    blocks: KVVec<KVec<PageRange>>,
    pointers: KVVec<*mut PageRange>,
}

impl Blocks {
    fn new(nr: usize) -> Result<Self> {
        let mut blocks = KVVec::with_capacity(nr, GFP_KERNEL)?;
        let mut pointers = KVVec::with_capacity(nr, GFP_KERNEL)?;

        for _ in 0..nr {
            let mut block = KVec::with_capacity(BLOCK_RANGES, GFP_KERNEL)?;
            pointers.push(block.as_mut_ptr(), GFP_KERNEL)?;
            blocks.push(block, GFP_KERNEL)?;
        }
        Ok(Self { blocks, pointers })
    }

    fn pointers(&self) -> *const *mut PageRange {
        self.pointers.as_ptr()
    }

    /// Copies the first `nr` ranges.
    fn copy_to(&self, to: *mut PageRange, nr: usize) {
        for i in 0..nr {
            let block = self.blocks[i / BLOCK_RANGES].as_ptr();
            // SAFETY: `nr` of them are written, and the caller has room for as many.
            unsafe { to.add(i).write(*block.add(i % BLOCK_RANGES)) };
        }
    }
}

/// `FAST_GUP_IOC_SPLIT`.
pub(super) fn split<'a>(
    held: &'a Mutex<Held>,
    split: &mut Split,
) -> Result<Undo<impl FnOnce() + 'a>> {
    let at = usize::try_from(split.at).map_err(|_| ERANGE)?;
    let mut held_now = held.lock();
    let owned = held_now.find_ranges(split.handle)?;
    let mut rest = owned.alike(1)?;
    let range = usize::try_from(split.range)
        .ok()
        .and_then(|nr| owned.ranges_mut().get_mut(nr))
        .ok_or(ERANGE)?;

    // SAFETY: What holds the range is ours.
    let ret = unsafe {
        let room = &mut *rest.room();
        if rest.pinned() {
            ranges::fast_gup_split_range(range, at, room)
        } else {
            ranges::fast_gup_split_got_range(range, at, room)
        }
    };

    split.result = ret.into();
    split.rest = 0;
    if ret == 0 {
        // SAFETY: The function has written the range, and what holds it is ours.
        unsafe { rest.set_filled(1) };
        split.rest = held_now.keep(Owned::Ranges(rest))?;
    }

    let handle = split.rest;
    Ok(Undo(move || {
        let owned = held.lock().take(handle);
        drop(owned);
    }))
}

/// `FAST_GUP_IOC_PACK`.
pub(super) fn pack(held: &Mutex<Held>, pack: &mut Pack) -> Result<Undo<impl FnOnce()>> {
    let nr_blocks = usize::try_from(pack.max_blocks).map_err(|_| E2BIG)?;
    if nr_blocks > MOST_BLOCKS {
        return Err(E2BIG);
    }
    let mut blocks: KVVec<KVec<u64>> = KVVec::with_capacity(nr_blocks, GFP_KERNEL)?;
    let mut pointers: KVVec<*mut Block> = KVVec::with_capacity(nr_blocks, GFP_KERNEL)?;
    for _ in 0..nr_blocks {
        // Not zeroes: what was there before must not matter.
        let mut block = KVec::from_elem(!0u64, WORDS, GFP_KERNEL)?;
        pointers.push(block.as_mut_ptr().cast(), GFP_KERNEL)?;
        blocks.push(block, GFP_KERNEL)?;
    }

    let mut held = held.lock();
    let owned = held.find_ranges(pack.handle)?;
    let mut used = nr_blocks;
    // SAFETY: These are the ranges, and as many blocks of which nobody else knows.
    unsafe {
        let ranges = owned.ranges_mut();
        let packed = packed::fast_gup_pack_ranges(
            ranges.as_ptr(),
            ranges.len(),
            pointers.as_ptr(),
            &mut used,
        );

        pack.packed = packed as u64;
        pack.blocks = used as u64;
        pack.pages = packed::fast_gup_packed_pages(pointers.as_ptr().cast(), used);

        let mut at = 0;
        for block in pointers.iter().take(used) {
            let room = &mut ranges[at..packed];
            at += packed::fast_gup_unpack_ranges(&**block, room.as_mut_ptr(), room.len());
        }
    }
    Ok(Undo(|| ()))
}

/// Tells user space about the ranges, as far as it has room.
fn report(call: &Ranges, ranges: &[PageRange]) -> Result {
    // More than can be is enough.
    let room = usize::try_from(call.max_ranges).unwrap_or(usize::MAX);
    let nr = ranges.len().min(room);
    let at = UserPtr::from_addr(usize::try_from(call.ranges).map_err(|_| EFAULT)?);
    let mut writer = UserSlice::new(at, nr * size_of::<RangeInfo>()).writer();

    for range in &ranges[..nr] {
        // SAFETY: We hold the range.
        writer.write(&unsafe { describe(range) })?;
    }
    Ok(())
}

/// # Safety
///
/// The caller must hold the range.
unsafe fn describe(range: &PageRange) -> RangeInfo {
    // SAFETY: By the precondition, the page and its folio stay what they are.
    let (page, refs, index) = unsafe {
        let folio = bindings::page_folio(range.page);
        (
            call::describe(range.page),
            bindings::folio_ref_count(folio),
            bindings::folio_page_idx(folio, range.page),
        )
    };

    RangeInfo {
        pfn: page.pfn,
        nr_pages: range.nr_pages as u64,
        order: page.order,
        flags: page.flags,
        refs: refs as u32,
        index: index as u32,
    }
}
