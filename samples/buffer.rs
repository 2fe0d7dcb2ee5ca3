// SPDX-License-Identifier: GPL-2.0

//! A pinned buffer, read-only or writable.

use kernel::{
    mm::gup::{
        Dirty,
        LongTerm,
        PhysRange,
        PinnedRanges,
        ReadOnly,
        UserBuffer, //
        UserRange,
    },
    page::PAGE_SIZE,
    prelude::*,
    uaccess::UserSlice, //
};

/// What a file holds. Dropping it unpins the pages, and ends their charge.
pub(crate) enum Buffer {
    ReadOnly(PinnedRanges<ReadOnly, LongTerm>),
    /// A device would write to it whenever it likes: it is dirty from the start.
    Writable(Dirty<LongTerm, UserRange>),
}

impl Buffer {
    /// Pins memory of the current process.
    pub(crate) fn pin(addr: UserPtr, len: usize, writable: bool) -> Result<Self> {
        let buffer = UserBuffer::new(addr, len)?;

        Ok(if writable {
            Buffer::Writable(PinnedRanges::pin_for::<crate::LocalModule>(buffer)?.mark_dirty())
        } else {
            Buffer::ReadOnly(PinnedRanges::pin_for::<crate::LocalModule>(buffer)?)
        })
    }

    /// Calls `f` for up to `max` ranges from number `first` on. Returns how many there were.
    pub(crate) fn ranges(
        &self,
        first: usize,
        max: usize,
        f: impl FnMut(PhysRange) -> Result,
    ) -> Result<usize> {
        match self {
            Buffer::ReadOnly(memory) => some_of(memory.phys_ranges(), first, max, f),
            Buffer::Writable(memory) => some_of(memory.phys_ranges(), first, max, f),
        }
    }

    fn len(&self) -> usize {
        match self {
            Buffer::ReadOnly(memory) => memory.len(),
            Buffer::Writable(memory) => memory.len(),
        }
    }

    /// Copies bytes of the buffer to the current process.
    pub(crate) fn read(&self, mut at: usize, to: UserSlice) -> Result {
        let mut to = to.writer();
        let mut bytes = self.bounce(at, to.len())?;

        while !to.is_empty() {
            let nr = bytes.len().min(to.len());
            let part = &mut bytes[..nr];

            match self {
                Buffer::ReadOnly(memory) => memory.copy_to(at, part)?,
                Buffer::Writable(memory) => memory.copy_to(at, part)?,
            }
            to.write_slice(part)?;
            at += nr;
        }
        Ok(())
    }

    /// Copies bytes of the current process to the buffer.
    pub(crate) fn write(&self, mut at: usize, from: UserSlice) -> Result {
        let mut from = from.reader();
        let Buffer::Writable(memory) = self else {
            return Err(EBADF);
        };
        let mut bytes = self.bounce(at, from.len())?;

        while !from.is_empty() {
            let nr = bytes.len().min(from.len());
            let part = &mut bytes[..nr];

            from.read_slice(part)?;
            memory.copy_from(at, part)?;
            at += nr;
        }
        Ok(())
    }

    /// Room for what is copied at once, if all of it is inside of the buffer.
    fn bounce(&self, at: usize, len: usize) -> Result<KVec<u8>> {
        match at.checked_add(len) {
            Some(end) if end <= self.len() => {
                Ok(KVec::from_elem(0, PAGE_SIZE.min(len), GFP_KERNEL)?)
            }
            _ => Err(EINVAL),
        }
    }
}

fn some_of(
    ranges: impl Iterator<Item = PhysRange>,
    first: usize,
    max: usize,
    mut f: impl FnMut(PhysRange) -> Result,
) -> Result<usize> {
    let mut nr = 0;

    for range in ranges.skip(first).take(max) {
        f(range)?;
        nr += 1;
    }
    Ok(nr)
}
