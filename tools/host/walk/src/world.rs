// SPDX-License-Identifier: GPL-2.0

//! The kernel that the walk runs in: [tables](Memory), [folios](Folios), and somebody who watches
//! every access and may change what he likes in front of it.

use crate::c::ppc64::Machine;
use crate::folios::Folios;
use crate::format::ppc64;
use crate::format::ppc64_hash::Ppc64Hash;
use crate::format::ppc64_radix::Ppc64Radix;
use crate::format::x86_64::{self, X86_64};
use crate::format::x86_pae::{self, X86Pae};
use crate::format::{Access, Format, Geometry, Level, Pfn, PhysAddr, Slot};
use crate::memory::Memory;
use crate::refusal::Refusal;
use crate::shape::Shape;
use crate::walk::{self, Mapping, Pages, Range, Section, Table, Tables, Tally, Verdict, BATCH};
use std::cell::{Cell, RefCell};

/// What the walk is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// An entry, or its upper half.
    Read {
        level: Level,
        at: PhysAddr,
        index: usize,
    },
    /// The lower half of an entry, which is read in front of the upper one and behind it.
    ReadLow,
    Grab {
        first: Pfn,
        nr: usize,
    },
    Barrier,
    /// Reads in front of it are made before those behind it.
    ReadBarrier,
    /// Whether a single page is simply allowed.
    AskSingle,
    Verdict {
        first: Pfn,
    },
    Keep {
        first: Pfn,
        nr: usize,
    },
    Put,
    SectionEnds,
}

/// Who is asked before each event.
pub(crate) trait Watcher {
    fn before(&mut self, world: &World, event: Event);
}

/// Lets things happen.
impl Watcher for () {
    fn before(&mut self, _: &World, _: Event) {}
}

/// Notes what happened.
impl Watcher for Vec<Event> {
    fn before(&mut self, _: &World, event: Event) {
        self.push(event);
    }
}

/// What is asked of the walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) shape: Shape,
    /// `physical_mask`, see [`Machine`](crate::c::x86::Machine).
    pub(crate) physical_mask: u64,
    /// PKRU of x86, AMR of ppc64.
    pub(crate) keys: u64,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) write: bool,
    /// Pins, or references.
    pub(crate) pin: bool,
    pub(crate) max_section: usize,
    /// Runs that are received in a section before the walk must end it.
    pub(crate) room: isize,
    /// Walks a range of one page as if it had many.
    pub(crate) as_many: bool,
}

impl Request {
    pub(crate) fn geometry(&self) -> Geometry {
        self.shape.geometry(self.physical_mask)
    }

    /// Whether a page that is mapped read-only must be exclusive.
    pub(crate) fn unshares(&self, writable: bool) -> bool {
        self.pin && !self.write && !writable
    }
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Runs in the order of their addresses.
    pub(crate) kept: Vec<(Pfn, usize)>,
    /// Calls of `grab` that took references.
    pub(crate) grabs: usize,
}

impl Outcome {
    /// The pages one by one.
    pub(crate) fn pages(&self) -> impl Iterator<Item = Pfn> + '_ {
        self.kept.iter().flat_map(|&(first, nr)| first..first + nr)
    }
}

/// The kernel.
pub(crate) struct World {
    pub(crate) memory: RefCell<Memory>,
    pub(crate) folios: RefCell<Folios>,
    /// The balance of pins that were counted as acquired and as released, for those who count.
    pub(crate) counted: Cell<isize>,
}

impl World {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            memory: RefCell::new(Memory::new(shape)),
            folios: RefCell::default(),
            counted: Cell::new(0),
        }
    }

    /// Runs the walk under test.
    pub(crate) fn walk<W: Watcher>(&self, request: &Request, watcher: &mut W) -> Outcome {
        let watched = Watched::new(self, watcher);
        let mut taker = Taker {
            watched: &watched,
            request,
            kept: Vec::new(),
            singles: 0,
            grabs: 0,
            room: request.room,
        };
        let tally = watched.walk(request, &mut taker);
        Outcome {
            tally,
            kept: taker.kept,
            grabs: taker.grabs,
        }
    }
}

/// A world with somebody who watches it.
pub(crate) struct Watched<'w, W> {
    pub(crate) world: &'w World,
    watcher: RefCell<&'w mut W>,
}

impl<'w, W: Watcher> Watched<'w, W> {
    pub(crate) fn new(world: &'w World, watcher: &'w mut W) -> Self {
        Self {
            world,
            watcher: RefCell::new(watcher),
        }
    }

    /// Runs the walk, in the format of the shape.
    pub(crate) fn walk<P: Pages>(&self, request: &Request, pages: &mut P) -> Tally {
        let access = if request.write {
            Access::Write
        } else {
            Access::Read
        };
        let geometry = request.geometry();
        match request.shape {
            Shape::Four | Shape::Five => {
                let rights = x86_64::Rights::new(access, request.keys as u32);
                self.walk_format::<X86_64, _>(request, rights, pages)
            }
            Shape::Pae => {
                let rights = x86_pae::Rights::new(access, &geometry);
                self.walk_format::<X86Pae, _>(request, rights, pages)
            }
            Shape::Radix64K | Shape::Radix4K | Shape::Hash64K | Shape::Hash4K => {
                let machine = request.shape.ppc64(request.keys).expect("it is ppc64");
                let rights = ppc64::Rights::new(access, machine, &geometry);
                if machine.radix {
                    self.walk_format::<Ppc64Radix<Machine>, _>(request, rights, pages)
                } else {
                    self.walk_format::<Ppc64Hash<Machine>, _>(request, rights, pages)
                }
            }
        }
    }

    fn walk_format<F: Format, P: Pages>(
        &self,
        request: &Request,
        rights: F::Rights,
        pages: &mut P,
    ) -> Tally {
        let geometry = request.geometry();
        let range = Range::<F> {
            geometry: &geometry,
            rights,
            start: request.start,
            end: request.end,
            max_section: request.max_section,
        };
        let one_page = (range.end - range.start).wrapping_shr(F::page_shift(&geometry)) == 1;
        let tally = if one_page && !request.as_many {
            walk::one(&self, pages, &range)
        } else {
            walk::walk(&self, pages, &range)
        };
        assert!(!self.world.memory.borrow().in_section());
        tally
    }

    pub(crate) fn before(&self, event: Event) {
        self.watcher.borrow_mut().before(self.world, event);
    }

    /// Asks who watches.
    pub(crate) fn ask<R>(&self, question: impl FnOnce(&mut W) -> R) -> R {
        question(&mut self.watcher.borrow_mut())
    }
}

impl<'a, 'w, W: Watcher> Tables for &'a Watched<'w, W> {
    type Section = Inside<'a, 'w, W>;

    fn section<R>(&self, walk: impl FnOnce(&Self::Section) -> R) -> R {
        self.world.memory.borrow_mut().section_begins();
        let result = walk(&Inside(self));
        self.before(Event::SectionEnds);
        self.world.memory.borrow_mut().section_ends();
        result
    }
}

/// A time with interrupts off.
pub(crate) struct Inside<'a, 'w, W>(&'a Watched<'w, W>);

impl<'a, 'w, W: Watcher> Section for Inside<'a, 'w, W> {
    type Table<'s>
        = TableAt<'a, 'w, W>
    where
        Self: 's;

    fn root(&self) -> Self::Table<'_> {
        let at = self.0.world.memory.borrow().root();
        TableAt {
            watched: self.0,
            at,
        }
    }

    unsafe fn table(&self, at: PhysAddr) -> Self::Table<'_> {
        TableAt {
            watched: self.0,
            at,
        }
    }
}

pub(crate) struct TableAt<'a, 'w, W> {
    watched: &'a Watched<'w, W>,
    at: PhysAddr,
}

impl<W> Clone for TableAt<'_, '_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for TableAt<'_, '_, W> {}

impl<'a, 'w, W: Watcher> Table for TableAt<'a, 'w, W> {
    type Slot = SlotAt<'a, 'w, W>;

    unsafe fn slot(self, index: usize) -> Self::Slot {
        let memory = self.watched.world.memory.borrow();
        let entries = memory.shape().entries(memory.level(self.at));
        assert!(index < entries, "entry {index} of a table");
        SlotAt { table: self, index }
    }
}

pub(crate) struct SlotAt<'a, 'w, W> {
    table: TableAt<'a, 'w, W>,
    index: usize,
}

impl<W> Clone for SlotAt<'_, '_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for SlotAt<'_, '_, W> {}

impl<W: Watcher> SlotAt<'_, '_, W> {
    /// The memory of the entry as it is, whatever happens in front of that.
    fn read(self, event: Event) -> u64 {
        let TableAt { watched, at } = self.table;
        watched.before(event);

        let memory = watched.world.memory.borrow();
        assert!(memory.in_section(), "tables are read in sections only");
        memory.word(at, self.index)
    }

    fn event(self) -> Event {
        let TableAt { watched, at } = self.table;
        let level = watched.world.memory.borrow().level(at);
        let index = self.index;
        Event::Read { level, at, index }
    }

    fn by_halves(self) -> bool {
        self.table.watched.world.memory.borrow().shape() == Shape::Pae
    }
}

impl<W: Watcher> Slot for SlotAt<'_, '_, W> {
    fn read_u64(self) -> u64 {
        assert!(!self.by_halves(), "an entry of PAE is read at once");
        self.read(self.event())
    }

    fn read_low(self) -> u32 {
        assert!(self.by_halves(), "half of an entry is read");
        self.read(Event::ReadLow) as u32
    }

    fn read_high(self) -> u32 {
        assert!(self.by_halves(), "half of an entry is read");
        (self.read(self.event()) >> 32) as u32
    }

    /// Nothing is reordered here; what the barriers are for is shown by the models.
    fn read_barrier(self) {
        self.table.watched.before(Event::ReadBarrier);
    }
}

/// Takes the references, and receives the pages.
struct Taker<'a, 'w, W> {
    watched: &'a Watched<'w, W>,
    request: &'a Request,
    kept: Vec<(Pfn, usize)>,
    /// Single pages that were kept, and of which nobody has told yet how many they are.
    singles: usize,
    grabs: usize,
    room: isize,
}

impl<W: Watcher> Taker<'_, '_, W> {
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
