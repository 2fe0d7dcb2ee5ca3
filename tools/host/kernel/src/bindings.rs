// SPDX-License-Identifier: GPL-2.0

//! The C functions, with the names and the signatures that bindgen gives them.
//!
//! A pointer is the number of a page in disguise, and never followed.

#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals
)]
#![allow(clippy::missing_safety_doc)]

use crate::{call, with};

pub const GUP_PIN_COUNTING_BIAS: u32 = 1 << 10;
pub type node_stat_item = u32;

pub const node_stat_item_NR_FOLL_PIN_ACQUIRED: u32 = 1;
pub const node_stat_item_NR_FOLL_PIN_RELEASED: u32 = 2;

pub struct page {
    _size: [u8; 64],
}

pub struct folio {
    _size: [u8; 64],
}

pub struct address_space;

pub struct atomic_t {
    _size: [u8; 64],
}

fn number<T>(pointer: *const T) -> usize {
    pointer.addr() / 64 - 1
}

fn pointer<T>(number: usize) -> *mut T {
    std::ptr::without_provenance_mut((number + 1) * 64)
}

pub unsafe fn pfn_to_page(pfn: usize) -> *mut page {
    pointer(pfn)
}

pub unsafe fn page_to_pfn(page: *const page) -> usize {
    number(page)
}

pub unsafe fn page_folio(page: *mut page) -> *mut folio {
    call(|machine| pointer(machine.head(number(page))))
}

pub unsafe fn PageCompound(page: *const page) -> bool {
    call(|machine| machine.folio(number(page)).order > 0)
}

pub unsafe fn is_zero_page(page: *const page) -> bool {
    call(|machine| machine.zero == Some(number(page)))
}

pub unsafe fn folio_is_pci_p2pdma(_: *const folio) -> bool {
    false
}

pub unsafe fn PageAnon(_: *const page) -> bool {
    true
}

pub unsafe fn PageAnonExclusive(_: *const page) -> bool {
    true
}

pub unsafe fn folio_test_large(folio: *const folio) -> bool {
    call(|machine| {
        let number = number(folio);
        machine.head(number) == number && machine.folio(number).order > 0
    })
}

pub unsafe fn folio_test_hugetlb(_: *const folio) -> bool {
    false
}

pub unsafe fn folio_test_referenced(_: *const folio) -> bool {
    true
}

pub unsafe fn folio_set_referenced(_: *mut folio) {}

pub unsafe fn folio_nr_pages(folio: *const folio) -> usize {
    call(|machine| 1 << machine.folio(number(folio)).order)
}

pub unsafe fn folio_page_idx(folio: *const folio, page: *const page) -> usize {
    number(page).wrapping_sub(number(folio))
}

pub unsafe fn folio_nid(_: *const folio) -> i32 {
    0
}

pub unsafe fn folio_has_pincount(folio: *const folio) -> bool {
    call(|machine| machine.has_pincount(number(folio)))
}

pub unsafe fn folio_is_longterm_pinnable(folio: *mut folio) -> bool {
    call(|machine| machine.folio(number(folio)).longterm)
}

pub unsafe fn folio_ref_count(folio: *const folio) -> i32 {
    call(|machine| match number(folio) {
        number if machine.head(number) == number => machine.folio(number).refs,
        _ => 0,
    })
}

/// Of a count that `ffi::refcount()` named. A tail has a count of zero.
pub unsafe fn atomic_try_cmpxchg(count: *mut atomic_t, old: *mut i32, new: i32) -> bool {
    call(|machine| {
        let head = number(count);
        let is_tail = machine.head(head) != head;
        let folio = machine.folio(head);
        let now = if is_tail { 0 } else { folio.refs };

        // SAFETY: The caller has a place for the old value.
        let old = unsafe { &mut *old };
        if *old != now {
            *old = now;
            return false;
        }
        assert!(0 < now && now < new, "{new} references are made of {now}");
        folio.refs = new;
        true
    })
}

pub unsafe fn folio_put_refs(folio: *mut folio, refs: i32) {
    call(|machine| {
        let folio = machine.folio(number(folio));
        assert!(refs > 0 && folio.refs > refs, "{refs} of {folio:?} are put");
        folio.refs -= refs;
    })
}

/// The folio itself: `atomic_add()` knows what is meant.
pub unsafe fn folio_pincount(folio: *mut folio) -> *mut atomic_t {
    folio.cast()
}

pub unsafe fn atomic_add(pins: i32, pincount: *mut atomic_t) {
    call(|machine| {
        let head = number(pincount);
        assert!(machine.has_pincount(head), "there is no room for a count");
        machine.folio(head).pins += pins;
    })
}

pub unsafe fn folio_mapping_raw(_: *const folio) -> *mut address_space {
    pointer(0)
}

pub unsafe fn secretmem_mapping(_: *mut address_space) -> bool {
    false
}

pub unsafe fn shmem_mapping(_: *mut address_space) -> bool {
    true
}

pub unsafe fn smp_rmb() {}

pub unsafe fn smp_mb__after_atomic() {}

pub unsafe fn node_stat_mod_folio(_: *mut folio, item: u32, nr: isize) {
    with(|machine| match item {
        node_stat_item_NR_FOLL_PIN_ACQUIRED => machine.counted += nr,
        _ => machine.counted -= nr,
    });
}
