// SPDX-License-Identifier: GPL-2.0

//! What takes the references, and receives the pages.

use super::{Event, Outcome, Request, Watched, Watcher};
use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::walk::{Mapping, Pages, Tally, Verdict, BATCH};

/// Takes the references, and receives the pages.
pub(super) struct Taker<'a, 'w, W> {
    watched: &'a Watched<'w, W>,
    request: &'a Request,
    kept: Vec<(Pfn, usize)>,
    /// Single pages that were kept, and of which nobody has told yet how many they are.
    singles: usize,
    grabs: usize,
    room: isize,
}

impl<'a, 'w, W: Watcher> Taker<'a, 'w, W> {
    pub(super) fn new(watched: &'a Watched<'w, W>, request: &'a Request) -> Self {
        Self {
            watched,
            request,
            kept: Vec::new(),
            singles: 0,
            grabs: 0,
            room: request.room,
        }
    }

    pub(super) fn outcome(self, tally: Tally) -> Outcome {
        Outcome {
            tally,
            kept: self.kept,
            grabs: self.grabs,
        }
    }

    fn receive(&mut self, first: Pfn, nr: usize) {
        assert!(nr > 0, "an empty run");
        self.watched.before(Event::Keep { first, nr });
        let folios = self.watched.world.folios.borrow();
        let folio = folios.of(first).expect("a page that is kept is not free");
        assert!(folio.contains(first + nr - 1), "a run is of one folio");
        self.kept.push((first, nr));
        self.room -= 1;
        assert!(
            self.room > -(BATCH as isize),
            "more than a batch behind the last room"
        );
    }
}

impl<W: Watcher> Pages for Taker<'_, '_, W> {
    /// The first page.
    type Run = Pfn;

    fn grab_single(&mut self, page: Pfn) -> Result<Pfn, usize> {
        let folios = self.watched.world.folios.borrow();
        let pages = folios.of(page).map(|f| f.first + f.pages() - page);
        let large = folios.of(page).is_some_and(|f| f.pages() > 1);
        drop(folios);

        match pages {
            Some(pages) if large => Err(pages),
            _ => self.grab(page, 1).map(|(run, _)| run).map_err(|_| 1),
        }
    }

    fn grab(&mut self, first: Pfn, nr: usize) -> Result<(Pfn, usize), Refusal> {
        assert!(nr > 0, "an empty run");
        self.watched.before(Event::Grab { first, nr });
        let grabbed = self.watched.world.folios.borrow_mut().grab(first, nr)?;
        self.grabs += 1;
        Ok((first, grabbed))
    }

    fn barrier_after_grab(&self) {
        self.watched.before(Event::Barrier);
        self.watched.world.folios.borrow_mut().barrier();
    }

    fn put(&mut self, first: Pfn, from: usize, nr: usize) -> usize {
        assert!(nr > 0, "an empty run");
        self.watched.before(Event::Put);
        self.watched.world.folios.borrow_mut().put(first + from, nr);
        nr
    }

    fn verdict(&self, first: Pfn, nr: usize, mapping: Mapping) -> Verdict {
        assert!(nr > 0, "an empty run");
        self.watched.before(Event::Verdict { first });
        let unshare = self.request.unshares(mapping.writable);
        self.watched
            .world
            .folios
            .borrow()
            .verdict(first, nr, unshare, mapping.huge)
    }

    fn keep(&mut self, first: Pfn, nr: usize) {
        assert_eq!(
            self.singles, 0,
            "single pages in front that are not told of"
        );
        self.receive(first, nr);
    }

    fn keep_single(&mut self, page: Pfn, nr: usize, writable: bool) -> bool {
        assert_eq!(nr, self.singles, "the number of a single page");
        self.watched.before(Event::AskSingle);
        let unshare = self.request.unshares(writable);
        let simply = self
            .watched
            .world
            .folios
            .borrow()
            .simply_allowed(page, unshare);

        if simply {
            self.receive(page, 1);
            self.singles += 1;
        }
        simply
    }

    fn kept_singles(&mut self, nr: usize) {
        assert_eq!(nr, self.singles, "single pages that were kept");
        self.singles = 0;
    }

    fn has_room(&self) -> bool {
        let in_section = self.watched.world.memory.borrow().in_section();
        assert!(in_section, "room is asked for in sections only");
        self.room > 0
    }

    fn enter(&mut self, entries: usize) -> bool {
        assert!(entries > 0, "a table of which nothing is asked for");
        true
    }

    fn section_ended(&mut self) {
        self.room = self.request.room;
    }
}
