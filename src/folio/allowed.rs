// SPDX-License-Identifier: GPL-2.0

//! Whether a folio that is held, and is still mapped, may be got in the way that is asked for.
//!
//! See `gup_fast_folio_allowed()` and `gup_must_unshare()` in mm/gup.c and mm/internal.h.

use super::{Folio, Page, Run};
use crate::refusal::Refusal;
use crate::request::Flags;
use crate::walk::{Mapping, Verdict};
use kernel::bindings;

/// `FOLIO_MAPPING_ANON`, in the low bits of `folio->mapping`.
const MAPPING_ANON: usize = 0x1;
/// `FOLIO_MAPPING_FLAGS`.
const MAPPING_FLAGS: usize = 0x3;

/// The answer for the first `nr` pages of a run.
///
/// # Safety
///
/// The caller must own the references of the run, and interrupts must be off.
#[inline(always)]
pub(crate) unsafe fn verdict<const PIN: bool>(
    run: Run,
    nr: usize,
    flags: Flags,
    mapping: Mapping,
) -> Verdict {
    // SAFETY: By the precondition.
    let look_again = match unsafe { allowed(run.folio(), flags) } {
        Ok(look_again) => look_again,
        Err(refusal) => return Verdict::refused(refusal),
    };

    let pages = if mapping.writable || !PIN || flags.contains(Flags::WRITE) {
        nr
    } else if mapping.huge {
        // One entry has one answer, which the head has for all the pages.
        // SAFETY: By the precondition.
        nr * unsafe { exclusive(run.folio().head(), 1, flags) }
    } else {
        // SAFETY: By the precondition.
        unsafe { exclusive(run.first(), nr, flags) }
    };
    Verdict {
        pages,
        refusal: (pages < nr).then_some(Refusal::Shared),
        look_again,
    }
}

/// Whether [`verdict`] says without any doubt that a page may be got, which is a folio of its own.
///
/// # Safety
///
/// As for [`verdict`].
#[inline(always)]
pub(crate) unsafe fn simply_allowed<const PIN: bool>(
    page: Page,
    folio: Folio,
    flags: Flags,
    writable: bool,
) -> bool {
    // SAFETY: By the precondition.
    unsafe {
        allowed(folio, flags) == Ok(false)
            && (writable || !PIN || flags.contains(Flags::WRITE) || exclusive(page, 1, flags) == 1)
    }
}

/// Nothing speaks against anonymous memory.
///
/// # Safety
///
/// The caller must own a reference to the folio, and interrupts must be off.
#[inline(always)]
unsafe fn allowed(folio: Folio, flags: Flags) -> Result<bool, Refusal> {
    // SAFETY: The reference keeps the folio what it is.
    let mapping = unsafe { bindings::folio_mapping_raw(folio.as_ptr()) };

    if mapping.addr() & MAPPING_ANON != 0 {
        return Ok(false);
    }
    // SAFETY: By the precondition.
    unsafe { allowed_not_anon(folio, mapping, flags) }
}

/// Memory of a device is for those who ask for it. secretmem must never be got. A pin for long that
/// writes to a file would dirty it behind the back of its file system; shmem and hugetlb do not
/// mind.
///
/// Returns whether the answer holds only if the entry, read again, still maps the folio.
///
/// # Safety
///
/// As for [`allowed`]; `mapping` is that of the folio.
#[inline(never)]
unsafe fn allowed_not_anon(
    folio: Folio,
    mapping: *mut bindings::address_space,
    flags: Flags,
) -> Result<bool, Refusal> {
    const LONGTERM_WRITE: Flags = Flags::PIN.with(Flags::LONGTERM).with(Flags::WRITE);

    if !flags.contains(Flags::PCI_P2PDMA) && folio.is_p2pdma() {
        return Err(Refusal::P2pdma);
    }

    let reject_file_backed = flags.contains(LONGTERM_WRITE);
    // The folios of secretmem are single pages, always.
    let check_secretmem = cfg!(CONFIG_SECRETMEM) && !folio.is_large();
    // SAFETY: By the precondition.
    let hugetlb = unsafe { bindings::folio_test_hugetlb(folio.as_ptr()) };
    if hugetlb || (!reject_file_backed && !check_secretmem) {
        return Ok(false);
    }

    if mapping.addr() & MAPPING_FLAGS != 0 {
        return Err(Refusal::Folio);
    }
    if mapping.is_null() {
        return null_mapping(reject_file_backed);
    }

    // SAFETY: Whoever frees an inode, and the mapping in it, waits for an RCU grace period, which
    // does not end while interrupts are off.
    let (secret, shmem) = unsafe {
        (
            check_secretmem && bindings::secretmem_mapping(mapping),
            !reject_file_backed || bindings::shmem_mapping(mapping),
        )
    };
    if secret || !shmem {
        return Err(Refusal::Folio);
    }
    Ok(false)
}

/// The folio was truncated, or never belonged to a file.
///
/// The latter are pages that a driver has inserted, and may be got. A folio of secretmem is
/// unmapped before its mapping becomes null: it is told from the others by reading the entry again.
#[cold]
fn null_mapping(reject_file_backed: bool) -> Result<bool, Refusal> {
    if reject_file_backed {
        return Err(Refusal::Folio);
    }
    // The mapping is read before the entry. Pairs with the page table lock, which truncation takes
    // to unmap and releases before it makes the mapping null.
    // SAFETY: There is no precondition.
    unsafe { bindings::smp_rmb() };
    Ok(true)
}

/// How many of the pages need not be unshared before they are pinned for reading.
///
/// A pin that reads wants to see what the process writes later, so an anonymous page must belong
/// to it alone: on an entry that is not writable, that is what `PageAnonExclusive` says. It is a
/// flag of each page of a folio, and cleared behind a check for pins, see
/// `folio_try_share_anon_rmap_pte()`.
///
/// # Safety
///
/// The caller must own references to the pages, which lie in one folio.
#[inline(always)]
unsafe fn exclusive(first: Page, nr: usize, flags: Flags) -> usize {
    // SAFETY: We hold references to the pages.
    unsafe {
        if !bindings::PageAnon(first.as_ptr()) {
            // Only the VMA tells whether a page of a file is about to be copied on write.
            return if flags.contains(Flags::LONGTERM) {
                0
            } else {
                nr
            };
        }

        // Pairs with the barriers in folio_try_share_anon_rmap_*(): the entry, which was read
        // again before this, is read before the flag.
        bindings::smp_rmb();
    }

    let pfn = first.pfn();
    (0..nr)
        // SAFETY: The pages of a folio have consecutive numbers.
        .take_while(|i| unsafe { Page::new(pfn + i) }.is_anon_exclusive())
        .count()
}
