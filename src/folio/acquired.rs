// SPDX-License-Identifier: GPL-2.0

//! Counting pins in the statistics of their node, many at once.

use super::Folio;

/// Pins that were taken, and are not yet counted as acquired, all of one node.
#[derive(Clone, Copy)]
pub(crate) struct Acquired {
    /// One of their folios.
    folio: Option<Folio>,
    /// Their node, or -1 if there are none.
    nid: i32,
    nr: usize,
}

impl Acquired {
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

    /// Counts them now, which is the end of the value.
    #[inline(always)]
    pub(crate) fn count(self) {
        if let Some(folio) = self.folio {
            folio.count_acquired(self.nr);
        }
    }
}
