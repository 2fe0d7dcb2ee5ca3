// SPDX-License-Identifier: GPL-2.0

//! The laws of the format of x86_64, for all combinations of the flags.

use super::x86::{leaves, reason, upper_entry, INSIGNIFICANT};
use super::{all_of, second_law, Following};
use crate::c::x86::*;
use crate::format::x86_64::{Rights, X86_64};
use crate::format::{Access, Format, Geometry, Level, Slot};

/// All the bits that any function of the format or of the C looks at.
const FLAGS: [u64; 17] = [
    _PAGE_PRESENT,
    _PAGE_RW,
    _PAGE_USER,
    _PAGE_ACCESSED,
    _PAGE_DIRTY,
    _PAGE_PSE,
    _PAGE_GLOBAL,
    _PAGE_SPECIAL,
    _PAGE_UFFD,
    _PAGE_SOFT_DIRTY,
    _PAGE_PAT_LARGE,
    _PAGE_SAVED_DIRTY,
    _PAGE_PKEY_BIT0,
    _PAGE_PKEY_BIT0 << 1,
    _PAGE_PKEY_BIT0 << 2,
    _PAGE_PKEY_BIT0 << 3,
    _PAGE_NX,
];

/// Frames of huge pages at both ends of memory and between. They leave room for a key of memory
/// encryption, bit 47.
const FRAMES: [u64; 3] = [0, 0x0000_2a55_4000_0000, 0x0000_7fff_c000_0000];

const MASKS: [u64; 2] = [(1 << 52) - 1, ((1 << 52) - 1) & !(1 << 47)];

/// No keys, Linux's default, one that forbids all, one that forbids all writing, and a mixed one.
const PKRUS: [u32; 5] = [0, 0x5555_5554, 0xffff_ffff, 0xaaaa_aaaa, 0x1234_fed8];

/// All values of an entry, but for the frame.
fn all_flags() -> impl Iterator<Item = u64> {
    all_of(&FLAGS)
}

fn levels(five: bool) -> Vec<Level> {
    let mut levels = vec![Level::PTE, Level::PMD, Level::PUD, Level::P4D];
    if five {
        levels.push(Level::root(5));
    }
    levels
}

/// Calls `check` with all machines, entries and ways to access.
fn for_all(mut check: impl FnMut(Machine, &Geometry, u64, bool, Rights)) {
    for physical_mask in MASKS {
        let geometry = X86_64::geometry(true, physical_mask & !0xfff);
        for pkru in PKRUS {
            let machine = Machine {
                physical_mask,
                pkru,
            };
            for raw in all_flags() {
                let raw = raw | FRAMES[1];
                check(
                    machine,
                    &geometry,
                    raw,
                    false,
                    Rights::new(Access::Read, pkru),
                );
                check(
                    machine,
                    &geometry,
                    raw,
                    true,
                    Rights::new(Access::Write, pkru),
                );
            }
        }
    }
}

#[test]
fn leaves_are_permitted_as_in_c() {
    for_all(|c, _, raw, write, rights| {
        let permitted = X86_64::permitted(raw, rights);
        let expected = leaves(c, raw, write);
        assert_eq!([permitted; 3], expected, "{raw:#x} write={write} {c:x?}");
    });
}

/// The first law: what is permitted has a `struct page`.
#[test]
fn permitted_leaves_have_a_struct_page() {
    for_all(|_, _, raw, write, rights| {
        if X86_64::permitted(raw, rights) {
            assert!(
                raw & _PAGE_PRESENT != 0 && raw & _PAGE_SPECIAL == 0,
                "{raw:#x}"
            );
            assert!(!write || raw & _PAGE_RW != 0, "{raw:#x}");
        }
    });
}

#[test]
fn refusals_name_the_first_reason() {
    for_all(|c, _, raw, write, rights| {
        if X86_64::permitted(raw, rights) {
            return;
        }
        let refusal = X86_64::refusal(raw, rights);
        let expected = reason(c, raw, write, 0);
        assert_eq!(refusal, expected, "{raw:#x} write={write} {c:x?}");
    });
}

#[test]
fn upper_entries_are_read_as_in_c() {
    for_all(|c, geometry, raw, _, _| {
        for level in [Level::PMD, Level::PUD, Level::P4D, Level::root(5)] {
            let entry = X86_64::entry(raw, level, geometry);
            upper_entry(c, raw, level, entry, 0);
        }
    });
}

#[test]
fn writable_is_pte_write_without_shadow_stacks() {
    for_all(|c, _, raw, _, _| {
        let shadow_stack = c.pte_shstk(raw);
        assert_eq!(
            X86_64::writable(raw) || shadow_stack,
            c.pte_write(raw),
            "{raw:#x}"
        );
        assert!(!(X86_64::writable(raw) && shadow_stack), "{raw:#x}");
    });
}

#[test]
fn frames_are_those_of_c() {
    for mask in MASKS {
        let c = Machine {
            physical_mask: mask,
            pkru: 0,
        };
        let geometry = X86_64::geometry(false, mask & !0xfff);
        for frame in FRAMES {
            for raw in all_flags().map(|flags| flags | frame | _PAGE_PRESENT) {
                assert_eq!(
                    X86_64::pfn(raw, Level::PTE, &geometry),
                    c.pte_pfn(raw),
                    "{raw:#x}"
                );
                // A huge page is a leaf, or nobody asks.
                let leaf = raw | _PAGE_PSE;
                assert_eq!(
                    X86_64::pfn(leaf, Level::PMD, &geometry),
                    c.pmd_pfn(leaf),
                    "{leaf:#x}"
                );
                assert_eq!(
                    X86_64::pfn(leaf, Level::PUD, &geometry),
                    c.pud_pfn(leaf),
                    "{leaf:#x}"
                );
            }
        }
    }
}

#[test]
fn what_follows_is_permitted_alike_and_lies_behind() {
    let pkru = 0x1234_fed8;
    let first = FLAGS.into_iter().filter(|&flag| flag != _PAGE_PAT_LARGE);
    second_law::<X86_64>(Following {
        geometry: &X86_64::geometry(true, MASKS[0] & !0xfff),
        rights: &[Access::Read, Access::Write].map(|access| Rights::new(access, pkru)),
        frames: &[0, 0x1ff << 12, 0x2a55_4000_0000, MASKS[0] & !0x1fff],
        first: &first.collect::<Vec<u64>>(),
        changes: &FLAGS,
        insignificant: INSIGNIFICANT | _PAGE_SAVED_DIRTY,
    });
}

#[test]
fn entries_are_read_once() {
    #[derive(Clone, Copy)]
    struct Counting<'a>(&'a std::cell::Cell<u32>);
    impl Slot for Counting<'_> {
        fn read_u64(self) -> u64 {
            self.0.set(self.0.get() + 1);
            0x1234_5678_9abc_d067
        }
        fn read_low(self) -> u32 {
            panic!("half of an entry is read");
        }
        fn read_high(self) -> u32 {
            panic!("half of an entry is read");
        }
        fn read_barrier(self) {}
    }
    let reads = std::cell::Cell::new(0);
    assert_eq!(X86_64::load(Counting(&reads)), 0x1234_5678_9abc_d067);
    assert_eq!(reads.get(), 1);
}

#[test]
fn geometry_is_that_of_the_machine() {
    for five in [false, true] {
        let geometry = X86_64::geometry(five, 0x000f_ffff_ffff_f000);
        assert_eq!(geometry.levels(), if five { 5 } else { 4 });
        assert_eq!(geometry.page_shift(), 12);
        assert_eq!(Some(&geometry.root()), levels(five).last());

        let shifts = [12, 21, 30, 39, 48];
        for (level, shift) in levels(five).into_iter().zip(shifts) {
            assert_eq!(geometry.size(level), 1 << shift);
            assert_eq!(geometry.entries(level), 512);
            assert_eq!(
                geometry.index(level, (300 << shift) | ((1 << shift) - 1)),
                300
            );
            assert_eq!(
                level.below(),
                levels(five).into_iter().rfind(|l| *l < level)
            );
        }
    }
}
