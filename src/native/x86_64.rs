// SPDX-License-Identifier: GPL-2.0

//! x86_64: one format, with four or five levels.

use super::Native;
use crate::ffi;
use crate::format::x86_64::{Rights, X86_64};
use crate::format::{Format, Geometry};
use crate::request::Request;
use crate::walk::{Pages, Tables, Tally};

pub(super) struct Mmu;

impl Mmu {
    pub(super) fn find() -> Self {
        Self
    }

    pub(super) fn name(&self) -> &'static str {
        X86_64::NAME
    }

    pub(super) fn geometry(&self) -> Geometry {
        X86_64::geometry(ffi::pgtable_l5_enabled(), ffi::pte_pfn_mask())
    }

    #[inline(always)]
    pub(super) fn walk<const ONE: bool, T: Tables, P: Pages>(
        &self,
        native: &Native,
        tables: &T,
        pages: &mut P,
        request: &Request,
    ) -> Tally {
        let rights = Rights::new(request.flags().access(), ffi::read_pkru());

        native.walk_as::<X86_64, ONE, T, P>(tables, pages, request, rights)
    }
}
