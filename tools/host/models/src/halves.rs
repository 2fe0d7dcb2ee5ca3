// SPDX-License-Identifier: GPL-2.0

//! An entry of PAE is read by halves while another CPU writes them, see `X86Pae::load()` in
//! `format/x86_pae.rs`. The writers are those of `arch/x86/include/asm/pgtable-3level.h`.
//!
//! The load itself is enough for an entry that becomes present, or ceases to be. For one that does
//! both, and has the same lower half then, it takes a rule as well: in between, the writer flushes
//! the TLB, and so waits for an interrupt that the walk takes when its section is over.

use crate::smp_rmb;
use loom::sync::atomic::{fence, AtomicU32, Ordering, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// An entry, upper half and lower half.
type Entry = (u32, u32);

const NONE: Entry = (0, 0);
/// A page, and the one 4 GiB above it: their lower halves are the same.
const HERE: Entry = (1, 0x2345_6067);
const ABOVE: Entry = (2, 0x2345_6067);
/// A page at another place.
const ELSEWHERE: Entry = (2, 0x5432_1067);

const PRESENT: u32 = 1;

struct Machine {
    high: AtomicU32,
    low: AtomicU32,
    /// Held while the walk has interrupts off. A flush of the TLB waits for it.
    irqs_off: Mutex<()>,
}

/// What a model may lack.
#[derive(Clone, Copy)]
struct Model {
    /// The lower half is read again, and both are if it has changed.
    retry: bool,
    /// The barriers of the load.
    read_barriers: bool,
    /// The barriers of `native_set_pte()` and `native_pte_clear()`.
    write_barriers: bool,
    /// The TLB is flushed before the entry is used again.
    flush: bool,
}

const WHOLE: Model = Model {
    retry: true,
    read_barriers: true,
    write_barriers: true,
    flush: true,
};

/// The load, inside of a section.
fn load(machine: &Machine, model: Model) -> Entry {
    let _section = machine.irqs_off.lock().unwrap();
    let mut low = machine.low.load(Relaxed);
    loop {
        smp_rmb(model.read_barriers);
        let high = machine.high.load(Relaxed);
        smp_rmb(model.read_barriers);
        let now = machine.low.load(Relaxed);
        if now == low || !model.retry {
            return (high, low);
        }
        low = now;
    }
}

fn smp_wmb(there: bool) {
    if there {
        fence(Ordering::Release);
    }
}

/// `native_set_pte()`.
fn set(machine: &Machine, entry: Entry, model: Model) {
    machine.high.store(entry.0, Relaxed);
    smp_wmb(model.write_barriers);
    machine.low.store(entry.1, Relaxed);
}

/// `native_pte_clear()`.
fn clear(machine: &Machine, model: Model) {
    machine.low.store(0, Relaxed);
    smp_wmb(model.write_barriers);
    machine.high.store(0, Relaxed);
}

/// `flush_tlb_page()`: every CPU has been interrupted since.
fn flush(machine: &Machine, model: Model) {
    if model.flush {
        drop(machine.irqs_off.lock().unwrap());
    }
}

/// Loads the entry while it goes through `values`: none of them is present twice in a row.
fn explore(values: &'static [Entry], model: Model) {
    explore_with(values, model, move |machine| Some(load(machine, model)));
}

fn explore_with(
    values: &'static [Entry],
    model: Model,
    walk: impl Fn(&Machine) -> Option<Entry> + Copy + Send + Sync + 'static,
) {
    loom::model(move || {
        let machine = Arc::new(Machine {
            high: AtomicU32::new(values[0].0),
            low: AtomicU32::new(values[0].1),
            irqs_off: Mutex::new(()),
        });
        let walker = {
            let machine = machine.clone();
            thread::spawn(move || walk(&machine))
        };
        for (i, &value) in values.iter().enumerate().skip(1) {
            match value {
                NONE => clear(&machine, model),
                _ if i > 1 => {
                    flush(&machine, model);
                    set(&machine, value, model);
                }
                _ => set(&machine, value, model),
            }
        }
        if let Some(found) = walker.join().unwrap() {
            let present = found.1 & PRESENT != 0;
            assert!(
                !present || values.contains(&found),
                "made of two values: {found:x?}"
            );
        }
    });
}

const CASES: [&[Entry]; 4] = [
    &[NONE, HERE],
    &[HERE, NONE],
    &[NONE, HERE, NONE],
    &[HERE, NONE, ELSEWHERE],
];

#[test]
fn a_page_comes_or_goes() {
    for values in CASES {
        explore(values, WHOLE);
    }
}

#[test]
fn another_page_comes_behind_a_flush() {
    explore(&[HERE, NONE, ABOVE], WHOLE);
}

/// Where the lower halves differ, there is no need for one.
#[test]
fn another_page_comes_without_a_flush() {
    let unflushed = Model {
        flush: false,
        ..WHOLE
    };
    explore(&[HERE, NONE, ELSEWHERE], unflushed);
}

#[test]
#[should_panic(expected = "made of two values")]
fn fails_without_a_flush_if_the_lower_half_is_the_same() {
    explore(
        &[HERE, NONE, ABOVE],
        Model {
            flush: false,
            ..WHOLE
        },
    );
}

/// Where the kernel does without the flush, the walk's second look at the entry finds what the first
/// one made of two values: the upper half that was not there yet is there by then.
#[test]
fn the_second_look_finds_what_a_missing_flush_lets_pass() {
    let unflushed = Model {
        flush: false,
        ..WHOLE
    };
    explore_with(&[HERE, NONE, ABOVE], unflushed, move |machine| {
        let found = load(machine, unflushed);
        fence(Ordering::SeqCst);
        (load(machine, unflushed) == found).then_some(found)
    });
}

#[test]
#[should_panic(expected = "made of two values")]
fn fails_without_the_retry() {
    explore(
        &[HERE, NONE],
        Model {
            retry: false,
            ..WHOLE
        },
    );
}

#[test]
#[should_panic(expected = "made of two values")]
fn fails_without_the_barriers_of_the_load() {
    explore(
        &[HERE, NONE],
        Model {
            read_barriers: false,
            ..WHOLE
        },
    );
}

#[test]
#[should_panic(expected = "made of two values")]
fn fails_without_the_barrier_of_the_setter() {
    explore(
        &[NONE, HERE],
        Model {
            write_barriers: false,
            ..WHOLE
        },
    );
}

#[test]
#[should_panic(expected = "made of two values")]
fn fails_without_the_barrier_of_who_clears() {
    explore(
        &[HERE, NONE],
        Model {
            write_barriers: false,
            ..WHOLE
        },
    );
}
