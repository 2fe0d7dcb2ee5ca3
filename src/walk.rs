// SPDX-License-Identifier: GPL-2.0

//! The lockless walk of user page tables.
//!
//! # Protocol
//!
//! Nobody waits for the walk: entries change, and tables and folios go away while it looks at
//! them. What it relies on is
//!
//! - **tables stay.** Interrupts are off for a [section](Section). A table that is taken
//!   out of the tree is freed after an RCU grace period or after an interrupt to all CPUs, and
//!   neither can happen before the section ends. Its contents, though, may be stale already.
//! - **each level is read once, by value.** The address of a table is taken from the value that
//!   was read, and the parent is not read again to go down.
//! - **grab, barrier, look again.** References are taken on the folios that the entries seem to
//!   map; then, behind a full barrier, the entries *and* their parents up to the PUD are read
//!   again. Whoever unmaps a page clears the entry first and looks at the references afterwards,
//!   so that one of the two sees the other. What has changed is given back.
//! - **then ask about the folio**, which can no longer turn into another: may it be got in this
//!   way, and is an anonymous page exclusive, if it is to be pinned for reading?
//!
//! The walk stops at the first entry that it cannot answer for, and keeps what it got up to there.
//!
//! It is generic over the [format](Format) of the tables, over the [memory](Tables) that they are
//! in and over [who takes the references](Pages), and makes no call into the kernel: the same
//! source runs on the host against tables that change between any two reads.

use crate::format::{Entry, Format, Geometry, Level, Pfn, PhysAddr, Slot};
use crate::refusal::Refusal;
use core::ops::ControlFlow;

mod folio;
mod huge;
mod one;
mod path;
mod ptes;
mod singles;

use path::Path;

pub(crate) use one::one;

/// Entries with folios of their own that are looked at before the second look begins.
///
/// Large enough that the second look at the parents costs next to nothing, and small enough for the
/// stack.
pub(crate) const BATCH: usize = 32;

/// A tree of page tables.
pub(crate) trait Tables {
    /// Proof that tables stay.
    type Section: Section;

    /// Runs `walk` with interrupts off.
    fn section<R>(&self, walk: impl FnOnce(&Self::Section) -> R) -> R;
}

/// A time during which no table of the tree is freed.
pub(crate) trait Section {
    /// A table that cannot be freed during `'s`.
    type Table<'s>: Table
    where
        Self: 's;

    /// The root of the tree.
    fn root(&self) -> Self::Table<'_>;

    /// The table at a physical address.
    ///
    /// # Safety
    ///
    /// The address must come from an entry of a table of this section, read in this section, whose
    /// format says that it points to a table.
    unsafe fn table(&self, at: PhysAddr) -> Self::Table<'_>;
}

/// The memory of a table.
pub(crate) trait Table: Copy {
    /// The memory of one of its entries.
    type Slot: Slot;

    /// The entry with number `index`.
    ///
    /// # Safety
    ///
    /// The table must have more than `index` entries.
    unsafe fn slot(self, index: usize) -> Self::Slot;
}

/// Who takes references to pages and receives them.
///
/// A run is consecutive pages that one entry, or consecutive entries, map.
pub(crate) trait Pages {
    /// A run of pages of one folio which were grabbed.
    type Run: Copy;

    /// Takes a reference (or a pin) to a page, if it is a folio of its own and nothing speaks
    /// against it. If not, returns how many pages of its folio there may be from there on, for
    /// [`grab`](Self::grab); at least one.
    fn grab_single(&mut self, page: Pfn) -> Result<Self::Run, usize>;

    /// Takes a reference (or a pin) for each page of the longest part of the run of `nr` pages from
    /// `first`, from its start, that lies in one folio. Returns it with its length in pages, which
    /// is not zero.
    fn grab(&mut self, first: Pfn, nr: usize) -> Result<(Self::Run, usize), Refusal>;

    /// A full barrier, behind `grab` and in front of the second look at the entries.
    fn barrier_after_grab(&self);

    /// Gives back `nr` pages of a run, from its page number `from` on. What is in front of them is
    /// kept, and nothing behind them is. Returns the number of references that were dropped.
    fn put(&mut self, run: Self::Run, from: usize, nr: usize) -> usize;

    /// Whether the first `nr` pages of a run may be got in this way.
    fn verdict(&self, run: Self::Run, nr: usize, mapping: Mapping) -> Verdict;

    /// Receives the first `nr` pages of a run. The next ones follow behind them.
    fn keep(&mut self, run: Self::Run, nr: usize);

    /// Receives a run of one page if it is simply allowed, as [`verdict`](Self::verdict) and
    /// [`keep`](Self::keep) would do for the case that counts most. If it is not, nothing changes.
    ///
    /// It is number `nr` of those that [`kept_singles`](Self::kept_singles) will tell of.
    fn keep_single(&mut self, run: Self::Run, nr: usize, writable: bool) -> bool;

    /// `nr` pages in a row were received by [`keep_single`](Self::keep_single).
    fn kept_singles(&mut self, nr: usize);

    /// Whether `keep` can be called for another batch in this section.
    fn has_room(&self) -> bool;

    /// Whether to go on with a table at its first entry. The range covers `entries` of them.
    fn enter(&mut self, entries: usize) -> bool;

    /// Called behind each section, with interrupts on as they were.
    fn section_ended(&mut self);
}

/// How a run is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mapping {
    /// The entries allow writing.
    pub(crate) writable: bool,
    /// It is one entry, above the level of the pages.
    pub(crate) huge: bool,
}

impl Mapping {
    /// By entries of a table of pages.
    #[inline(always)]
    fn pages(writable: bool) -> Self {
        Self {
            writable,
            huge: false,
        }
    }

    /// By an entry above.
    #[inline(always)]
    fn huge(writable: bool) -> Self {
        Self {
            writable,
            huge: true,
        }
    }
}

/// What is known of a folio whose pages were grabbed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Pages, from the start, that may be got.
    pub(crate) pages: usize,
    /// Why the one behind them may not, if there is one.
    pub(crate) refusal: Option<Refusal>,
    /// The answer holds only if the entries still map the folio *now*: read them once more.
    pub(crate) look_again: bool,
}

impl Verdict {
    /// None of the pages may be got.
    #[inline(always)]
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self {
            pages: 0,
            refusal: Some(refusal),
            look_again: false,
        }
    }
}

/// Asks about a run that was grabbed, and keeps of its `nr` pages what may be kept. Returns their
/// number, and why they are not all. `still` tells whether the entries map them now.
#[inline(always)]
fn keep<P: Pages>(
    pages: &mut P,
    run: P::Run,
    nr: usize,
    mapping: Mapping,
    still: impl FnOnce() -> bool,
) -> (usize, Option<Refusal>) {
    let verdict = pages.verdict(run, nr, mapping);

    if verdict.look_again && !still() {
        return (0, Some(Refusal::Changed));
    }
    if verdict.pages > 0 {
        pages.keep(run, verdict.pages);
    }
    (verdict.pages, verdict.refusal)
}

/// What to walk.
pub(crate) struct Range<'a, F: Format> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) rights: F::Rights,
    /// First address, aligned to a page.
    pub(crate) start: usize,
    /// Address behind the last page.
    pub(crate) end: usize,
    /// Most entries that one section looks at, not zero.
    pub(crate) max_section: usize,
}

/// What the walk did.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Tally {
    /// Pages got.
    pub(crate) pages: usize,
    /// References that were taken and given back.
    pub(crate) wasted: usize,
    /// Sections with interrupts off.
    pub(crate) sections: usize,
    /// Most entries that one of them looked at.
    pub(crate) longest_section: usize,
    /// Why it stopped, if not at the end: a [`Refusal`]; 0 if it is at the end.
    pub(crate) refusal: u32,
}

impl Tally {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self {
            pages: 0,
            wasted: 0,
            sections: 0,
            longest_section: 0,
            refusal: 0,
        }
    }

    /// Adds what another walk of the same call did. The first reason to stop is kept.
    #[cfg_attr(test, allow(dead_code))]
    pub(crate) fn add(&mut self, walk: &Tally) {
        self.pages += walk.pages;
        self.wasted += walk.wasted;
        self.sections += walk.sections;
        self.longest_section = self.longest_section.max(walk.longest_section);
        if self.refusal == 0 {
            self.refusal = walk.refusal;
        }
    }
}

/// Walks `range`, from its start to the first page that it cannot get. [`one()`] does the same, and
/// better, if it is a range of one page.
#[inline(always)]
pub(crate) fn walk<F: Format, T: Tables, P: Pages>(
    tables: &T,
    pages: &mut P,
    range: &Range<'_, F>,
) -> Tally {
    let mut walker = Walker {
        pages,
        range,
        tally: Tally::new(),
        addr: range.start,
        budget: 0,
    };

    while walker.addr < range.end {
        walker.budget = range.max_section;
        let flow = tables.section(|section| walker.section(section));
        walker.section_ended();
        if let ControlFlow::Break(refusal) = flow {
            walker.tally.refusal = refusal.number();
            break;
        }
    }
    walker.tally
}

/// The state of a walk.
struct Walker<'a, F: Format, P: Pages> {
    pages: &'a mut P,
    range: &'a Range<'a, F>,
    tally: Tally,
    /// The first address that is not done.
    addr: usize,
    /// Entries that this section may still look at.
    budget: usize,
}

impl<F: Format, P: Pages> Walker<'_, F, P> {
    /// Walks until the end, or until the section has looked at enough entries.
    #[inline(always)]
    fn section<S: Section>(&mut self, section: &S) -> ControlFlow<Refusal> {
        while self.addr < self.range.end && self.budget > 0 && self.pages.has_room() {
            match Path::<F, _>::descend(section, self.range.geometry, self.addr) {
                Err(refusal) => return ControlFlow::Break(refusal),
                Ok(path) if !self.enter(path.level()) => return ControlFlow::Break(Refusal::Full),
                Ok(path) if path.level() == Level::PTE => self.ptes(&path)?,
                Ok(path) => self.huge(path)?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether to go on with the table of `level` that maps `self.addr`.
    #[inline(always)]
    fn enter(&mut self, level: Level) -> bool {
        let geometry = self.range.geometry;
        let (size, entries) = (geometry.size(level), geometry.entries(level));
        // Behind the table, with 32 bits, there may be no address.
        let at_start = self.addr & size.wrapping_mul(entries).wrapping_sub(1) == 0;

        if !at_start {
            return true;
        }
        // Nothing that can panic, so that it costs nothing where the answer is always the same.
        let last = self.range.end.wrapping_sub(1).wrapping_sub(self.addr);
        let last = last.wrapping_shr(size.trailing_zeros());
        self.pages.enter(entries.min(last.wrapping_add(1)))
    }

    #[inline(always)]
    fn section_ended(&mut self) {
        let looked_at = self.range.max_section - self.budget;
        self.tally.sections += 1;
        self.tally.longest_section = self.tally.longest_section.max(looked_at);
        self.pages.section_ended();
    }

    /// The next `nr` pages were handed over.
    #[inline(always)]
    fn kept(&mut self, nr: usize) {
        self.tally.pages += nr;
        self.addr += nr.wrapping_shl(F::page_shift(self.range.geometry));
    }

    /// Gives back `nr` pages of a run, from its page number `from` on.
    #[inline(always)]
    fn waste(&mut self, run: P::Run, from: usize, nr: usize) {
        self.tally.wasted += self.pages.put(run, from, nr);
    }

    /// Number of pages from `self.addr` to `end`, or to the end of the range if that is nearer.
    #[inline(always)]
    fn pages_to(&self, end: usize) -> usize {
        // `end` may be 0, behind the last address that there is.
        let end = end.wrapping_sub(1).min(self.range.end - 1);
        (end - self.addr).wrapping_shr(F::page_shift(self.range.geometry)) + 1
    }
}
