// SPDX-License-Identifier: GPL-2.0

//! What the walk did for one call.
//!
//! The entry points return a number of pages and nothing else. The device wants to know how they
//! were got, so it names the array of the call beforehand, and the walk leaves its tally
//! behind when it has filled an array of that name.

use crate::ffi::page;
use crate::walk::Tally;
use core::cell::UnsafeCell;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Relaxed, Release};

/// Calls that can be observed at the same time.
const PLACES: usize = 64;

/// One observed call.
///
/// # Invariants
///
/// While `array` is not 0, `tally` belongs to the task that has set it, which is the one that calls
/// GUP with that array, too: the walk runs in its context.
struct Place {
    array: Atomic<usize>,
    tally: UnsafeCell<Tally>,
}

// SAFETY: By the type invariant, `tally` is never touched by two tasks; `array` hands it over.
unsafe impl Sync for Place {}

static PLACE: [Place; PLACES] = [const {
    Place {
        array: Atomic::new(0),
        tally: UnsafeCell::new(Tally::new()),
    }
}; PLACES];

/// Number of calls that are observed: where it is 0, the walk does not look any further.
static OBSERVED: Atomic<i32> = Atomic::new(0);

/// A call that is observed until this is dropped.
pub(super) struct Observed(&'static Place);

/// Observes the next call with this array. `EBUSY` if there are too many.
pub(super) fn begin(array: *mut *mut page) -> Result<Observed> {
    let name = array.addr();
    let place = PLACE
        .iter()
        .find(|place| place.array.cmpxchg(0, name, Acquire).is_ok())
        .ok_or(EBUSY)?;

    // SAFETY: The place is ours now; acquire and release order us behind its last owner.
    unsafe { *place.tally.get() = Tally::new() };
    OBSERVED.fetch_add(1, Relaxed);
    Ok(Observed(place))
}

impl Observed {
    /// What the walk did.
    pub(super) fn end(self) -> Tally {
        // SAFETY: The place is ours until `drop()`, and the call is over.
        unsafe { *self.0.tally.get() }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        OBSERVED.fetch_sub(1, Relaxed);
        self.0.array.store(0, Release);
    }
}

/// Called by the walk: leaves the tally behind if somebody observes this call.
///
/// Context: any.
#[inline(always)]
pub(crate) fn walked(array: *mut *mut page, tally: &Tally) {
    if OBSERVED.load(Relaxed) == 0 {
        return;
    }
    // The task that observes this call has set the name itself, before it made the call: if it is
    // there, it is seen.
    if let Some(place) = PLACE
        .iter()
        .find(|place| place.array.load(Relaxed) == array.addr())
    {
        // SAFETY: The place belongs to the task that has named this array, and we run for it.
        unsafe { *place.tally.get() = *tally };
    }
}
