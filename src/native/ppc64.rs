// SPDX-License-Identifier: GPL-2.0

//! ppc64 (Book3S): radix or hash, as the kernel has chosen when it booted.

use super::Native;
use crate::ffi;
use crate::format::ppc64::{Keys, Rights};
use crate::format::ppc64_hash::Ppc64Hash;
use crate::format::ppc64_radix::Ppc64Radix;
use crate::format::{Access, Format, Geometry};
use crate::request::Request;
use crate::walk::{Pages, Tables, Tally};
use kernel::page::PAGE_SHIFT;

pub(super) enum Mmu {
    Radix,
    Hash,
}

type Radix = Ppc64Radix<CurrentKeys>;
type Hash = Ppc64Hash<CurrentKeys>;

/// The protection keys of the current thread, as the kernel knows them.
#[derive(Clone, Copy)]
struct CurrentKeys;

impl Keys for CurrentKeys {
    #[inline(always)]
    fn allow(self, raw: u64, access: Access) -> bool {
        ffi::pte_allowed_by_key(raw, access == Access::Write)
    }
}

impl Mmu {
    pub(super) fn find() -> Self {
        if ffi::radix_enabled() {
            Self::Radix
        } else {
            Self::Hash
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Radix => Radix::NAME,
            Self::Hash => Hash::NAME,
        }
    }

    /// C computes the sizes of all tables from these variables, which are set when the kernel
    /// boots and not changed afterwards.
    pub(super) fn geometry(&self) -> Geometry {
        // CAST: A page has less than 2^256 bytes.
        Geometry::new(
            PAGE_SHIFT as u8,
            ffi::table_index_bits(),
            ffi::pte_pfn_mask(),
        )
    }

    #[inline(always)]
    pub(super) fn walk<const ONE: bool, T: Tables, P: Pages>(
        &self,
        native: &Native,
        tables: &T,
        pages: &mut P,
        request: &Request,
    ) -> Tally {
        let rights = Rights::new(request.flags().access(), CurrentKeys, &native.geometry);

        match self {
            Self::Radix => native.walk_as::<Radix, ONE, T, P>(tables, pages, request, rights),
            Self::Hash => native.walk_as::<Hash, ONE, T, P>(tables, pages, request, rights),
        }
    }
}
