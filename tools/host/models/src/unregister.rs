// SPDX-License-Identifier: GPL-2.0

//! Unloading the module under load. The hook is called with preemption off, that is, in an RCU
//! read-side section; to unregister is to point the hook elsewhere and to wait for a grace period.
//! Then nobody executes the module any more, and its memory may go.

use crate::smp_mb;
use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::Release;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed};
use loom::sync::Arc;
use loom::thread;

struct Kernel {
    /// Whether the hook leads to the module.
    registered: AtomicBool,
    /// Read-side sections that have begun and not ended: RCU, made simple.
    readers: AtomicUsize,
    /// The memory of the module. Loom fails if it is used and freed without order.
    module: UnsafeCell<bool>,
}

/// How a model goes about it.
#[derive(Clone, Copy)]
struct Model {
    /// Waits for a grace period.
    synchronize: bool,
    /// The hook is read in the section, and not in front of it.
    inside: bool,
}

/// A call of `get_user_pages_fast()`; whether the module served it.
fn call(kernel: &Kernel, model: Model) -> bool {
    let early = kernel.registered.load(Relaxed);
    kernel.readers.fetch_add(1, Relaxed);
    smp_mb(true);
    let registered = if model.inside {
        kernel.registered.load(Relaxed)
    } else {
        early
    };
    if registered {
        // SAFETY: Reading a boolean; loom tells if somebody writes meanwhile.
        let there = kernel.module.with(|module| unsafe { *module });
        assert!(there, "a call into a module that is gone");
    }
    kernel.readers.fetch_sub(1, Release);
    registered
}

/// Unloads the module.
fn unload(kernel: &Kernel, model: Model) {
    kernel.registered.store(false, Relaxed);
    if model.synchronize {
        smp_mb(true);
        while kernel.readers.load(Acquire) != 0 {
            thread::yield_now();
        }
    }
    // SAFETY: Writing a boolean; loom tells if somebody reads meanwhile.
    kernel.module.with_mut(|module| unsafe { *module = false });
}

fn explore(model: Model) {
    loom::model(move || {
        let kernel = Arc::new(Kernel {
            registered: AtomicBool::new(true),
            readers: AtomicUsize::new(0),
            module: UnsafeCell::new(true),
        });
        let caller = {
            let kernel = kernel.clone();
            thread::spawn(move || call(&kernel, model))
        };
        unload(&kernel, model);
        caller.join().unwrap();

        // Whoever calls from now on is served by the kernel's own.
        assert!(!call(&kernel, model), "a call behind the unloading");
    });
}

#[test]
fn a_call_and_an_unload() {
    explore(Model {
        synchronize: true,
        inside: true,
    });
}

#[test]
#[should_panic]
fn fails_without_a_grace_period() {
    explore(Model {
        synchronize: false,
        inside: true,
    });
}

#[test]
#[should_panic]
fn fails_if_the_hook_is_read_outside_the_section() {
    explore(Model {
        synchronize: true,
        inside: false,
    });
}
