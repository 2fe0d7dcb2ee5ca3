// SPDX-License-Identifier: GPL-2.0

//! Pages and ranges that an open file holds, until it is told to release them or is closed.

use super::abi;
use crate::ffi::page;
use crate::folio;
use crate::gup::ranges;
use crate::ranges::PageRange;
use kernel::bindings;
use kernel::page::{BorrowedPage, PAGE_SHIFT, PAGE_SIZE};
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};

/// What one file may hold, so that a test that forgets to release fails before the machine does.
const MOST_HANDLES: usize = 1 << 16;

/// Pages that were got or pinned, and belong to this value.
///
/// # Invariants
///
/// The first `filled` pointers of `array` are pages, each with one reference that is ours; it is a
/// pin if `pinned`.
pub(super) struct OwnedPages {
    array: KVVec<*mut page>,
    filled: usize,
    pinned: bool,
    writable: bool,
}

// SAFETY: References to pages belong to whoever drops them, on whatever CPU or task.
unsafe impl Send for OwnedPages {}

impl OwnedPages {
    /// Room for `nr` pages.
    pub(super) fn with_room(nr: usize, pinned: bool, writable: bool) -> Result<Self> {
        // INVARIANT: No pointer is filled.
        Ok(Self {
            array: KVVec::with_capacity(nr.max(1), GFP_KERNEL)?,
            filled: 0,
            pinned,
            writable,
        })
    }

    /// The array, to be filled by GUP.
    pub(super) fn room(&mut self) -> *mut *mut page {
        self.array.as_mut_ptr()
    }

    /// Takes over what GUP has written to the array.
    ///
    /// # Safety
    ///
    /// The first `nr` pointers of the array are pages, each with a reference or pin of its own that
    /// belongs to nobody else.
    pub(super) unsafe fn set_filled(&mut self, nr: usize) {
        // INVARIANT: By the precondition.
        self.filled = nr;
    }

    /// The pages.
    pub(super) fn pages(&self) -> &[*mut page] {
        // SAFETY: By the type invariant, this many pointers are written; the array has not moved.
        unsafe { core::slice::from_raw_parts(self.array.as_ptr(), self.filled) }
    }

    fn put(&mut self, dirty: bool) {
        let (pages, nr) = (self.array.as_mut_ptr(), self.filled);

        self.filled = 0;
        // SAFETY: By the type invariant, the references were ours; they are gone with this.
        unsafe {
            // Our own unpin knows nothing of dirty pages, as unpin_user_pages() does not.
            if self.pinned && dirty {
                bindings::unpin_user_pages_dirty_lock(pages, nr, true);
            } else if self.pinned {
                folio::unpin(pages, nr);
            } else {
                for i in 0..nr {
                    bindings::folio_put_refs(bindings::page_folio(*pages.add(i)), 1);
                }
            }
        }
    }

    fn page(&self, index: usize) -> *mut page {
        self.pages()[index]
    }
}

impl Drop for OwnedPages {
    fn drop(&mut self) {
        self.put(false);
    }
}

/// Ranges that were got or pinned, and belong to this value.
///
/// # Invariants
///
/// `ranges` are held by references that are ours; they are pins if `pinned`.
pub(super) struct OwnedRanges {
    ranges: KVVec<PageRange>,
    pinned: bool,
    writable: bool,
}

// SAFETY: References to folios belong to whoever drops them, on whatever CPU or task.
unsafe impl Send for OwnedRanges {}

impl OwnedRanges {
    /// Room for `nr` ranges.
    pub(super) fn with_room(nr: usize, pinned: bool, writable: bool) -> Result<Self> {
        // INVARIANT: There are no ranges.
        Ok(Self {
            ranges: KVVec::with_capacity(nr.max(1), GFP_KERNEL)?,
            pinned,
            writable,
        })
    }

    /// Room for `nr` ranges that are held in the same way.
    pub(super) fn alike(&self, nr: usize) -> Result<Self> {
        Self::with_room(nr, self.pinned, self.writable)
    }

    /// The memory of the ranges, to be filled.
    pub(super) fn room(&mut self) -> *mut PageRange {
        self.ranges.as_mut_ptr()
    }

    /// Takes over what was written to the memory.
    ///
    /// # Safety
    ///
    /// There are none yet; the first `nr` are ranges, each with what holds it, that belongs to nobody
    /// else.
    pub(super) unsafe fn set_filled(&mut self, nr: usize) {
        // SAFETY: By the precondition.
        // INVARIANT: As above.
        unsafe { self.ranges.inc_len(nr) };
    }

    /// The ranges.
    pub(super) fn ranges(&self) -> &[PageRange] {
        &self.ranges
    }

    /// The ranges, to be changed by functions that know what holds them.
    pub(super) fn ranges_mut(&mut self) -> &mut [PageRange] {
        &mut self.ranges
    }

    /// Whether they are pinned.
    pub(super) fn pinned(&self) -> bool {
        self.pinned
    }

    fn put(&mut self, dirty: bool) {
        let (ranges, nr) = (self.ranges.as_ptr(), self.ranges.len());

        // SAFETY: By the type invariant; they are not used after this.
        unsafe {
            if self.pinned {
                ranges::fast_gup_unpin_ranges(ranges, nr, dirty);
            } else {
                ranges::fast_gup_put_ranges(ranges, nr);
            }
        }
        self.ranges.clear();
    }

    fn nr_pages(&self) -> usize {
        self.ranges.iter().map(|range| range.nr_pages).sum()
    }

    fn page(&self, mut index: usize) -> *mut page {
        for range in &self.ranges {
            if index < range.nr_pages {
                return range.page.wrapping_add(index);
            }
            index -= range.nr_pages;
        }
        core::ptr::null_mut()
    }
}

impl Drop for OwnedRanges {
    fn drop(&mut self) {
        self.put(false);
    }
}

/// What a handle stands for.
pub(super) enum Owned {
    Pages(OwnedPages),
    Ranges(OwnedRanges),
}

impl Owned {
    /// Releases it; `dirty` marks the pages as written to.
    pub(super) fn release(mut self, dirty: bool) {
        let dirty = dirty && self.may_be_dirtied();
        match &mut self {
            Owned::Pages(pages) => pages.put(dirty),
            Owned::Ranges(ranges) => ranges.put(dirty),
        }
    }

    /// Whether somebody may have written to the pages through their pins.
    pub(super) fn may_be_dirtied(&self) -> bool {
        match self {
            Owned::Pages(pages) => pages.pinned && pages.writable,
            Owned::Ranges(ranges) => ranges.pinned && ranges.writable,
        }
    }

    fn nr_pages(&self) -> usize {
        match self {
            Owned::Pages(pages) => pages.filled,
            Owned::Ranges(ranges) => ranges.nr_pages(),
        }
    }

    fn writable(&self) -> bool {
        match self {
            Owned::Pages(pages) => pages.writable,
            Owned::Ranges(ranges) => ranges.writable,
        }
    }

    /// Copies between the pages and a buffer of the caller's.
    pub(super) fn copy(&self, copy: &abi::Copy) -> Result {
        let end = copy.offset.checked_add(copy.len).ok_or(ERANGE)?;
        if end > (self.nr_pages() << PAGE_SHIFT) as u64 {
            return Err(ERANGE);
        }
        // CASTS: Neither is above `end`, and that is an address space at most.
        let (offset, end) = (copy.offset as usize, end as usize);
        if copy.writes_pages() && !self.writable() {
            return Err(EBADF);
        }

        let mut bytes = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;
        let mut buf = UserPtr::from_addr(usize::try_from(copy.buf).map_err(|_| EFAULT)?);
        let mut at = offset;
        while at < end {
            let in_page = at % PAGE_SIZE;
            let nr = (PAGE_SIZE - in_page).min(end - at);
            // SAFETY: The page is ours while this is borrowed; what is copied from it may be
            // changed by its owner meanwhile, and is only bytes.
            let page = unsafe { BorrowedPage::from_raw(self.page(at >> PAGE_SHIFT)) };
            let user = UserSlice::new(buf, nr);

            if copy.writes_pages() {
                user.reader().read_slice(&mut bytes[..nr])?;
                // SAFETY: The races are those of every write to pinned memory.
                unsafe { page.write_raw(bytes.as_ptr(), in_page, nr)? };
            } else {
                // SAFETY: As above.
                unsafe { page.read_raw(bytes.as_mut_ptr(), in_page, nr)? };
                user.writer().write_slice(&bytes[..nr])?;
            }
            buf = buf.wrapping_byte_add(nr);
            at += nr;
        }
        Ok(())
    }

    /// One of the first `nr_pages()` pages.
    fn page(&self, index: usize) -> core::ptr::NonNull<page> {
        let page = match self {
            Owned::Pages(pages) => pages.page(index),
            Owned::Ranges(ranges) => ranges.page(index),
        };
        // SAFETY: The pointers are pages, by the type invariants.
        unsafe { core::ptr::NonNull::new_unchecked(page) }
    }
}

/// Handles and what they stand for.
pub(super) struct Held {
    owned: KVVec<(u64, Owned)>,
    last: u64,
}

impl Held {
    pub(super) const fn new() -> Self {
        Self {
            owned: KVVec::new(),
            last: 0,
        }
    }

    /// Keeps pages or ranges, and returns the handle that names them. `ENOSPC` if the file holds too much.
    pub(super) fn keep(&mut self, owned: Owned) -> Result<u64> {
        if self.owned.len() >= MOST_HANDLES {
            return Err(ENOSPC);
        }
        self.owned.push((self.last + 1, owned), GFP_KERNEL)?;
        self.last += 1;
        Ok(self.last)
    }

    /// Takes them back. `ENOENT` if there are none by that name.
    pub(super) fn take(&mut self, handle: u64) -> Result<Owned> {
        let at = self.position(handle)?;
        let end = self.owned.len() - 1;

        self.owned.swap(at, end);
        self.owned.pop().map(|(_, owned)| owned).ok_or(ENOENT)
    }

    /// Looks them up. `ENOENT` as above.
    pub(super) fn find(&self, handle: u64) -> Result<&Owned> {
        let at = self.position(handle)?;
        Ok(&self.owned[at].1)
    }

    /// Looks ranges up. `ENOENT` as above, and for pages.
    pub(super) fn find_ranges(&mut self, handle: u64) -> Result<&mut OwnedRanges> {
        let at = self.position(handle)?;
        match &mut self.owned[at].1 {
            Owned::Ranges(ranges) => Ok(ranges),
            Owned::Pages(_) => Err(ENOENT),
        }
    }

    fn position(&self, handle: u64) -> Result<usize> {
        self.owned
            .iter()
            .position(|&(name, _)| name == handle)
            .ok_or(ENOENT)
    }
}
