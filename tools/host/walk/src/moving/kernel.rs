// SPDX-License-Identifier: GPL-2.0

//! The kernel that changes tables and folios while the walk looks at them.
//!
//! What it does is cut into [steps](Step) between which the walk goes on. The order of the steps is
//! that of the kernel: who takes a page away clears the entry first and looks at the references
//! afterwards, who frees a table takes it out of the tree first.

use super::oracle::Oracle;
use super::stage::Stage;
use crate::c::x86::_PAGE_PRESENT;
use crate::folios::Kind;
use crate::format::{Level, Pfn, PhysAddr};
use crate::naive::{self, Mapped};
use crate::refusal::Refusal;
use crate::shape::{Change, Shape};
use crate::world::{Event, Request, Watcher, World};
use std::cell::Cell;
use std::collections::BTreeMap;

mod entries;
mod trees;

/// One change. The number is that of a page of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Clears the entry of a page, and takes it in hand.
    Clear(usize),
    /// Drops the reference of the mapping of what is in hand: frees the folio if it was the last.
    Release,
    /// `folio_try_share_anon_rmap_pte()` of what is in hand: puts it back if it is pinned.
    TryShare,
    /// Puts a swap entry where the entry in hand was; frees the folio unless it is referenced.
    SwapOut,
    /// Puts the entry in hand back, but not writable.
    PutBackReadOnly,
    /// Truncates the file of what is in hand.
    DropMapping,
    /// Maps new memory, what was freed last if there is any, unless something is mapped.
    Fault(usize),
    /// Gives what was freed last to somebody else.
    Reallocate,
    /// Changes bits of the entry of a page.
    Change(usize, Change),
    /// Takes the entry of a page in hand, to change its permissions.
    Protect(usize),
    /// Splits a folio; the entries are in the end as they were.
    SplitFolio(usize),
    /// Takes a table of pages out of the tree, to collapse it.
    ClearTable(usize),
    /// Looks for references to what it maps, and puts it back if there are any.
    CheckTable(usize),
    /// Maps a huge page instead, and frees the table and all it mapped.
    InstallHuge(usize),
    /// Makes a huge page not present, to split it.
    InvalidateHuge(usize),
    /// Maps it by pages instead.
    InstallTable(usize),
    /// Takes the table at a level out of this tree; another address, or process, has it now.
    TakeTable(usize, Level),
    /// Maps something else in the table that was taken.
    ChangeTaken(usize),
    /// Unmaps a page in the table that was taken.
    ClearTaken(usize),
    /// Puts the table back.
    ReturnTable,
    /// Frees a table of pages that maps nothing.
    ReclaimTable(usize),
    /// `write_protect_seq` becomes odd, or even again.
    Fork,
    /// Write-protects a page, and shares it with the child unless it is pinned.
    ForkPage(usize),
}

/// A table that is in the tree of somebody else, and where it was in ours.
#[derive(Clone, Copy)]
struct Taken {
    /// The entry that pointed to it.
    raw: u64,
    table: PhysAddr,
    level: Level,
    parent: (PhysAddr, usize),
}

/// Makes the steps when they are due, and lets the oracle watch.
pub(super) struct Kernel {
    stage: Stage,
    request: Request,
    pub(super) oracle: Oracle,
    /// When each step is due: behind as many events of the walk.
    due: Vec<(usize, Step)>,
    next: usize,
    events: usize,
    /// The entry that was cleared last.
    hand: Option<Mapped>,
    taken: Option<Taken>,
    /// The entry of a table that is to be collapsed.
    cleared_pmd: Option<u64>,
    /// The folio that was freed last, and its order.
    freed: Option<(Pfn, u8)>,
    /// Memory that was never used.
    fresh: Pfn,
    /// How many entries map memory that begins at a page.
    maps: BTreeMap<Pfn, usize>,
    pub(super) write_protect_seq: usize,
    /// An entry of which one half is written, and what it will be.
    second_half: Cell<Option<((PhysAddr, usize), u64)>>,
}

/// The page that is mapped for page number `page` of a request, and its entry.
pub(super) fn page_at(
    world: &World,
    request: &Request,
    page: usize,
) -> Result<(Pfn, Mapped), Refusal> {
    let addr = request.start + page * request.shape.page_size();
    naive::look(&world.memory.borrow(), request, addr).map(|mapped| (mapped.pfn, mapped))
}

impl Kernel {
    pub(super) fn new(stage: Stage, due: Vec<(usize, Step)>) -> (World, Self) {
        let mut maps = BTreeMap::new();
        let world = stage.build(|pfn| *maps.entry(pfn).or_default() += 1);
        let request = stage.request();
        let kernel = Self {
            stage,
            request,
            oracle: Oracle::new(&world, &request),
            due,
            next: 0,
            events: 0,
            hand: None,
            taken: None,
            cleared_pmd: None,
            freed: None,
            fresh: stage.shape.fresh(),
            maps,
            write_protect_seq: 0,
            second_half: Cell::new(None),
        };
        (world, kernel)
    }

    /// Does all that is left.
    pub(super) fn finish(&mut self, world: &World) {
        while let Some(&(_, step)) = self.due.get(self.next) {
            self.next += 1;
            self.step(world, step);
        }
        self.finish_write(world);
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    fn step(&mut self, world: &World, step: Step) {
        self.settle(world);
        match step {
            Step::Clear(page) => self.clear(world, page),
            Step::Release => {
                if let Some(mapped) = self.hand.take() {
                    self.unmapped(world, mapped);
                }
            }
            Step::TryShare => self.try_share(world),
            Step::SwapOut => self.swap_out(world),
            Step::PutBackReadOnly => {
                if let Some(mapped) = self.hand.take() {
                    let raw = self.changed(mapped.raw, Change::WriteProtect);
                    self.write(world, (mapped.at, mapped.index), raw);
                }
            }
            Step::DropMapping => self.drop_mapping(world),
            Step::Fault(page) => self.fault(world, page),
            Step::Reallocate => {
                if let Some((first, order)) = self.freed.take() {
                    world.folios.borrow_mut().add(first, order, Kind::Anon);
                }
            }
            Step::Change(page, change) => {
                if let Ok((_, mapped)) = self.page(world, page) {
                    let raw = self.changed(mapped.raw, change);
                    self.write(world, (mapped.at, mapped.index), raw);
                }
            }
            Step::Protect(page) => self.protect(world, page),
            Step::SplitFolio(page) => {
                let small = self.stage.shape.page_size();
                if let Some((pfn, _)) = self.page(world, page).ok().filter(|(_, m)| m.size == small)
                {
                    world.folios.borrow_mut().split(pfn);
                }
            }
            Step::ClearTable(page) => self.clear_table(world, page),
            Step::CheckTable(page) => self.check_table(world, page),
            Step::InstallHuge(page) => self.install_huge(world, page),
            Step::InvalidateHuge(page) => self.invalidate_huge(world, page),
            Step::InstallTable(page) => self.install_table(world, page),
            Step::TakeTable(page, level) => self.take_table(world, page, level),
            Step::ChangeTaken(page) => self.change_taken(world, page),
            Step::ClearTaken(page) => self.clear_taken(world, page),
            Step::ReturnTable => {
                if let Some(Taken { raw, parent, .. }) = self.taken {
                    let empty = world.memory.borrow().read(parent.0, parent.1) == 0;
                    if empty {
                        self.taken = None;
                        self.write(world, parent, raw);
                    }
                }
            }
            Step::ReclaimTable(page) => self.reclaim_table(world, page),
            Step::Fork => self.write_protect_seq += 1,
            Step::ForkPage(page) => self.fork_page(world, page),
        }
        self.oracle.world_changed(world);
    }

    fn page(&self, world: &World, page: usize) -> Result<(Pfn, Mapped), Refusal> {
        // Who changes tables does not ask for permission.
        let anything = Request {
            write: false,
            ..self.request
        };
        page_at(world, &anything, page % self.stage.pages)
    }

    fn addr(&self, page: usize) -> usize {
        self.request.start + page % self.stage.pages * self.stage.shape.page_size()
    }

    fn changed(&self, raw: u64, change: Change) -> u64 {
        self.stage.shape.changed(raw, change)
    }

    /// Writes an entry. With PAE, where the kernel does so by halves, the second half is written
    /// behind the next access of the walk, or in front of whatever the kernel does next.
    fn write(&self, world: &World, place: (PhysAddr, usize), raw: u64) {
        self.finish_write(world);

        let (at, index) = place;
        let mut memory = world.memory.borrow_mut();
        let old = memory.read(at, index);
        let by_halves = memory.shape() == Shape::Pae && (old ^ raw) >> 32 != 0;
        let half = if by_halves && raw == 0 {
            // native_pte_clear() and native_pmd_clear(): the lower half first.
            old & !0xffff_ffff
        } else if by_halves && old & _PAGE_PRESENT == 0 && memory.level(at) == Level::PTE {
            // native_set_pte(): the upper half first.
            raw & !0xffff_ffff | old & 0xffff_ffff
        } else {
            // Both are exchanged at once, or one of them is as it was.
            raw
        };
        memory.write(at, index, half);
        if half != raw {
            self.second_half.set(Some((place, raw)));
        }
    }

    /// The second half of an entry is written, which is a change by itself.
    fn settle(&mut self, world: &World) {
        if self.second_half.get().is_some() {
            self.finish_write(world);
            self.oracle.world_changed(world);
        }
    }

    fn finish_write(&self, world: &World) {
        if let Some(((at, index), raw)) = self.second_half.take() {
            world.memory.borrow_mut().write(at, index, raw);
        }
    }

    fn fresh(&mut self, order: u8) -> Pfn {
        let first = self.fresh.next_multiple_of(1 << order);
        self.fresh = first + (1 << order);
        first
    }
}

impl Watcher for Kernel {
    fn before(&mut self, world: &World, event: Event) {
        // What happens at a barrier happens in front of the next access as well.
        if event == Event::ReadBarrier {
            return;
        }
        self.settle(world);
        while let Some(&(due, step)) = self.due.get(self.next) {
            if due > self.events {
                break;
            }
            self.next += 1;
            self.step(world, step);
        }
        self.events += 1;
        self.oracle.watch(world, event);
    }
}

/// Says what led to a failure.
impl Drop for Kernel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let done = &self.due[..self.next];
            eprintln!(
                "{:?}\nsteps, with the number of the event behind: {done:?}",
                self.stage
            );
        }
    }
}
