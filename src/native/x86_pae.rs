// SPDX-License-Identifier: GPL-2.0

//! 32-bit x86 with PAE: one format, and memory that does not grow, for there is no hotplug.

use super::Native;
use crate::ffi;
use crate::format::x86_pae::{Rights, X86Pae};
use crate::format::{Format, Geometry};
use crate::request::Request;
use crate::walk::{Pages, Tables, Tally};

pub(super) struct Mmu;

impl Mmu {
    pub(super) fn find() -> Self {
        Self
    }

    pub(super) fn name(&self) -> &'static str {
        X86Pae::NAME
    }

    pub(super) fn geometry(&self) -> Geometry {
        X86Pae::geometry(ffi::pte_pfn_mask(), ffi::memory_end())
    }

    #[inline(always)]
    pub(super) fn walk<const ONE: bool, T: Tables, P: Pages>(
        &self,
        native: &Native,
        tables: &T,
        pages: &mut P,
        request: &Request,
    ) -> Tally {
        let rights = Rights::new(request.flags().access(), &native.geometry);

        native.walk_as::<X86Pae, ONE, T, P>(tables, pages, request, rights)
    }
}
