// SPDX-License-Identifier: GPL-2.0

//! fast_gup: user addresses to referenced or pinned pages, without a lock.
//!
//! A [request] goes to the [lockless walk](walk), which reads page tables of a [format] through
//! the live [tables] and takes references on [folio]s; what it refuses goes to the [fallback].
//! [gup] is the API of the module, [provider] serves the kernel's own callers.

#![crate_name = "fast_gup"]

use kernel::prelude::*;

mod array_vec;
#[cfg(CONFIG_FAST_GUP_TEST)]
mod device;
mod fallback;
mod ffi;
mod folio;
#[forbid(unsafe_code)]
mod format;
mod gup;
mod lockless;
#[forbid(unsafe_code)]
mod native;
mod output;
#[forbid(unsafe_code)]
mod packed;
mod provider;
mod ranges;
#[forbid(unsafe_code)]
mod refusal;
#[forbid(unsafe_code)]
mod request;
#[forbid(unsafe_code)]
mod stats;
mod tables;
mod walk;

module! {
    type: FastGup,
    name: "fast_gup",
    authors: ["fast_gup developers"],
    description: "Lockless walk of user page tables",
    license: "GPL",
    params: {
        provide: u8 {
            default: 1,
            description: "1: serve get_user_pages_fast() and pin_user_pages_fast(), 0: only the API",
        },
        max_section: u32 {
            default: 512,
            description: "Page table entries looked at with interrupts off, 1 to 512",
        },
    },
}

/// Whether the module serves the kernel's own callers.
fn providing() -> bool {
    module_parameters::provide.value() == 1
}

/// What is undone, in this order, when the module is unloaded.
#[pin_data]
struct FastGup {
    provider: Option<provider::Provider>,
    #[cfg(CONFIG_FAST_GUP_TEST)]
    #[pin]
    device: kernel::miscdevice::MiscDeviceRegistration<device::TestDevice>,
    #[pin]
    stats: stats::StatsDir,
}

impl kernel::InPlaceModule for FastGup {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _: { native::init(module_parameters::max_section.value())? },
            stats <- stats::StatsDir::new(),
            #[cfg(CONFIG_FAST_GUP_TEST)]
            device <- device::register(),
            provider: match module_parameters::provide.value() {
                0 => None,
                1 => Some(provider::Provider::register()?),
                other => {
                    pr_err!("provide={other}: must be 0 or 1\n");
                    Err(EINVAL)?
                }
            },
        })
    }
}
