// SPDX-License-Identifier: GPL-2.0

//! Counting pins in the statistics of their node, many at once.

use super::Folio;
use kernel::bindings;

/// Pins that were taken, and are not yet counted as acquired.
pub(crate) type Acquired = Pins<{ bindings::node_stat_item_NR_FOLL_PIN_ACQUIRED }>;

/// Pins that were dropped, and are not yet counted as released.
pub(crate) type Released = Pins<{ bindings::node_stat_item_NR_FOLL_PIN_RELEASED }>;

/// Pins, all of one node, that are not yet counted as `ITEM`.
#[derive(Clone, Copy)]
pub(crate) struct Pins<const ITEM: bindings::node_stat_item> {
    /// One of their folios.
    folio: Option<Folio>,
    /// Their node, or -1 if there are none.
    nid: i32,
    nr: usize,
}

impl<const ITEM: bindings::node_stat_item> Pins<ITEM> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            folio: None,
            nid: -1,
            nr: 0,
        }
    }

    /// Counts pins later, together with the next ones of the same node.
    #[inline(always)]
    pub(crate) fn add(&mut self, folio: Folio, nr: usize) {
        let nid = folio.nid();

        if nid != self.nid {
            self.count();
            *self = Self {
                folio: Some(folio),
                nid,
                nr: 0,
            };
        }
        self.nr = self.nr.wrapping_add(nr);
    }

    /// The same for number `nr` of the folios of a page each that [`added_singles`](Self::added_singles)
    /// will tell of.
    #[inline(always)]
    pub(crate) fn add_single(&mut self, folio: Folio, nr: usize) {
        let nid = folio.nid();

        if nid != self.nid {
            self.nr = self.nr.wrapping_add(nr);
            self.count();
            // Those in front are counted, and will be told of.
            *self = Self {
                folio: Some(folio),
                nid,
                nr: nr.wrapping_neg(),
            };
        }
    }

    /// `nr` folios in a row were added by [`add_single`](Self::add_single).
    #[inline(always)]
    pub(crate) fn added_singles(&mut self, nr: usize) {
        self.nr = self.nr.wrapping_add(nr);
    }

    /// Counts them now, which is the end of the value.
    #[inline(always)]
    pub(crate) fn count(self) {
        if let Some(folio) = self.folio {
            folio.count(ITEM, self.nr);
        }
    }
}
