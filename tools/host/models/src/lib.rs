// SPDX-License-Identifier: GPL-2.0

//! The handshakes of fast_gup with the rest of the kernel, explored with [loom].
//!
//! A model is the few accesses of a handshake and no more; loom tries all their orders, and all the
//! values that the C11 memory model lets each read return. Of every model there are variants that
//! lack a barrier, and must be found to fail: else the model would show nothing.
//!
//! - [`share`]: taking a reference against taking the page away.
//! - [`fork`]: `write_protect_seq` around a pin.
//! - [`halves`]: an entry that is read and written by halves, as those of PAE are.
//! - [`parents`]: a table that leaves the tree and comes back, against the second look.
//! - [`unregister`]: a call through the hook against unloading the module.
//! - [`walk_flag`]: a walk that is published against the reuse of a table.
//!
//! The kernel's barriers are fences here: `smp_mb()` is sequentially consistent, `smp_rmb()` is
//! acquire, `smp_wmb()` is release. Other accesses are relaxed, as `READ_ONCE()` and `WRITE_ONCE()`.
//!
//! [loom]: https://docs.rs/loom

#![cfg(test)]
#![warn(missing_docs, rust_2018_idioms)]

mod fork;
mod halves;
mod parents;
mod share;
mod unregister;
mod walk_flag;

use loom::sync::atomic::{fence, Ordering};

/// `smp_mb()`, unless the model is to lack it.
fn smp_mb(there: bool) {
    if there {
        fence(Ordering::SeqCst);
    }
}

/// `smp_rmb()`, unless the model is to lack it.
fn smp_rmb(there: bool) {
    if there {
        fence(Ordering::Acquire);
    }
}

/// `smp_wmb()`.
fn smp_wmb() {
    fence(Ordering::Release);
}
