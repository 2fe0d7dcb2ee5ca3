// SPDX-License-Identifier: GPL-2.0

//! Pages that an open file holds, until it is told to release them or is closed.

use super::abi;
use crate::ffi::page;
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

    /// Releases the pages; `dirty` marks them as written to.
    pub(super) fn release(mut self, dirty: bool) {
        self.put(dirty && self.may_be_dirtied());
    }

    /// Whether somebody may have written to the pages through their pins.
    pub(super) fn may_be_dirtied(&self) -> bool {
        self.pinned && self.writable
    }

    fn put(&mut self, dirty: bool) {
        let (pages, nr) = (self.array.as_mut_ptr(), self.filled);

        self.filled = 0;
        // SAFETY: By the type invariant, the references were ours; they are gone with this.
        unsafe {
            if self.pinned {
                bindings::unpin_user_pages_dirty_lock(pages, nr, dirty);
            } else {
                for i in 0..nr {
                    bindings::folio_put_refs(bindings::page_folio(*pages.add(i)), 1);
                }
            }
        }
    }

    /// Copies between the pages and a buffer of the caller's.
    pub(super) fn copy(&self, copy: &abi::Copy) -> Result {
        let end = copy.offset.checked_add(copy.len).ok_or(ERANGE)?;
        if end > (self.filled << PAGE_SHIFT) as u64 {
            return Err(ERANGE);
        }
        // CASTS: Neither is above `end`, and that is an address space at most.
        let (offset, end) = (copy.offset as usize, end as usize);
        if copy.writes_pages() && !self.writable {
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

    fn page(&self, index: usize) -> core::ptr::NonNull<page> {
        // SAFETY: The pointers are pages, by the type invariant.
        unsafe { core::ptr::NonNull::new_unchecked(self.pages()[index]) }
    }
}

impl Drop for OwnedPages {
    fn drop(&mut self) {
        self.put(false);
    }
}

/// Handles and what they stand for.
pub(super) struct Held {
    owned: KVVec<(u64, OwnedPages)>,
    last: u64,
}

impl Held {
    pub(super) const fn new() -> Self {
        Self {
            owned: KVVec::new(),
            last: 0,
        }
    }

    /// Keeps pages, and returns the handle that names them. `ENOSPC` if the file holds too much.
    pub(super) fn keep(&mut self, pages: OwnedPages) -> Result<u64> {
        if self.owned.len() >= MOST_HANDLES {
            return Err(ENOSPC);
        }
        self.owned.push((self.last + 1, pages), GFP_KERNEL)?;
        self.last += 1;
        Ok(self.last)
    }

    /// Takes pages back. `ENOENT` if there are none by that name.
    pub(super) fn take(&mut self, handle: u64) -> Result<OwnedPages> {
        let at = self.position(handle)?;
        let end = self.owned.len() - 1;

        self.owned.swap(at, end);
        self.owned.pop().map(|(_, pages)| pages).ok_or(ENOENT)
    }

    /// Looks pages up. `ENOENT` as above.
    pub(super) fn find(&self, handle: u64) -> Result<&OwnedPages> {
        let at = self.position(handle)?;
        Ok(&self.owned[at].1)
    }

    fn position(&self, handle: u64) -> Result<usize> {
        self.owned
            .iter()
            .position(|&(name, _)| name == handle)
            .ok_or(ENOENT)
    }
}
