// SPDX-License-Identifier: GPL-2.0

//! Walks that return ranges: the module's own list, on the folios of a [`World`].

use crate::ffi::page;
use crate::format::Pfn;
use crate::ranges::{Holder, RangeList};
use crate::refusal::Refusal;
use crate::walk::{Mapping, Pages, Tally, Verdict};
use crate::world::{Event, Request, Watched, Watcher, World};
use kernel::bindings::{page_to_pfn, pfn_to_page};
use std::collections::BTreeMap;
use std::ops::Range;

mod memory;

pub(crate) use memory::Memory;

/// Consecutive pages, held by one reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) first: Pfn,
    pub(crate) nr: usize,
}

impl Held {
    pub(crate) fn pages(self) -> Range<Pfn> {
        self.first..self.first + self.nr
    }
}

/// The pages of these numbers.
pub(crate) fn pages(pfns: &[Pfn]) -> Vec<*mut page> {
    // SAFETY: There is no precondition on the host.
    let page = |&pfn| unsafe { pfn_to_page(pfn) };
    pfns.iter().map(page).collect()
}

/// The number of a page.
pub(crate) fn pfn(page: *mut page) -> Pfn {
    // SAFETY: There is no precondition on the host.
    unsafe { page_to_pfn(page) }
}

/// Holds the folios of a world.
struct WorldHolder<'a, 'w, W> {
    watched: &'a Watched<'w, W>,
    request: &'a Request,
    /// Ranges that were kept and not yet counted.
    uncounted: usize,
}

impl<W> Drop for WorldHolder<'_, '_, W> {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        assert!(panicking || self.uncounted == 0, "all is counted");
    }
}

impl<W: Watcher> WorldHolder<'_, '_, W> {
    /// The first page behind a folio.
    fn folio_end(&self, pfn: Pfn) -> Option<Pfn> {
        let folios = self.watched.world.folios.borrow();
        folios.of(pfn).map(|folio| folio.first + folio.pages())
    }
}

impl<W: Watcher> Holder for WorldHolder<'_, '_, W> {
    /// The first page.
    type Run = Pfn;

    fn hold_single(&mut self, page: Pfn) -> Result<Pfn, usize> {
        let single = |end: Pfn| end == page + 1;
        let large = |folio: &crate::folios::Folio| folio.pages() > 1;
        let folios = self.watched.world.folios.borrow();
        let is_large = folios.of(page).is_some_and(large);
        drop(folios);

        match self.folio_end(page) {
            Some(end) if is_large => Err(end - page),
            end => {
                assert!(end.is_none_or(single), "a folio of one page");
                self.hold(page).map(|(run, _)| run).map_err(|_| 1)
            }
        }
    }

    fn hold(&mut self, first: Pfn) -> Result<(Pfn, usize), Refusal> {
        let most = self.folio_end(first).map_or(1, |end| end - first);
        self.watched.before(Event::Grab { first, nr: most });
        self.watched.world.folios.borrow_mut().grab(first, 1)?;
        // It may have been split in front of that.
        let end = self.folio_end(first).expect("it is held");
        Ok((first, end - first))
    }

    fn held(&self, first: Pfn) -> Pfn {
        let folios = self.watched.world.folios.borrow();
        let folio = folios.of(first).expect("a folio that is held");
        assert!(folio.taken() > 0, "a folio that is held");
        first
    }

    fn barrier(&self) {
        self.watched.before(Event::Barrier);
        self.watched.world.folios.borrow_mut().barrier();
    }

    fn put(&mut self, first: Pfn) {
        self.watched.before(Event::Put);
        self.watched.world.folios.borrow_mut().put(first, 1);
    }

    fn verdict(&self, first: Pfn, nr: usize, mapping: Mapping) -> Verdict {
        assert!(nr > 0, "an empty run");
        self.watched.before(Event::Verdict { first });
        let unshare = self.request.unshares(mapping.writable);
        let folios = self.watched.world.folios.borrow();
        folios.verdict(first, nr, unshare, mapping.huge)
    }

    fn simply_allowed(&self, page: Pfn, writable: bool) -> bool {
        self.watched.before(Event::AskSingle);
        let unshare = self.request.unshares(writable);
        let folios = self.watched.world.folios.borrow();
        folios.simply_allowed(page, unshare)
    }

    fn keep(&mut self, first: Pfn) -> *mut page {
        self.uncounted += 1;
        // SAFETY: There is no precondition on the host.
        unsafe { pfn_to_page(first) }
    }

    fn count(&mut self) {
        let counted = &self.watched.world.counted;
        counted.set(counted.get() + self.uncounted as isize);
        self.uncounted = 0;
    }

    fn place(&self, page: *mut page) -> (Pfn, Pfn) {
        let pfn = pfn(page);
        let end = self.folio_end(pfn).expect("a page that is held");
        (pfn, end)
    }

    fn release(&mut self, page: *mut page) {
        assert_eq!(self.uncounted, 0, "what is released was counted");
        let counted = &self.watched.world.counted;
        counted.set(counted.get() - 1);
        self.watched.world.folios.borrow_mut().put(pfn(page), 1);
    }
}

/// The list, with somebody who watches what it keeps.
struct Kept<'l, 'a, 'w, W: Watcher> {
    list: &'l mut RangeList<WorldHolder<'a, 'w, W>>,
    watched: &'a Watched<'w, W>,
}

type Run<'a, 'w, W> = <RangeList<WorldHolder<'a, 'w, W>> as Pages>::Run;

impl<'a, 'w, W: Watcher> Pages for Kept<'_, 'a, 'w, W> {
    /// With its first page.
    type Run = (Run<'a, 'w, W>, Pfn);

    fn grab_single(&mut self, page: Pfn) -> Result<Self::Run, usize> {
        self.list.grab_single(page).map(|run| (run, page))
    }

    fn grab(&mut self, first: Pfn, nr: usize) -> Result<(Self::Run, usize), Refusal> {
        assert!(nr > 0, "an empty run");
        let (run, grabbed) = self.list.grab(first, nr)?;
        assert!((1..=nr).contains(&grabbed), "{grabbed} pages of {nr}");
        Ok(((run, first), grabbed))
    }

    fn barrier_after_grab(&self) {
        self.list.barrier_after_grab();
    }

    fn put(&mut self, (run, _): Self::Run, from: usize, nr: usize) -> usize {
        assert!(nr > 0, "an empty run");
        self.list.put(run, from, nr)
    }

    fn verdict(&self, (run, _): Self::Run, nr: usize, mapping: Mapping) -> Verdict {
        self.list.verdict(run, nr, mapping)
    }

    fn keep(&mut self, (run, first): Self::Run, nr: usize) {
        assert!(nr > 0, "an empty run");
        self.watched.before(Event::Keep { first, nr });
        self.list.keep(run, nr);
    }

    fn keep_single(&mut self, (run, first): Self::Run, nr: usize, writable: bool) -> bool {
        let kept = self.list.keep_single(run, nr, writable);
        if kept {
            self.watched.before(Event::Keep { first, nr: 1 });
        }
        kept
    }

    fn kept_singles(&mut self, nr: usize) {
        self.list.kept_singles(nr);
    }

    fn has_room(&self) -> bool {
        self.list.has_room()
    }

    fn enter(&mut self, entries: usize) -> bool {
        assert!(entries > 0, "a table of which nothing is asked for");
        self.list.enter(entries)
    }

    fn section_ended(&mut self) {
        self.list.section_ended();
    }
}

/// Somebody who asks for ranges: one call, of as many walks as it takes.
pub(crate) struct Caller<'a, 'w, W: Watcher> {
    watched: &'a Watched<'w, W>,
    request: &'a Request,
    memory: &'a Memory,
    list: RangeList<WorldHolder<'a, 'w, W>>,
}

impl<'a, 'w, W: Watcher> Caller<'a, 'w, W> {
    pub(crate) fn new(
        watched: &'a Watched<'w, W>,
        request: &'a Request,
        memory: &'a Memory,
    ) -> Self {
        let holder = WorldHolder {
            watched,
            request,
            uncounted: 0,
        };
        Self {
            watched,
            request,
            memory,
            list: RangeList::new(holder, memory.buffer()),
        }
    }

    /// Walks over some pages of the request. `forked` says, behind the walk, whether all that it has
    /// added goes back.
    pub(crate) fn walk(
        &mut self,
        pages: Range<usize>,
        forked: impl FnOnce(&mut W) -> bool,
    ) -> Tally {
        let page_size = self.request.shape.page_size();
        let rest = Request {
            start: self.request.start + pages.start * page_size,
            end: self.request.start + pages.end * page_size,
            as_many: true,
            ..*self.request
        };
        let watched = self.watched;

        self.list.begin();
        let mut kept = Kept {
            list: &mut self.list,
            watched,
        };
        let tally = watched.walk(&rest, &mut kept);
        if watched.ask(forked) {
            self.list.give_back();
        } else {
            self.list.hand_over();
        }
        tally
    }

    /// Adds pages that somebody else has got, and returns the number of those that fit.
    pub(crate) fn append(&mut self, pfns: &[Pfn]) -> usize {
        let mut folios = self.watched.world.folios.borrow_mut();
        for &pfn in pfns {
            folios.grab(pfn, 1).expect("somebody else has got it");
        }
        folios.barrier();
        drop(folios);
        let counted = &self.watched.world.counted;
        counted.set(counted.get() + pfns.len() as isize);
        self.list.append_all(&pages(pfns))
    }

    pub(crate) fn may_grow(&self) -> bool {
        self.list.may_grow()
    }

    pub(crate) fn room(&self) -> usize {
        self.list.room()
    }

    /// What the list has.
    pub(crate) fn ranges(&self) -> Vec<Held> {
        self.memory.read(self.list.len())
    }
}

/// Gives ranges back, as their owner does.
pub(crate) fn release(world: &World, ranges: &[Held]) {
    for range in ranges {
        world.folios.borrow_mut().put(range.first, 1);
        world.counted.set(world.counted.get() - 1);
    }
}

/// Whether a range is of one folio, and is held by one reference for each time it is in the list,
/// and nothing else is.
pub(crate) fn references_are_those_of(world: &World, ranges: &[Held]) {
    let folios = world.folios.borrow();
    let mut of_folio: BTreeMap<Pfn, usize> = BTreeMap::new();
    for range in ranges {
        assert!(range.nr > 0, "an empty range");
        let folio = folios.of(range.first).expect("what is held is not free");
        let last = range.first + range.nr - 1;
        assert!(folio.contains(last), "{range:x?} is not of one folio");
        *of_folio.entry(folio.first).or_default() += 1;
    }
    for folio in folios.all() {
        let held = of_folio.get(&folio.first).copied().unwrap_or(0);
        assert_eq!(folio.taken(), held, "references to {folio:x?}");
    }
    assert_eq!(world.counted.get(), ranges.len() as isize, "counted");
}

/// No range continues the one in front of it.
pub(crate) fn ranges_are_merged(world: &World, ranges: &[Held]) {
    let folios = world.folios.borrow();
    for pair in ranges.windows(2) {
        let next = pair[0].first + pair[0].nr;
        let folio = folios.of(pair[0].first).expect("what is held is not free");
        let one = pair[1].first == next && folio.contains(next);
        assert!(!one, "{pair:x?} could be one");
    }
}
