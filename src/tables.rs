// SPDX-License-Identifier: GPL-2.0

//! The page tables of a live mm, as memory.

use crate::format::{PhysAddr, Slot};
use crate::walk::{Section, Table, Tables};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{compiler_fence, Ordering};
use kernel::bindings;
use kernel::mm::lockless_walk;
use kernel::types::NotThreadSafe;

/// The tables of the current task's mm.
///
/// # Invariants
///
/// `mm` is `current->mm`, and `root` is its `pgd`.
pub(crate) struct CurrentTables {
    mm: NonNull<bindings::mm_struct>,
    root: NonNull<u64>,
    /// The mm of another task could go away, and its TLB flushes need not reach this CPU.
    _current: NotThreadSafe,
}

impl CurrentTables {
    /// The tables of `mm`.
    ///
    /// # Safety
    ///
    /// `mm` must be `current->mm`, and the value must not outlive that.
    #[inline(always)]
    pub(crate) unsafe fn new(mm: NonNull<bindings::mm_struct>) -> Option<Self> {
        // SAFETY: `mm` is valid by the precondition, and its `pgd` is set once, before any task
        // can run in it.
        let pgd = unsafe { (*mm.as_ptr()).__bindgen_anon_1.pgd };

        // INVARIANT: As the caller promises.
        Some(Self {
            mm,
            root: NonNull::new(pgd.cast())?,
            _current: NotThreadSafe,
        })
    }
}

impl Tables for CurrentTables {
    type Section = IrqsOff;

    /// Runs `walk` with interrupts off, and published: tables that are reused without a grace period,
    /// as those that khugepaged deposits, are reused when it is over.
    ///
    /// This is `local_irq_save()` and not `kernel::interrupt::local_interrupt_disable()`: perf
    /// asks for a page from NMIs, for which the latter warns. As a closure, sections end in the
    /// order in which they began, so that saving the state instead of counting is enough.
    #[inline(always)]
    fn section<R>(&self, walk: impl FnOnce(&IrqsOff) -> R) -> R {
        // SAFETY: There is no precondition.
        let flags = unsafe { bindings::local_irq_save() };
        let walk = || {
            // INVARIANT: Interrupts are off until behind the call, and `root` is that of current.
            walk(&IrqsOff {
                root: self.root,
                _this_cpu: NotThreadSafe,
            })
        };
        // SAFETY: Interrupts are off, from above to below.
        let ret = unsafe { lockless_walk::published(self.mm, walk) };
        // SAFETY: The flags are those that were saved above, on this CPU.
        unsafe { bindings::local_irq_restore(flags) };
        ret
    }
}

/// Interrupts are off.
///
/// # Invariants
///
/// Interrupts are off on this CPU for as long as the value exists; `root` is `current->mm->pgd`.
///
/// With interrupts off, no table that was in the tree when the value was made, or has come into it
/// since, is freed: `tlb_remove_table()` waits for an RCU grace period or for interrupts that this
/// CPU does not take, `pte_free_defer()` for the former. What is not freed, but used in another way,
/// is so when the walks in it that are published are over.
pub(crate) struct IrqsOff {
    root: NonNull<u64>,
    _this_cpu: NotThreadSafe,
}

impl Section for IrqsOff {
    type Table<'s> = LiveTable<'s>;

    #[inline(always)]
    fn root(&self) -> LiveTable<'_> {
        // INVARIANT: The root table stays as long as the mm, which is that of current.
        LiveTable {
            entries: self.root,
            _section: PhantomData,
        }
    }

    #[inline(always)]
    unsafe fn table(&self, at: PhysAddr) -> LiveTable<'_> {
        // SAFETY: There is no precondition: this computes an address. Tables are in the direct map
        // on 32-bit x86, too, which has no CONFIG_HIGHPTE any more.
        let entries = unsafe { bindings::phys_to_virt(at) };

        LiveTable {
            // SAFETY: The direct map of a table, which the caller promises to be at `at`, is not at
            // address 0.
            entries: unsafe { NonNull::new_unchecked(entries.cast()) },
            // INVARIANT: The table stays until the section ends, by the invariant of `IrqsOff`.
            _section: PhantomData,
        }
    }
}

/// A table that others change, but do not free.
///
/// # Invariants
///
/// `entries` is the kernel's mapping of a page table that is not freed during `'s`.
#[derive(Clone, Copy)]
pub(crate) struct LiveTable<'s> {
    entries: NonNull<u64>,
    _section: PhantomData<&'s IrqsOff>,
}

impl<'s> Table for LiveTable<'s> {
    type Slot = LiveSlot<'s>;

    #[inline(always)]
    unsafe fn slot(self, index: usize) -> LiveSlot<'s> {
        // INVARIANT: The entry is part of a table that stays during `'s`.
        LiveSlot {
            // SAFETY: The caller promises that the table has this entry.
            entry: unsafe { self.entries.add(index) },
            _section: PhantomData,
        }
    }
}

/// An entry that others change. There is never a reference to it, only this address.
///
/// # Invariants
///
/// `entry` is valid for reads during `'s`.
#[derive(Clone, Copy)]
pub(crate) struct LiveSlot<'s> {
    entry: NonNull<u64>,
    _section: PhantomData<&'s IrqsOff>,
}

impl LiveSlot<'_> {
    /// Reads one of the halves of the entry, counted in the order of memory.
    #[inline(always)]
    fn read_half(self, half: usize) -> u32 {
        // SAFETY: The entry is valid and aligned by the type invariant, and so are its two halves.
        // That others write to it at the same time is as in `read_u64()`.
        unsafe { self.entry.as_ptr().cast::<u32>().add(half).read_volatile() }
    }
}

impl Slot for LiveSlot<'_> {
    #[cfg(CONFIG_64BIT)]
    #[inline(always)]
    fn read_u64(self) -> u64 {
        // SAFETY: The entry is valid and aligned by the type invariant. Other CPUs, and the page
        // walker of the hardware, write to it at the same time: this is READ_ONCE(), one access
        // of the size of the entry, which the memory model of the kernel allows to race.
        unsafe { self.entry.as_ptr().read_volatile() }
    }

    /// Does not link if a format uses it: two accesses would not be one, and the instruction that
    /// is one access locks the bus to write.
    #[cfg(not(CONFIG_64BIT))]
    #[inline(always)]
    fn read_u64(self) -> u64 {
        kernel::build_error!("the entries of a 32-bit machine are read by halves")
    }

    #[inline(always)]
    fn read_low(self) -> u32 {
        self.read_half(if cfg!(target_endian = "little") { 0 } else { 1 })
    }

    #[inline(always)]
    fn read_high(self) -> u32 {
        self.read_half(if cfg!(target_endian = "little") { 1 } else { 0 })
    }

    #[inline(always)]
    fn read_barrier(self) {
        if cfg!(CONFIG_X86) {
            // The CPU keeps reads in order; smp_rmb() is for the compiler alone. Without inlined
            // helpers it would be a call, two for each entry.
            compiler_fence(Ordering::SeqCst);
        } else {
            // SAFETY: There is no precondition.
            unsafe { bindings::smp_rmb() };
        }
    }
}
