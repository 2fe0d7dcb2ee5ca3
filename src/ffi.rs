// SPDX-License-Identifier: GPL-2.0

//! The boundary to C.
//!
//! What the kernel offers to Rust as bindings and helpers is used through [`kernel::bindings`];
//! this file has what is in our own helpers.c, checks that both sides agree, and wraps the few
//! calls that have no precondition.

use crate::folio::Page;
use crate::format::{Pfn, PhysAddr};
use crate::request::Flags;
use crate::walk::Tally;
use kernel::bindings;
use kernel::prelude::*;

pub(crate) use kernel::bindings::{folio, mm_struct, page};

/// Call sites that have counters: those of `enum gup_site`, and behind them the module's own API.
pub(crate) const SITES: usize = 5;
pub(crate) const SITE_API: u32 = bindings::gup_site_GUP_SITE_REFERENCE;

/// Sums of the counters of one call site. Shared with helpers.c.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SiteCounters {
    pub(crate) calls: usize,
    pub(crate) pages: usize,
    pub(crate) fast_calls: usize,
    pub(crate) slow_calls: usize,
    pub(crate) refused: [usize; crate::refusal::Refusal::COUNT],
}

/// Sums of all counters. Shared with helpers.c.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) site: [SiteCounters; SITES],
    pub(crate) sections: usize,
    pub(crate) longest_section: usize,
    pub(crate) wasted: usize,
    pub(crate) pins: usize,
    pub(crate) gets: usize,
}

extern "C" {
    static zero_page_pfn: usize;

    fn fast_gup_count(site: u32, pin: bool, fast_only: bool, requested: usize, tally: *const Tally);
    fn fast_gup_count_one(site: u32, pin: bool);
    fn fast_gup_sum(counters: *mut Counters);
    #[allow(improper_ctypes, reason = "struct page has the layout of C")]
    fn fast_gup_mark_dirty(page: *mut page);
    fn fast_gup_add_kernel_files();
    #[cfg(CONFIG_X86_PAE)]
    fn fast_gup_memory_end() -> u64;
}

/// The count of references to a folio, which is where that of a page is.
#[inline(always)]
pub(crate) fn refcount(folio: *mut folio) -> *mut bindings::atomic_t {
    // SAFETY: This computes an address in a `struct page`, and reads nothing.
    unsafe { &raw mut (*folio.cast::<page>())._refcount }
}

/// Whether a page is the one full of zeros: `is_zero_pfn()`, of which no architecture that there is a
/// format for has more than one.
#[inline(always)]
pub(crate) fn is_zero_pfn(pfn: Pfn) -> bool {
    // SAFETY: It is set before modules are loaded, and not changed.
    pfn == unsafe { zero_page_pfn }
}

/// Adds the files with what the kernel counts to the directory in debugfs, which they go with.
///
/// Context: may sleep.
pub(crate) fn add_kernel_files() {
    // SAFETY: There is no precondition.
    unsafe { fast_gup_add_kernel_files() }
}

/// Adds a call to the counters of this CPU.
///
/// Context: any.
#[inline(always)]
pub(crate) fn count(site: u32, flags: Flags, requested: usize, tally: &Tally) {
    let (pin, fast_only) = (flags.contains(Flags::PIN), flags.contains(Flags::FAST_ONLY));

    // SAFETY: The function reads `tally` during the call; `site` is checked by it.
    unsafe { fast_gup_count(site, pin, fast_only, requested, tally) }
}

/// The same for a call that got one page, as it was asked to.
///
/// Context: any.
#[inline(always)]
pub(crate) fn count_one(site: u32, flags: Flags) {
    // SAFETY: There is no precondition; `site` is checked by the function.
    unsafe { fast_gup_count_one(site, flags.contains(Flags::PIN)) }
}

/// Marks the folio of a page dirty, unless it is.
///
/// Context: may sleep.
///
/// # Safety
///
/// The caller must hold the page.
pub(crate) unsafe fn mark_dirty(page: Page) {
    // SAFETY: By the precondition.
    unsafe { fast_gup_mark_dirty(page.as_ptr()) }
}

/// Sums the counters of all CPUs. The CPUs go on counting meanwhile.
pub(crate) fn counters() -> Counters {
    let mut counters = core::mem::MaybeUninit::uninit();

    // SAFETY: The function fills the whole structure, whose layout is the same in C.
    unsafe {
        fast_gup_sum(counters.as_mut_ptr());
        counters.assume_init()
    }
}

/// Bits of an entry of the page tables that hold a physical address.
pub(crate) fn pte_pfn_mask() -> PhysAddr {
    // SAFETY: There is no precondition.
    unsafe { bindings::pte_pfn_mask() }
}

/// Whether page tables have five levels and not four.
#[cfg(CONFIG_X86_64)]
pub(crate) fn pgtable_l5_enabled() -> bool {
    // SAFETY: There is no precondition.
    unsafe { bindings::pgtable_l5_enabled() }
}

/// The rights of the current thread to pages with protection keys, or 0 where the CPU has none.
///
/// Context: that of the thread.
#[cfg(CONFIG_X86_64)]
#[inline(always)]
pub(crate) fn read_pkru() -> u32 {
    // SAFETY: There is no precondition.
    unsafe { bindings::read_pkru() }
}

/// Whether the MMU walks the page tables itself, and not a hash table of entries.
#[cfg(CONFIG_PPC_BOOK3S_64)]
pub(crate) fn radix_enabled() -> bool {
    // SAFETY: There is no precondition.
    unsafe { bindings::radix_enabled() }
}

/// Bits of the index into a table, from the tables of pages up to the root.
#[cfg(CONFIG_PPC_BOOK3S_64)]
pub(crate) fn table_index_bits() -> [u8; 4] {
    // SAFETY: There is no precondition.
    let bits = unsafe {
        [
            bindings::pte_index_size(),
            bindings::pmd_index_size(),
            bindings::pud_index_size(),
            bindings::pgd_index_size(),
        ]
    };
    // CAST: An address has 64 bits.
    bits.map(|bits| bits as u8)
}

/// Whether the protection key of a page table entry allows the current thread to access the page.
///
/// Context: that of the thread.
#[cfg(CONFIG_PPC_BOOK3S_64)]
pub(crate) fn pte_allowed_by_key(pte: u64, write: bool) -> bool {
    // SAFETY: There is no precondition.
    unsafe { bindings::arch_pte_access_permitted(pte, write, false) }
}

/// The physical address behind the last page that has a `struct page`.
#[cfg(CONFIG_X86_PAE)]
pub(crate) fn memory_end() -> PhysAddr {
    // SAFETY: There is no precondition.
    unsafe { fast_gup_memory_end() }
}

/// The mm of the current task, or null for a kernel thread.
#[inline(always)]
pub(crate) fn current_mm() -> *mut mm_struct {
    // SAFETY: `current` is always valid, and its `mm` changes only by its own doing.
    unsafe { (*bindings::get_current()).mm }
}

/// Removes the bits that the CPU ignores from a user address.
#[inline(always)]
pub(crate) fn untagged_addr(addr: usize) -> usize {
    // SAFETY: There is no precondition.
    unsafe { bindings::untagged_addr(addr) }
}

/// The first address behind user space.
#[inline(always)]
pub(crate) fn task_size_max() -> usize {
    // SAFETY: There is no precondition.
    unsafe { bindings::task_size_max() }
}

const _: () = {
    assert!(Flags::WRITE.raw() == bindings::FOLL_WRITE);
    assert!(Flags::GET.raw() == bindings::FOLL_GET);
    assert!(Flags::NOFAULT.raw() == bindings::FOLL_NOFAULT);
    assert!(Flags::LONGTERM.raw() == bindings::FOLL_LONGTERM);
    assert!(Flags::PCI_P2PDMA.raw() == bindings::FOLL_PCI_P2PDMA);
    assert!(Flags::INTERRUPTIBLE.raw() == bindings::FOLL_INTERRUPTIBLE);
    assert!(Flags::HONOR_NUMA_FAULT.raw() == bindings::FOLL_HONOR_NUMA_FAULT);
    assert!(Flags::PIN.raw() == bindings::FOLL_PIN);
    assert!(Flags::FAST_ONLY.raw() == bindings::FOLL_FAST_ONLY);
};

/// Converts a count or a negative errno of C.
pub(crate) fn to_count(ret: isize) -> Result<usize> {
    usize::try_from(ret).map_err(|_| Error::from_errno(ret as i32))
}
