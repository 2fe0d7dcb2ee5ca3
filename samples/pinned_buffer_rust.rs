// SPDX-License-Identifier: GPL-2.0

//! A driver that holds a buffer of its user, as one does whose device works on it.
//!
//! See [`pinned_buffer.h`](srctree/mm/fast_gup/samples/pinned_buffer.h) for what it offers, and
//! pinned_buffer_c.c for the same in C.

use kernel::{
    miscdevice::{
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*, //
};

#[forbid(unsafe_code)]
mod buffer;
#[forbid(unsafe_code)]
mod device;

use device::BufferDevice;

module! {
    type: PinnedBufferModule,
    name: "pinned_buffer_rust",
    authors: ["fast_gup developers"],
    description: "Sample: a driver that pins a buffer of its user, in Rust",
    license: "GPL",
}

#[pin_data]
struct PinnedBufferModule {
    #[pin]
    device: MiscDeviceRegistration<BufferDevice>,
}

impl kernel::InPlaceModule for PinnedBufferModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"pinned_buffer_rust",
            }),
        })
    }
}
