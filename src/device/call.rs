// SPDX-License-Identifier: GPL-2.0

//! One call of an entry point of GUP on behalf of user space.

use super::abi::{self, Call, Entry, Undo};
use super::held::{Held, Owned, OwnedPages};
use super::observe;
use crate::ffi::{self, page};
use crate::gup;
use crate::native;
use crate::request::{Flags, Request};
use crate::walk::Tally;
use kernel::bindings;
use kernel::error::to_result;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::Mutex;
use kernel::uaccess::{UserPtr, UserSlice};

extern "C" {
    // bench.c
    fn fast_gup_bench(bench: *mut abi::Bench) -> i32;
}

/// Pages that one call may ask for: 16 GiB, and an array of 32 MiB.
const MOST_PAGES: isize = 1 << 22;

/// `FAST_GUP_IOC_INFO`.
pub(super) fn info(info: &mut abi::Info) -> Result<Undo<impl FnOnce()>> {
    let native = native::get().ok_or(ENODEV)?;
    let name = native.name().as_bytes();

    info.page_size = PAGE_SIZE as u32;
    info.levels = native.geometry.levels().into();
    info.max_section = native.max_section as u32;
    info.providing = u32::from(crate::providing());
    info.format = [0; 16];
    info.format[..name.len()].copy_from_slice(name);
    Ok(Undo(|| ()))
}

/// `FAST_GUP_IOC_CALL`.
pub(super) fn call<'a>(held: &'a Mutex<Held>, call: &mut Call) -> Result<Undo<impl FnOnce() + 'a>> {
    let entry = call.entry()?;
    let writable = call.has(abi::FLAG_WRITE);
    // What a 32-bit kernel cannot pass on as it is must not become another request.
    let addr = usize::try_from(call.addr).map_err(|_| ERANGE)?;
    let nr = isize::try_from(call.nr_pages).map_err(|_| ERANGE)?;
    let room = room(addr, nr, entry)?;
    let mut pages = OwnedPages::with_room(room, entry.pins(), writable)?;

    let (result, tally) = run(call, addr, nr, entry, pages.room())?;
    // SAFETY: The entry has written as many pages as it says, and their references are ours.
    unsafe { pages.set_filled(usize::try_from(result).unwrap_or(0)) };
    report(call, pages.pages())?;

    call.result = result as i64;
    call.fast_pages = tally.pages as u64;
    call.sections = tally.sections as u64;
    call.longest_section = tally.longest_section as u64;
    call.wasted = tally.wasted as u64;
    call.refusal = tally.refusal;
    call.handle = 0;
    if call.has(abi::FLAG_HOLD) && result > 0 {
        call.handle = held.lock().keep(Owned::Pages(pages))?;
    }

    let handle = call.handle;
    Ok(Undo(move || {
        // The guard is dropped before the pages are: releasing them may take a while.
        let pages = held.lock().take(handle);
        drop(pages);
    }))
}

/// `FAST_GUP_IOC_BENCH`.
pub(super) fn bench(bench: &mut abi::Bench) -> Result<Undo<impl FnOnce()>> {
    if !bench.fits(MOST_PAGES as u64) {
        return Err(E2BIG);
    }
    // SAFETY: The structure is the one of C, checked; the function releases what it gets.
    to_result(unsafe { fast_gup_bench(bench) })?;
    Ok(Undo(|| ()))
}

/// Number of pointers that the array of the call needs.
fn room(addr: usize, nr: isize, entry: Entry) -> Result<usize> {
    let takes_int = !entry.is_own() && !entry.is_slow();
    if takes_int && i32::try_from(nr).is_err() {
        return Err(ERANGE);
    }
    if (0..=MOST_PAGES).contains(&nr) {
        return Ok(nr as usize);
    }

    // Too many for an array, but nothing will be written to it if the range is not valid: the entry
    // is to say so itself. get_user_pages() is the one that would look at a part of it.
    let refused = Request::new(
        ffi::untagged_addr(addr),
        nr,
        0,
        Flags::GET,
        ffi::task_size_max(),
        PAGE_SIZE,
    )
    .is_err();
    if refused && !entry.is_slow() {
        Ok(0)
    } else {
        Err(E2BIG)
    }
}

/// Calls the entry, and returns its answer and what our walk did for it.
fn run(
    call: &Call,
    addr: usize,
    nr: isize,
    entry: Entry,
    pages: *mut *mut page,
) -> Result<(isize, Tally)> {
    let flags = foll(call.flags);
    // CAST: `room()` has made sure that it fits, where an entry takes an int.
    let nr_int = nr as i32;
    let reference = bindings::gup_site_GUP_SITE_REFERENCE;
    let other = bindings::gup_site_GUP_SITE_OTHER;

    // SAFETY, for all entries: `room()` has made `pages` as large as the request, or the request is
    // one that the entry refuses.
    let kernel = |get: unsafe extern "C" fn(u32, usize, i32, u32, *mut *mut page) -> i32, site| {
        let observed = observe::begin(pages)?;
        // SAFETY: See above.
        let ret = unsafe { get(site, addr, nr_int, flags, pages) };
        Ok((ret as isize, observed.end()))
    };
    let own = |kind| {
        let observed = observe::begin(pages)?;
        // SAFETY: See above.
        let ret = unsafe { gup::get(addr, nr, flags, kind, pages) };
        Ok((ret, observed.end()))
    };

    match entry {
        Entry::Get => own(Flags::GET),
        Entry::GetOnly => own(Flags::GET.with(Flags::FAST_ONLY)),
        Entry::Pin => own(Flags::PIN),
        Entry::KernelGet => kernel(bindings::get_user_pages_fast_at, other),
        Entry::KernelGetOnly => kernel(bindings::get_user_pages_fast_only_at, other),
        Entry::KernelPin => kernel(bindings::pin_user_pages_fast_at, other),
        Entry::CGet => kernel(bindings::get_user_pages_fast_at, reference),
        Entry::CGetOnly => kernel(bindings::get_user_pages_fast_only_at, reference),
        Entry::CPin => kernel(bindings::pin_user_pages_fast_at, reference),
        Entry::SlowGet => {
            // SAFETY: See above.
            let ret = unsafe { bindings::get_user_pages_unlocked(addr, nr as usize, pages, flags) };
            Ok((ret, Tally::new()))
        }
        Entry::SlowPin => {
            // SAFETY: See above.
            let ret = unsafe { bindings::pin_user_pages_unlocked(addr, nr as usize, pages, flags) };
            Ok((ret, Tally::new()))
        }
    }
}

/// The flags of a call as `FOLL_*`.
pub(super) fn foll(flags: u32) -> u32 {
    [
        (abi::FLAG_WRITE, bindings::FOLL_WRITE),
        (abi::FLAG_LONGTERM, bindings::FOLL_LONGTERM),
        (abi::FLAG_NOFAULT, bindings::FOLL_NOFAULT),
        (abi::FLAG_PCI_P2PDMA, bindings::FOLL_PCI_P2PDMA),
        (abi::FLAG_HONOR_NUMA_FAULT, bindings::FOLL_HONOR_NUMA_FAULT),
        (abi::FLAG_FORCE, bindings::FOLL_FORCE),
        (abi::FLAG_INTERRUPTIBLE, bindings::FOLL_INTERRUPTIBLE),
    ]
    .iter()
    .filter(|&&(flag, _)| flags & flag != 0)
    .fold(0, |all, &(_, foll)| all | foll)
}

/// Tells user space about the pages, as far as it has room.
fn report(call: &Call, pages: &[*mut page]) -> Result {
    // More than can be is enough.
    let room = usize::try_from(call.max_pages).unwrap_or(usize::MAX);
    let nr = pages.len().min(room);
    let len = nr * core::mem::size_of::<abi::PageInfo>();
    let at = UserPtr::from_addr(usize::try_from(call.pages).map_err(|_| EFAULT)?);
    let mut writer = UserSlice::new(at, len).writer();

    for &page in &pages[..nr] {
        // SAFETY: We hold a reference to the page; the page of zeros needs none.
        writer.write(&unsafe { describe(page) })?;
    }
    Ok(())
}

/// # Safety
///
/// The caller must own a reference to the page.
pub(super) unsafe fn describe(page: *mut page) -> abi::PageInfo {
    // SAFETY: By the precondition, the page and its folio stay what they are.
    unsafe {
        let folio = bindings::page_folio(page);
        let flags = [
            (abi::PAGE_ANON, bindings::PageAnon(page)),
            (abi::PAGE_HUGETLB, bindings::folio_test_hugetlb(folio)),
            (abi::PAGE_ZERO, bindings::is_zero_page(page)),
            (abi::PAGE_HIGHMEM, bindings::PageHighMem(page)),
        ];

        abi::PageInfo {
            pfn: bindings::page_to_pfn(page) as u64,
            order: bindings::folio_order(folio),
            flags: flags
                .iter()
                .filter(|&&(_, set)| set)
                .fold(0, |flags, &(flag, _)| flags | flag),
        }
    }
}
