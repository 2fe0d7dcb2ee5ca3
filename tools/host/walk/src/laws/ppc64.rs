// SPDX-License-Identifier: GPL-2.0

//! The laws of the formats of ppc64, radix and hash, with pages of 4K and of 64K, for all
//! combinations of the flags.

use super::{all_of, second_law, Following};
use crate::c::ppc64::*;
use crate::format::ppc64::Rights;
use crate::format::ppc64_hash::Ppc64Hash;
use crate::format::ppc64_radix::Ppc64Radix;
use crate::format::{Access, Entry, Format, Geometry, Level, Slot};
use crate::refusal::Refusal;

/// All the bits that any function of the formats or of the C looks at, but for the addresses; of
/// those that hash with pages of 4K has for the slot, one. Bits 12 and 13 are part of the address
/// with pages of 4K.
const FLAGS: [u64; 21] = [
    _PAGE_EXEC,
    _PAGE_WRITE,
    _PAGE_READ,
    _PAGE_PRIVILEGED,
    _PAGE_NON_IDEMPOTENT,
    _RPAGE_RSV1,
    _PAGE_DIRTY,
    _PAGE_ACCESSED,
    _PAGE_SOFT_DIRTY,
    _PAGE_SPECIAL,
    _RPAGE_RPN0,
    _RPAGE_RPN1,
    _RPAGE_RPN43,
    _RPAGE_PKEY_BIT0,
    _RPAGE_PKEY_BIT1,
    _RPAGE_PKEY_BIT2,
    _RPAGE_PKEY_BIT3,
    _RPAGE_PKEY_BIT4,
    _PAGE_INVALID,
    _PAGE_PTE,
    _PAGE_PRESENT,
];

/// What an entry that points to a table has none of, besides `_PAGE_PTE`: C does not look.
const HIGH: u64 = 0x3fe0_0000_0000_0000;

/// Frames at both ends of memory and between.
const FRAMES: [u64; 3] = [0, 0x000a_2a54_0000_0000, 0x001f_fffc_0000_0000];

/// No keys, all but key 0 forbidden as Linux has it, one that forbids all, and a mixed one.
const AMRS: [u64; 4] = [
    0,
    0x3fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
    0x1234_5678_9abc_def4,
];

/// The C itself says what the keys allow, as in the kernel.
type Radix = Ppc64Radix<Machine>;
type Hash = Ppc64Hash<Machine>;

/// Both MMUs with both sizes of pages, and all registers of keys.
fn machines() -> impl Iterator<Item = Machine> {
    let mmus = [(true, 16), (true, 12), (false, 16), (false, 12)];
    mmus.into_iter().flat_map(|(radix, page_shift)| {
        let amrs = if radix { &AMRS[..1] } else { &AMRS[..] };
        amrs.iter().map(move |&amr| Machine {
            radix,
            page_shift,
            amr,
        })
    })
}

fn geometry(c: Machine) -> Geometry {
    Geometry::new(c.page_shift as u8, c.index_sizes(), c.pte_rpn_mask())
}

/// What there is to test of either format, as functions.
struct Ops {
    load: fn(u64) -> u64,
    entry: fn(u64, Level, &Geometry) -> Entry,
    permitted: fn(u64, Rights<Machine>) -> bool,
    refusal: fn(u64, Rights<Machine>) -> Refusal,
    pfn: fn(u64, Level, &Geometry) -> usize,
    writable: fn(u64) -> bool,
}

fn ops_of<F: Format<Raw = u64, Rights = Rights<Machine>>>() -> Ops {
    Ops {
        load: |word| F::load(Word(word)),
        entry: F::entry,
        permitted: F::permitted,
        refusal: F::refusal,
        pfn: F::pfn,
        writable: F::writable,
    }
}

fn ops(c: Machine) -> Ops {
    if c.radix {
        ops_of::<Radix>()
    } else {
        ops_of::<Hash>()
    }
}

/// Memory that is read once, and at once.
#[derive(Clone, Copy)]
struct Word(u64);

thread_local! {
    static READS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Slot for Word {
    fn read_u64(self) -> u64 {
        READS.set(READS.get() + 1);
        self.0
    }
    fn read_low(self) -> u32 {
        panic!("half of an entry is read");
    }
    fn read_high(self) -> u32 {
        panic!("half of an entry is read");
    }
    fn read_barrier(self) {}
}

/// Calls `check` with all machines, entries and ways to access.
fn for_all(mut check: impl FnMut(Machine, &Ops, u64, bool, Rights<Machine>)) {
    for c in machines() {
        let (geometry, ops) = (geometry(c), ops(c));
        let rights = [Access::Read, Access::Write].map(|a| Rights::new(a, c, &geometry));
        for raw in all_of(&FLAGS) {
            for (write, rights) in [false, true].into_iter().zip(rights) {
                check(c, &ops, raw | FRAMES[1], write, rights);
            }
        }
    }
}

#[test]
fn leaves_are_permitted_as_in_c() {
    for_all(|c, ops, raw, write, rights| {
        // gup_fast_pte_range(), and gup_fast_pmd_leaf() behind gup_fast_pmd_range().
        let special = c.pte_special(raw);
        let pte = !c.pte_protnone(raw) && c.pte_access_permitted(raw, write) && !special;
        let pmd = !c.pte_protnone(raw) && c.pmd_access_permitted(raw, write) && !special;
        // What is invalid while it is changed counts as present, for pages. Not so here.
        let changing = c.pmd_is_serializing(raw);

        let permitted = (ops.permitted)(raw, rights);
        let expected = [pte && !changing, pmd];
        assert_eq!([permitted; 2], expected, "{raw:#x} write={write} {c:x?}");
    });
}

/// The first law: what is permitted has a `struct page`.
#[test]
fn permitted_leaves_have_a_struct_page() {
    for_all(|c, ops, raw, write, rights| {
        if (ops.permitted)(raw, rights) {
            let present = raw & (_PAGE_PRESENT | _PAGE_PTE) == _PAGE_PRESENT | _PAGE_PTE;
            assert!(present && raw & _PAGE_SPECIAL == 0, "{raw:#x} {c:x?}");
            assert!(c.pte_user(raw) && c.pte_read(raw), "{raw:#x} {c:x?}");
            assert!(!write || c.pte_write(raw), "{raw:#x} {c:x?}");
        }
    });
}

#[test]
fn refusals_name_the_first_reason() {
    for_all(|c, ops, raw, write, rights| {
        if (ops.permitted)(raw, rights) {
            return;
        }
        let permissions = c.pte_user(raw) && c.pte_read(raw) && (!write || c.pte_write(raw));
        let expected = if raw & _PAGE_PRESENT == 0 || raw & _PAGE_PTE == 0 {
            Refusal::Absent
        } else if c.pte_protnone(raw) {
            Refusal::ProtNone
        } else if !permissions {
            Refusal::Permission
        } else if !c.arch_pte_access_permitted(raw, write) {
            Refusal::Key
        } else {
            assert!(c.pte_special(raw), "no reason for {raw:#x}");
            Refusal::Special
        };
        let refusal = (ops.refusal)(raw, rights);
        assert_eq!(refusal, expected, "{raw:#x} write={write} {c:x?}");
    });
}

#[test]
fn upper_entries_are_read_as_in_c() {
    for c in machines().filter(|c| c.amr == 0) {
        let (geometry, ops) = (geometry(c), ops(c));
        for raw in all_of(&FLAGS).map(|flags| flags | FRAMES[1]) {
            for (number, level) in [(1, Level::PMD), (2, Level::PUD), (3, Level::P4D)] {
                upper_entry_is_read_as_in_c(c, &geometry, &ops, raw, (number, level));
            }
        }
    }
}

fn upper_entry_is_read_as_in_c(
    c: Machine,
    geometry: &Geometry,
    ops: &Ops,
    raw: u64,
    (number, level): (usize, Level),
) {
    let entry = (ops.entry)(raw, level, geometry);
    let context = || format!("{raw:#x} {level:?} {entry:?} {c:x?}");
    let present = match level {
        Level::PMD => c.pmd_present(raw),
        _ => c.pud_present(raw),
    };
    let leaf = c.leaf(raw);
    // Behind the entries, hash with pages of 64K has words of another kind: C asks for the
    // alignment of both.
    let misaligned = raw & ((8 << c.index_sizes()[number - 1]) - 1) != 0;
    let bad = if c.radix {
        c.bad(raw, number)
    } else {
        misaligned
    };

    match entry {
        Entry::Table(at) => {
            assert!(present && !leaf && !bad && raw & HIGH == 0, "{}", context());
            assert!(!c.pmd_is_serializing(raw), "{}", context());
            assert_eq!(at, c.table(raw) & !0xff, "{}", context());
        }
        Entry::Leaf => {
            assert!(present && leaf && level <= Level::PUD, "{}", context());
            assert!(!c.pmd_is_serializing(raw), "{}", context());
        }
        // What the C would get pages from is not refused, unless it is being changed.
        Entry::Refused(refusal) => {
            let permitted = level <= Level::PUD && leaf && c.pmd_access_permitted(raw, false);
            assert!(!permitted, "{}", context());
            let changing = c.pmd_is_serializing(raw);
            let table = present && !changing && !leaf && !bad && raw & HIGH == 0;
            assert!(!table, "{}", context());

            let expected = if raw & _PAGE_PRESENT == 0 {
                Refusal::Absent
            } else {
                Refusal::Bad
            };
            assert_eq!(refusal, expected, "{}", context());
        }
    }
}

/// From a table to the entry that points to it and back, wherever it may be: they are smaller than
/// pages.
#[test]
fn tables_are_found_again() {
    for c in machines().filter(|c| c.amr == 0) {
        let (geometry, ops) = (geometry(c), ops(c));
        for (number, level) in [(1, Level::PMD), (2, Level::PUD), (3, Level::P4D)] {
            let size = c.table_size(number - 1);
            assert!(size >= 0x100, "{c:x?}");
            let last = (1 << _PAGE_PA_MAX) - size;
            let inside = (0..53).map(|bit| 1u64 << bit).filter(|at| at % size == 0);
            for at in inside.chain([0, last, last - size]) {
                let raw = c.populate(at, number);
                let entry = (ops.entry)(raw, level, &geometry);
                assert_eq!(entry, Entry::Table(at), "{raw:#x} {level:?} {c:x?}");
            }
        }
    }
}

/// A page that is being split is not touched, whatever else its entry says.
#[test]
fn what_is_serializing_is_absent() {
    for_all(|c, ops, raw, _, rights| {
        if c.pmd_is_serializing(raw) {
            assert!(!(ops.permitted)(raw, rights), "{raw:#x}");
            let geometry = geometry(c);
            for level in [Level::PMD, Level::PUD] {
                let entry = (ops.entry)(raw, level, &geometry);
                assert_eq!(entry, Entry::Refused(Refusal::Absent), "{raw:#x}");
            }
        }
    });
}

#[test]
fn swap_entries_are_absent() {
    for c in machines() {
        let (geometry, ops) = (geometry(c), ops(c));
        let rights = Rights::new(Access::Read, c, &geometry);
        for offset in [0, 1, 0x1234, c.pte_rpn_mask() >> c.page_shift] {
            for kind in 0..32 {
                // __swp_entry_to_pte(__swp_entry()), possibly exclusive.
                let swapped = kind | offset << c.page_shift | _PAGE_PTE;
                for raw in [swapped, swapped | _PAGE_NON_IDEMPOTENT | _PAGE_SOFT_DIRTY] {
                    assert!(!(ops.permitted)(raw, rights), "{raw:#x} {c:x?}");
                    assert_eq!((ops.refusal)(raw, rights), Refusal::Absent, "{raw:#x}");
                    let entry = (ops.entry)(raw, Level::PMD, &geometry);
                    assert_eq!(entry, Entry::Refused(Refusal::Absent), "{raw:#x}");
                }
            }
        }
    }
}

/// From a page and its permissions to the entry, see `pfn_pte()`, and back.
#[test]
fn frames_and_permissions_are_those_of_c() {
    for c in machines().filter(|c| c.amr == 0) {
        let (geometry, ops) = (geometry(c), ops(c));
        // With pages of 4K, two of the flags are part of the address.
        let address = c.pte_rpn_mask();
        for frame in FRAMES {
            for flags in all_of(&FLAGS).filter(|flags| flags & address == 0) {
                let raw = frame | flags;
                for level in [Level::PTE, Level::PMD, Level::PUD] {
                    let pfn = (ops.pfn)(raw, level, &geometry);
                    assert_eq!(pfn, c.pte_pfn(raw), "{raw:#x} {c:x?}");
                    assert_eq!(pfn as u64, frame >> c.page_shift, "{raw:#x} {c:x?}");
                }
                assert_eq!((ops.writable)(raw), c.pte_write(raw), "{raw:#x}");
            }
        }
    }
}

#[test]
fn what_follows_is_permitted_alike_and_lies_behind() {
    let first: Vec<u64> = FLAGS.into_iter().filter(|f| f & 0xfff0 == 0).collect();
    for c in machines().filter(|c| c.amr == 0 || c.amr == AMRS[3]) {
        let geometry = geometry(c);
        let flags = FLAGS.into_iter().chain([_RPAGE_RPN41, _RPAGE_RPN42]);
        let flags: Vec<u64> = flags.filter(|f| f & c.pte_rpn_mask() == 0).collect();
        let hashed = if c.radix { 0 } else { c.hpteflags() };
        let with = Following {
            geometry: &geometry,
            rights: &[Access::Read, Access::Write].map(|a| Rights::new(a, c, &geometry)),
            frames: &[0, FRAMES[1] - (1 << c.page_shift)],
            first: &first,
            changes: &flags,
            insignificant: hashed | _PAGE_EXEC | _PAGE_DIRTY | _PAGE_ACCESSED | _PAGE_SOFT_DIRTY,
        };
        if c.radix {
            second_law::<Radix>(with);
        } else {
            second_law::<Hash>(with);
        }
    }
}

/// In memory, the most significant byte comes first, whatever the CPU is.
#[test]
fn entries_are_read_once_and_big_endian() {
    let bytes = [0xc0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0x01, 0x87];
    for c in machines() {
        READS.set(0);
        let raw = (ops(c).load)(u64::from_ne_bytes(bytes));
        assert_eq!(raw, 0xc012_3456_789a_0187);
        assert_eq!(READS.get(), 1);
        for raw in FLAGS {
            assert_eq!((ops(c).load)(cpu_to_be64(raw)), raw);
        }
    }
}

#[test]
fn geometry_is_that_of_the_machine() {
    for c in machines().filter(|c| c.amr == 0) {
        let geometry = geometry(c);
        assert_eq!((geometry.levels(), geometry.root()), (4, Level::P4D));
        assert_eq!(u32::from(geometry.page_shift()), c.page_shift);
        let levels = [Level::PTE, Level::PMD, Level::PUD, Level::P4D];
        for (number, level) in levels.into_iter().enumerate() {
            let (shift, entries) = (c.shift(number), 1 << c.index_sizes()[number]);
            assert_eq!(geometry.size(level), 1 << shift);
            assert_eq!(geometry.entries(level), entries);
            for index in [0, 1, entries - 1] {
                let addr = index << shift | ((1 << shift) - 1);
                assert_eq!(geometry.index(level, addr), index, "{c:x?}");
            }
        }
    }
    // What is known of these machines: hugetlb and THP have the size of a PMD, or of a PUD.
    let leaves = |radix, page_shift| {
        let c = Machine {
            radix,
            page_shift,
            amr: 0,
        };
        (
            c.shift(1),
            c.shift(2),
            c.shift(3) + u32::from(c.index_sizes()[3]),
        )
    };
    assert_eq!(leaves(true, 16), (21, 30, 52));
    assert_eq!(leaves(true, 12), (21, 30, 52));
    assert_eq!(leaves(false, 16), (24, 34, 52));
    assert_eq!(leaves(false, 12), (21, 28, 46));
}
