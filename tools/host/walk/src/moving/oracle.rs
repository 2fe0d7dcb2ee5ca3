// SPDX-License-Identifier: GPL-2.0

//! Who judges: what was mapped when, and what the walk may therefore keep.

use super::kernel::page_at;
use crate::folios::Kind;
use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::world::{Event, Request, World};
use std::collections::BTreeMap;

/// A page, and the use of its memory at that time.
type Identity = (Pfn, u64);

/// Remembers the past of each page of a request.
pub(super) struct Oracle {
    request: Request,
    now: usize,
    /// What a fault-free access found, from the time on that is noted with it.
    past: Vec<Vec<(usize, Result<Identity, Refusal>)>>,
    /// When references to a page were taken last.
    grabbed: BTreeMap<Pfn, usize>,
    /// When the kernel was convinced last that there are none.
    convinced: BTreeMap<Pfn, usize>,
    kept: Vec<Pfn>,
}

impl Oracle {
    pub(super) fn new(world: &World, request: &Request) -> Self {
        let pages = (request.end - request.start) / request.shape.page_size();
        let mut oracle = Self {
            request: *request,
            now: 0,
            past: vec![Vec::new(); pages],
            grabbed: BTreeMap::new(),
            convinced: BTreeMap::new(),
            kept: Vec::new(),
        };
        oracle.world_changed(world);
        oracle
    }

    /// Notes how each page is mapped now.
    pub(super) fn world_changed(&mut self, world: &World) {
        self.now += 1;
        for (page, past) in self.past.iter_mut().enumerate() {
            let found = page_at(world, &self.request, page);
            let found = found.map(|(pfn, _)| {
                let folios = world.folios.borrow();
                (pfn, folios.of(pfn).map_or(0, |folio| folio.id))
            });
            if past.last().is_none_or(|&(_, last)| last != found) {
                past.push((self.now, found));
            }
        }
    }

    /// The kernel found no reference to a page, and will act accordingly.
    pub(super) fn no_reference_was_seen(&mut self, pfn: Pfn) {
        self.now += 1;
        assert!(
            !self.kept.contains(&pfn),
            "the kernel does not see that {pfn:#x} is held"
        );
        self.convinced.insert(pfn, self.now);
    }

    /// The walk does something, of which there is no other observer.
    pub(super) fn watch(&mut self, world: &World, event: Event) {
        self.now += 1;
        match event {
            Event::Grab { first, nr } => {
                for pfn in first..first + nr.min(512) {
                    self.grabbed.insert(pfn, self.now);
                }
            }
            Event::Keep { first, nr } => {
                for pfn in first..first + nr {
                    self.judge(world, pfn);
                    self.kept.push(pfn);
                }
            }
            _ => {}
        }
    }

    /// Whether a page may be kept for the next address.
    fn judge(&self, world: &World, pfn: Pfn) {
        let page = self.kept.len();
        let folios = world.folios.borrow();
        let folio = folios.of(pfn).expect("a page that is kept is not free");
        let secret = matches!(folio.kind, Kind::Secret { .. });
        assert!(!secret, "page {page}, {pfn:#x}, is secret");

        let grabbed = *self
            .grabbed
            .get(&pfn)
            .expect("a page that is kept was grabbed");
        let convinced = self.convinced.get(&pfn).is_some_and(|&time| time > grabbed);
        assert!(
            !convinced,
            "page {page}, {pfn:#x}, is kept though the kernel saw no reference"
        );

        // Mapped with its permissions, at a time when the reference was held already.
        let past = &self.past[page];
        let ends = past
            .iter()
            .skip(1)
            .map(|&(time, _)| time)
            .chain([usize::MAX]);
        let mut times = past.iter().zip(ends).filter(|&(_, end)| end > grabbed);
        let justified = times.any(|(&(_, found), _)| found == Ok((pfn, folio.id)));
        assert!(
            justified,
            "page {page}, {pfn:#x}, was not mapped since it is held: {past:x?}"
        );
    }

    /// The walk stopped in front of the end: for a reason that there was?
    pub(super) fn stopped(&self, refusal: u32) {
        let page = self.kept.len();
        if page == self.past.len() {
            // It may have read ahead, but it has nothing to complain about.
            assert_eq!(refusal, 0, "a refusal behind the end");
            return;
        }
        // What the folio says, and what the second look finds.
        let others = [
            Refusal::Changed,
            Refusal::Reference,
            Refusal::Shared,
            Refusal::Folio,
        ];
        let found = self.past[page].iter().filter_map(|&(_, found)| found.err());
        let justified = found.chain(others).any(|reason| reason as u32 == refusal);
        assert!(
            justified,
            "refusal {refusal} of page {page}: {:x?}",
            self.past[page]
        );
    }

    /// What was kept behind the first `pages` was given back.
    pub(super) fn forget(&mut self, pages: usize) {
        self.kept.truncate(pages);
    }

    /// The fallback has got the next page, which was mapped at that moment. Its folio is held from
    /// then on, up to its end in front of page `end`.
    pub(super) fn got(&mut self, pfn: Pfn, end: Pfn) {
        self.now += 1;
        for pfn in pfn..end.min(pfn + 512) {
            self.grabbed.insert(pfn, self.now);
        }
        self.kept.push(pfn);
    }

    pub(super) fn kept(&self) -> &[Pfn] {
        &self.kept
    }
}
