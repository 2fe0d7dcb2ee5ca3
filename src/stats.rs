// SPDX-License-Identifier: GPL-2.0

//! The directory in debugfs, `/sys/kernel/debug/fast_gup`.
//!
//! In `stats` are the counters, one line each: the call site, or `all`; the name; the sum over the
//! CPUs. In `pins` are the owners of long-term pins, which the kernel knows, and in `walk_sync` how it
//! waited for walks, with `CONFIG_LOCKLESS_PGTABLE_WALK`.

use crate::ffi::{self, Counters};
use crate::refusal::Refusal;
use kernel::debugfs::{Dir, File};
use kernel::fmt;
use kernel::prelude::*;

/// Names of the call sites, in the order of `enum gup_site`; the module's own API comes last.
const SITES: [&str; ffi::SITES] = ["other", "direct_io", "splice", "io_uring", "api"];

/// The file's contents, computed whenever it is read.
pub(crate) struct Stats;

/// The directory with the file in it; both go with the value.
#[pin_data]
pub(crate) struct StatsDir {
    dir: Dir,
    #[pin]
    stats: File<Stats>,
}

impl StatsDir {
    /// Makes the directory.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        let dir = Dir::new(c"fast_gup");

        try_pin_init!(Self {
            stats <- dir.read_callback_file(c"stats", Ok::<_, Error>(Stats), &show),
            dir,
            _: {
                ffi::add_kernel_files();
            },
        })
    }
}

fn show(_: &Stats, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let counters = ffi::counters();
    let Counters {
        sections,
        longest_section,
        wasted,
        pins,
        gets,
        ..
    } = counters;

    for (name, site) in SITES.iter().zip(&counters.site) {
        writeln!(f, "{name} calls {}", site.calls)?;
        writeln!(f, "{name} pages {}", site.pages)?;
        writeln!(f, "{name} fast_calls {}", site.fast_calls)?;
        writeln!(f, "{name} slow_calls {}", site.slow_calls)?;
        for (reason, nr) in Refusal::NAMES.iter().zip(&site.refused).skip(1) {
            writeln!(f, "{name} refused_{reason} {nr}")?;
        }
    }
    writeln!(f, "all sections {sections}")?;
    writeln!(f, "all longest_section {longest_section}")?;
    writeln!(f, "all wasted {wasted}")?;
    writeln!(f, "all pins_acquired {pins}")?;
    writeln!(f, "all gets {gets}")
}
