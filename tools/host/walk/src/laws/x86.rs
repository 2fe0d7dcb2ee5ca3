// SPDX-License-Identifier: GPL-2.0

//! What the laws of x86_64 and of PAE share: the C of both is the same.

use crate::c::x86::*;
use crate::format::{Entry, Level};
use crate::refusal::Refusal;

/// Whether the C gets what a leaf maps: `gup_fast_pte_range()`, `gup_fast_pmd_leaf()` behind
/// `gup_fast_pmd_range()`, and `gup_fast_pud_leaf()`.
pub(super) fn leaves(c: Machine, raw: u64, write: bool) -> [bool; 3] {
    let permitted = c.access_permitted(raw, write) && !c.special(raw);
    let pte = !c.pte_protnone(raw) && permitted;
    let pmd = !c.pmd_protnone(raw) && permitted;
    [pte, pmd, permitted]
}

/// Why a leaf is refused; none of the `reserved` bits are in one that maps memory.
pub(super) fn reason(c: Machine, raw: u64, write: bool, reserved: u64) -> Refusal {
    if c.pte_protnone(raw) {
        Refusal::ProtNone
    } else if raw & _PAGE_PRESENT == 0 {
        Refusal::Absent
    } else if !c.need_bits(raw, write) {
        Refusal::Permission
    } else if !c.pkey_allowed(raw, write) {
        Refusal::Key
    } else if c.special(raw) {
        Refusal::Special
    } else {
        assert!(raw & reserved != 0, "no reason for {raw:#x}");
        Refusal::Bad
    }
}

/// The second law: see [`super::second_law`].
pub(super) const INSIGNIFICANT: u64 = _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_SOFT_DIRTY;

/// Checks what an entry above the level of the pages is said to be.
pub(super) fn upper_entry(c: Machine, raw: u64, level: Level, entry: Entry, reserved: u64) {
    let (present, leaf, bad) = match level {
        Level::PMD => (c.pmd_present(raw), c.pmd_leaf(raw), c.pmd_bad(raw)),
        Level::PUD => (c.pud_present(raw), c.pud_leaf(raw), c.pud_bad(raw)),
        _ => (c.p4d_present(raw), false, c.p4d_bad(raw)),
    };
    let context = || format!("{raw:#x} {level:?} {entry:?}");

    match entry {
        Entry::Table(at) => {
            assert!(present && !leaf, "{}", context());
            assert_eq!(at, c.table(raw), "{}", context());
        }
        Entry::Leaf => assert!(present && leaf, "{}", context()),
        // What the C would get pages from is not refused: a leaf that it permits, and a table that
        // it does not call bad, which for user space has all of `_PAGE_TABLE`.
        Entry::Refused(refusal) => {
            assert!(!(leaf && c.access_permitted(raw, false)), "{}", context());
            let table = !leaf && !bad && raw & _PAGE_TABLE == _PAGE_TABLE;
            let exists = raw & reserved == 0;
            assert!(!(present && table && exists), "{}", context());

            let expected = match raw & (_PAGE_PRESENT | _PAGE_PROTNONE) {
                0 => Refusal::Absent,
                _PAGE_PROTNONE => Refusal::ProtNone,
                _ => Refusal::Bad,
            };
            assert_eq!(refusal, expected, "{}", context());
        }
    }
}
