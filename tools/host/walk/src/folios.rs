// SPDX-License-Identifier: GPL-2.0

//! Folios and their references, with the delay that a reference may have.
//!
//! Who adds to a reference count and then reads something else may have his reading done before
//! others see the count, unless a full barrier is between. Such references are *unseen* here: whoever
//! changes the count atomically meets them, whoever merely reads it does not.

use crate::format::Pfn;
use crate::refusal::Refusal;
use crate::walk::Verdict;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Anon,
    /// Of a file; `mapped` is whether `folio->mapping` is still set.
    File {
        mapped: bool,
    },
    /// Of secretmem, which nobody may get.
    Secret {
        mapped: bool,
    },
}

/// A folio.
#[derive(Clone, Debug)]
pub(crate) struct Folio {
    pub(crate) first: Pfn,
    pub(crate) order: u8,
    /// Tells this use of the memory from others. The parts of a split folio keep it.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    /// The pages that are not exclusive, of an anonymous folio.
    pub(crate) shared: BTreeSet<Pfn>,
    /// Why no reference can be taken, if so.
    pub(crate) refuses: Option<Refusal>,
    /// The owner's reference and those of the walk.
    refs: usize,
    /// How many of them others do not see yet.
    unseen: usize,
    owned: bool,
}

impl Folio {
    pub(crate) fn pages(&self) -> usize {
        1 << self.order
    }

    pub(crate) fn contains(&self, pfn: Pfn) -> bool {
        (self.first..self.first + self.pages()).contains(&pfn)
    }

    /// References of the walk, as an atomic operation on the count meets them.
    pub(crate) fn taken(&self) -> usize {
        self.refs - usize::from(self.owned)
    }

    /// References of the walk, as a plain read of the count finds them.
    pub(crate) fn seen(&self) -> usize {
        self.taken() - self.unseen
    }

    pub(crate) fn owned(&self) -> bool {
        self.owned
    }
}

/// The folios of the machine, by their first page.
#[derive(Default)]
pub(crate) struct Folios {
    by_first: BTreeMap<Pfn, Folio>,
    ids: u64,
}

impl Folios {
    /// Allocates the memory at `first`, which nobody has.
    pub(crate) fn add(&mut self, first: Pfn, order: u8, kind: Kind) -> &mut Folio {
        assert!(self.of(first).is_none(), "memory is allocated twice");
        assert!(first % (1 << order) == 0, "a folio is aligned naturally");
        self.ids += 1;
        self.by_first.entry(first).or_insert(Folio {
            first,
            order,
            id: self.ids,
            kind,
            shared: BTreeSet::new(),
            refuses: None,
            refs: 1,
            unseen: 0,
            owned: true,
        })
    }

    /// The folio that a page is of, unless it is free.
    pub(crate) fn of(&self, pfn: Pfn) -> Option<&Folio> {
        let (_, folio) = self.by_first.range(..=pfn).next_back()?;
        folio.contains(pfn).then_some(folio)
    }

    pub(crate) fn of_mut(&mut self, pfn: Pfn) -> Option<&mut Folio> {
        let (_, folio) = self.by_first.range_mut(..=pfn).next_back()?;
        folio.contains(pfn).then_some(folio)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Folio> {
        self.by_first.values()
    }

    /// Takes references, as [`Pages::grab`](crate::walk::Pages::grab) says.
    pub(crate) fn grab(&mut self, first: Pfn, nr: usize) -> Result<usize, Refusal> {
        let folio = self.of_mut(first).ok_or(Refusal::Reference)?;
        if let Some(refusal) = folio.refuses {
            return Err(refusal);
        }
        let nr = nr.min(folio.first + folio.pages() - first);
        folio.refs += nr;
        folio.unseen += nr;
        Ok(nr)
    }

    /// From here on, all references are seen.
    pub(crate) fn barrier(&mut self) {
        for folio in self.by_first.values_mut() {
            folio.unseen = 0;
        }
    }

    /// Gives references back.
    pub(crate) fn put(&mut self, first: Pfn, nr: usize) {
        let folio = self.of_mut(first).expect("references to free memory");
        assert!(folio.contains(first + nr - 1), "a run is of one folio");
        assert!(folio.taken() >= nr, "more is given back than was taken");
        folio.refs -= nr;
        folio.unseen = folio.unseen.min(folio.taken());
        self.free_if_unused(first);
    }

    /// Whether the answer for one page, mapped by an entry of its own, is a plain yes.
    pub(crate) fn simply_allowed(&self, page: Pfn, unshare: bool) -> bool {
        let verdict = self.verdict(page, 1, unshare, false);
        verdict.pages == 1 && !verdict.look_again
    }

    /// Answers as [`Pages::verdict`](crate::walk::Pages::verdict) does; see
    /// `gup_fast_folio_allowed()` and `gup_must_unshare()`.
    pub(crate) fn verdict(&self, first: Pfn, nr: usize, unshare: bool, huge: bool) -> Verdict {
        let folio = self.of(first).expect("a question about free memory");
        assert!(folio.contains(first + nr - 1), "a run is of one folio");

        let shared = if huge {
            // What the head is, all are.
            folio.shared.get(&folio.first).map(|_| &first)
        } else {
            folio.shared.range(first..first + nr).next()
        };
        match (folio.kind, shared) {
            (Kind::Secret { mapped: true }, _) => Verdict {
                pages: 0,
                refusal: Some(Refusal::Folio),
                look_again: false,
            },
            (Kind::Anon, Some(shared)) if unshare => Verdict {
                pages: shared - first,
                refusal: Some(Refusal::Shared),
                look_again: false,
            },
            (kind, _) => Verdict {
                pages: nr,
                refusal: None,
                // Without a mapping, it can be a secretmem folio that was truncated just now.
                look_again: matches!(
                    kind,
                    Kind::File { mapped: false } | Kind::Secret { mapped: false }
                ),
            },
        }
    }

    /// The owner drops its reference.
    pub(crate) fn disown(&mut self, pfn: Pfn) {
        let folio = self.of_mut(pfn).expect("an owner has its folio");
        assert!(folio.owned, "the owner drops its reference twice");
        folio.owned = false;
        folio.refs -= 1;
        self.free_if_unused(pfn);
    }

    /// Splits a folio into folios of one page, unless there are references but the owner's.
    pub(crate) fn split(&mut self, pfn: Pfn) {
        let splits = |f: &Folio| f.owned && f.taken() == 0 && f.order > 0;
        let Some(first) = self.of(pfn).filter(|f| splits(f)).map(|f| f.first) else {
            return;
        };
        let Some(whole) = self.by_first.remove(&first) else {
            return;
        };
        for pfn in whole.first..whole.first + whole.pages() {
            let part = Folio {
                first: pfn,
                order: 0,
                shared: whole.shared.range(pfn..=pfn).copied().collect(),
                ..whole.clone()
            };
            self.by_first.insert(pfn, part);
        }
    }

    fn free_if_unused(&mut self, pfn: Pfn) {
        if let Some(unused) = self.of(pfn).filter(|f| f.refs == 0).map(|f| f.first) {
            self.by_first.remove(&unused);
        }
    }
}
