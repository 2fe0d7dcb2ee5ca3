// SPDX-License-Identifier: GPL-2.0

//! This machine: what the walk has to know of it, found out once, when the module is loaded.
//!
//! Every format compiles everywhere; which one the tables of this kernel have is said here, by
//! the one file of [`native/`](self) that is compiled. Where the kernel chooses between formats
//! when it boots, that file chooses with it.

use crate::format::{Format, Geometry};
use crate::request::Request;
use crate::walk::{self, Pages, Range, Tables, Tally};
use kernel::prelude::*;
use kernel::sync::SetOnce;

#[cfg(CONFIG_PPC_BOOK3S_64)]
mod ppc64;
#[cfg(CONFIG_X86_64)]
mod x86_64;
#[cfg(CONFIG_X86_PAE)]
mod x86_pae;

#[cfg(CONFIG_PPC_BOOK3S_64)]
use ppc64::Mmu;
#[cfg(CONFIG_X86_64)]
use x86_64::Mmu;
#[cfg(CONFIG_X86_PAE)]
use x86_pae::Mmu;

/// Entries that one section may look at: what the documentation promises.
const SECTION_LIMIT: u32 = 512;

/// Facts that do not change while the module is loaded.
pub(crate) struct Native {
    mmu: Mmu,
    pub(crate) geometry: Geometry,
    /// Entries that one section with interrupts off looks at, at the most.
    pub(crate) max_section: usize,
}

impl Native {
    /// Name of the format of the tables.
    pub(crate) fn name(&self) -> &'static str {
        self.mmu.name()
    }

    /// Walks `tables`, which have the format of this machine: see [`walk()`](crate::walk::walk),
    /// or [`one()`](crate::walk::one) for a request of `ONE` page.
    ///
    /// Context: that of the thread, whose protection keys limit the access.
    #[inline(always)]
    pub(crate) fn walk<const ONE: bool, T: Tables, P: Pages>(
        &self,
        tables: &T,
        pages: &mut P,
        request: &Request,
    ) -> Tally {
        self.mmu.walk::<ONE, T, P>(self, tables, pages, request)
    }

    #[inline(always)]
    fn walk_as<F: Format, const ONE: bool, T: Tables, P: Pages>(
        &self,
        tables: &T,
        pages: &mut P,
        request: &Request,
        rights: F::Rights,
    ) -> Tally {
        let range = Range::<F> {
            geometry: &self.geometry,
            rights,
            start: request.start(),
            end: request.end(),
            max_section: self.max_section,
        };

        if ONE {
            walk::one(tables, pages, &range)
        } else {
            walk::walk(tables, pages, &range)
        }
    }
}

static NATIVE: SetOnce<Native> = SetOnce::new();

/// The facts; `None` before [`init()`].
#[inline(always)]
pub(crate) fn get() -> Option<&'static Native> {
    NATIVE.as_ref()
}

/// Finds the facts out. Called once, before anything else of the module runs.
pub(crate) fn init(max_section: u32) -> Result {
    if !(1..=SECTION_LIMIT).contains(&max_section) {
        pr_err!("max_section={max_section}: must be between 1 and {SECTION_LIMIT}\n");
        return Err(EINVAL);
    }
    let mmu = Mmu::find();
    NATIVE.populate(Native {
        geometry: mmu.geometry(),
        mmu,
        max_section: max_section as usize,
    });
    Ok(())
}
