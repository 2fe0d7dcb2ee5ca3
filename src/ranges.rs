// SPDX-License-Identifier: GPL-2.0

//! The pages of a request on their way to the caller: ranges of consecutive pages of one folio, each
//! held by one reference, or one pin.
//!
//! What continues the range in front of it is part of it, whichever tables the entries are in and
//! however many sections it takes to read them. It needs no reference of its own: the folio is held
//! since before the entry was read, and whoever looks for references finds that one.
//!
//! When the buffer is full, the last range goes on growing. The walk stops in front of the first
//! page that would begin another one, so that no range is cut which the next call could return
//! whole.

use crate::ffi::page;
use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::walk::{Mapping, Pages, Verdict};

mod buffer;
mod holder;

pub(crate) use buffer::Buffer;
#[cfg(CONFIG_FAST_GUP_TEST)]
pub(crate) use buffer::BLOCK_RANGES;
pub(crate) use holder::FolioHolder;

/// Consecutive pages of one folio, held by one reference, or one pin: `struct gup_range`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct PageRange {
    pub(crate) page: *mut page,
    pub(crate) nr_pages: usize,
}

/// Who holds folios, by one reference or one pin for each run of pages.
///
/// A trait, so that the host tests run the same ranges on folios of their own.
pub(crate) trait Holder {
    /// Consecutive pages of a folio.
    type Run: Copy;

    /// Holds a page that is a folio of its own, see [`Pages::grab_single`].
    fn hold_single(&mut self, page: Pfn) -> Result<Self::Run, usize>;

    /// Holds the folio of a page. Returns the pages from there on as a run, with their number up to
    /// the end of the folio.
    fn hold(&mut self, first: Pfn) -> Result<(Self::Run, usize), Refusal>;

    /// The run that begins with a page whose folio is held already.
    fn held(&self, first: Pfn) -> Self::Run;

    /// See [`Pages::barrier_after_grab`].
    fn barrier(&self);

    /// Undoes `hold` or `hold_single`.
    fn put(&mut self, run: Self::Run);

    /// See [`Pages::verdict`].
    fn verdict(&self, run: Self::Run, nr: usize, mapping: Mapping) -> Verdict;

    /// Whether a run of one page is simply allowed, see [`Pages::keep_single`].
    fn simply_allowed(&self, run: Self::Run, writable: bool) -> bool;

    /// What holds the run is the caller's from now on. Returns the first page.
    fn keep(&mut self, run: Self::Run) -> *mut page;

    /// Counts all that was kept since the last time.
    fn count(&mut self);

    /// The number of a page that is held, and of the one behind its folio.
    fn place(&self, page: *mut page) -> (Pfn, Pfn);

    /// Drops what holds a range that was kept and counted, or a page that the fallback has got.
    fn release(&mut self, page: *mut page);
}

/// A run on its way to the list.
#[derive(Clone, Copy)]
pub(crate) struct Piece<R> {
    run: R,
    /// It follows what was grabbed in front of it, and is held by the same reference.
    continues: bool,
}

/// The ranges that one call returns.
///
/// # Invariants
///
/// - The first `len` entries of the buffer are written, and `len <= max`. What holds each of them
///   belongs to this value.
/// - `len` and the runs that are held and not yet kept are not more than `max`.
pub(crate) struct RangeList<H: Holder> {
    holder: H,
    buffer: Buffer,
    /// Where the list ends, at the latest.
    max: usize,
    len: usize,
    /// Runs that this walk may still hold.
    left: usize,
    /// The page behind what was grabbed last, which continues it if it is of the same folio: if it
    /// is in front of `folio_end`.
    next: Pfn,
    folio_end: Pfn,
    /// The number of ranges when this walk began, and the length of the last one of them.
    before: (usize, usize),
}

impl<H: Holder> RangeList<H> {
    /// An empty list, for as many ranges as the buffer has room for.
    pub(crate) fn new(holder: H, buffer: Buffer) -> Self {
        // INVARIANT: There are no ranges.
        Self {
            holder,
            max: buffer.room(),
            buffer,
            len: 0,
            left: 0,
            next: 0,
            folio_end: 0,
            before: (0, 0),
        }
    }

    /// A list that goes on with `len` ranges which the buffer has already.
    ///
    /// # Safety
    ///
    /// They must be in the buffer, and what holds them must be the caller's.
    pub(crate) unsafe fn resume(holder: H, buffer: Buffer, len: usize) -> Self {
        // INVARIANT: By the precondition.
        Self {
            len,
            ..Self::new(holder, buffer)
        }
    }

    /// Number of ranges.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Most ranges that may be added.
    pub(crate) fn room(&self) -> usize {
        self.max - self.len
    }

    /// Whether anything may still be added, if it comes between two walks.
    pub(crate) fn may_grow(&self) -> bool {
        self.room() > 0 || self.end().is_some_and(|(next, end)| next < end)
    }

    /// Begins another walk, from where the last one stopped.
    pub(crate) fn begin(&mut self) {
        self.left = self.room();
        (self.next, self.folio_end) = self.end().unwrap_or((0, 0));
        self.before = (self.len, self.last().map_or(0, |last| last.nr_pages));
    }

    /// Counts what the walk has added.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self) {
        self.holder.count();
    }

    /// Gives back what the walk has added: whole ranges, and what the one in front has grown by,
    /// which nothing holds but what held it before.
    #[cold]
    pub(crate) fn give_back(&mut self) {
        let (len, nr_pages) = self.before;

        self.holder.count();
        while self.len > len {
            // INVARIANT: The last range is dropped, together with what holds it.
            self.len -= 1;
            self.holder.release(self.buffer.read(self.len).page);
        }
        if let Some(last) = self.last() {
            self.buffer
                .write(self.len - 1, PageRange { nr_pages, ..last });
        }
    }

    /// Adds pages that the fallback has got, each with what holds it, and gives back those for which
    /// there is no room. Returns the number of the others, which are the first ones.
    pub(crate) fn append_all(&mut self, pages: &[*mut page]) -> usize {
        let added = pages.iter().take_while(|&&page| self.append(page)).count();

        for &page in pages.iter().skip(added) {
            self.holder.release(page);
        }
        added
    }

    fn append(&mut self, page: *mut page) -> bool {
        let (pfn, _) = self.holder.place(page);

        if self
            .end()
            .is_some_and(|(next, end)| pfn == next && pfn < end)
        {
            // The folio is held by what holds the range.
            self.grow(1);
            self.holder.release(page);
        } else if self.room() > 0 {
            self.push(page, 1);
        } else {
            return false;
        }
        true
    }

    fn last(&self) -> Option<PageRange> {
        Some(self.buffer.read(self.len.checked_sub(1)?))
    }

    /// The page behind the last range, and the one behind its folio.
    fn end(&self) -> Option<(Pfn, Pfn)> {
        let last = self.last()?;
        let (first, folio_end) = self.holder.place(last.page);

        Some((first + last.nr_pages, folio_end))
    }

    #[inline(always)]
    fn push(&mut self, page: *mut page, nr_pages: usize) {
        self.buffer.write(self.len, PageRange { page, nr_pages });
        // INVARIANT: The entry was written just now. It is one of the runs that were held, or comes
        // from the fallback, for which there is room.
        self.len = self.len.wrapping_add(1);
    }

    /// Makes the last range longer.
    #[inline(always)]
    fn grow(&mut self, nr: usize) {
        if let Some(PageRange { page, nr_pages }) = self.last() {
            let nr_pages = nr_pages.wrapping_add(nr);
            self.buffer
                .write(self.len - 1, PageRange { page, nr_pages });
        }
    }

    /// How many pages from `page` on continue what was grabbed last.
    #[inline(always)]
    fn continues(&self, page: Pfn) -> usize {
        if page == self.next {
            self.folio_end.saturating_sub(page)
        } else {
            0
        }
    }
}

impl<H: Holder> Pages for RangeList<H> {
    type Run = Piece<H::Run>;

    #[inline(always)]
    fn grab_single(&mut self, page: Pfn) -> Result<Self::Run, usize> {
        let most = self.continues(page);

        if most > 0 || self.left == 0 {
            return Err(most.max(1));
        }
        let run = self.holder.hold_single(page)?;

        // INVARIANT: There was room for another one.
        self.left -= 1;
        // Nothing continues a folio of one page.
        self.folio_end = 0;
        Ok(Piece {
            run,
            continues: false,
        })
    }

    #[inline(always)]
    fn grab(&mut self, first: Pfn, nr: usize) -> Result<(Self::Run, usize), Refusal> {
        let most = self.continues(first);

        if most > 0 {
            let nr = nr.min(most);
            let run = self.holder.held(first);

            self.next += nr;
            let continues = true;
            return Ok((Piece { run, continues }, nr));
        }
        if self.left == 0 {
            return Err(Refusal::Full);
        }
        let (run, most) = self.holder.hold(first)?;
        let nr = nr.min(most);

        // INVARIANT: There was room for another one.
        self.left -= 1;
        (self.next, self.folio_end) = (first + nr, first + most);
        let continues = false;
        Ok((Piece { run, continues }, nr))
    }

    #[inline(always)]
    fn barrier_after_grab(&self) {
        self.holder.barrier();
    }

    #[inline(always)]
    fn put(&mut self, piece: Self::Run, from: usize, nr: usize) -> usize {
        if from > 0 || piece.continues {
            // What is kept is held by the same reference as what is not.
            self.next -= nr;
            return 0;
        }
        // The walk ends here, and the next one looks where the list does.
        self.holder.put(piece.run);
        1
    }

    #[inline(always)]
    fn verdict(&self, piece: Self::Run, nr: usize, mapping: Mapping) -> Verdict {
        self.holder.verdict(piece.run, nr, mapping)
    }

    #[inline(always)]
    fn keep(&mut self, piece: Self::Run, nr: usize) {
        if piece.continues {
            // What it continues was kept before it, and whole, or it would not be kept.
            self.grow(nr);
        } else {
            let first = self.holder.keep(piece.run);
            self.push(first, nr);
        }
    }

    #[inline(always)]
    fn keep_single(&mut self, piece: Self::Run, _nr: usize, writable: bool) -> bool {
        if piece.continues || !self.holder.simply_allowed(piece.run, writable) {
            return false;
        }
        let page = self.holder.keep(piece.run);
        self.push(page, 1);
        true
    }

    /// They are in the list.
    #[inline(always)]
    fn kept_singles(&mut self, _nr: usize) {}

    /// A range that is grabbed has its room, and what continues one needs none.
    #[inline(always)]
    fn has_room(&self) -> bool {
        true
    }

    /// Whether the rest of the buffer is enough for the table, should none of its entries continue
    /// another. If it is not, the list ends with the table in front, so that no call begins in the
    /// middle of a table that its buffer could hold.
    #[inline(always)]
    fn enter(&mut self, entries: usize) -> bool {
        if self.len == 0 || entries <= self.left || entries > self.max {
            return true;
        }
        // But the last range may go on.
        self.max = self.len;
        self.left = 0;
        self.next < self.folio_end
    }

    #[inline(always)]
    fn section_ended(&mut self) {}
}
