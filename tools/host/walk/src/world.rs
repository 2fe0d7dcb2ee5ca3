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
use crate::format::{Access, Format, Geometry, Level, Pfn, PhysAddr};
use crate::memory::Memory;
use crate::shape::Shape;
use crate::walk::{self, Pages, Range, Tally};
use std::cell::{Cell, RefCell};
use taker::Taker;

mod tables;
mod taker;

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
        let mut taker = Taker::new(&watched, request);
        let tally = watched.walk(request, &mut taker);
        taker.outcome(tally)
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
