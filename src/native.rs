// SPDX-License-Identifier: GPL-2.0

//! What the walk has to know of this machine: found out once, when the module is loaded.

use crate::format::Geometry;
use crate::tables;
use kernel::prelude::*;
use kernel::sync::SetOnce;

/// Entries that one section may look at: what the documentation promises.
const SECTION_LIMIT: u32 = 512;

/// Facts that do not change while the module is loaded.
pub(crate) struct Native {
    pub(crate) geometry: Geometry,
    /// Entries that one section with interrupts off looks at, at the most.
    pub(crate) max_section: usize,
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
    NATIVE.populate(Native {
        geometry: tables::geometry(),
        max_section: max_section as usize,
    });
    Ok(())
}
