// SPDX-License-Identifier: GPL-2.0

//! The laws of the format of 32-bit x86 with PAE, for all combinations of the flags.
//!
//! The C is the same as for x86_64, in a configuration without protection keys and shadow stacks.

use super::x86::{leaves, reason, upper_entry, INSIGNIFICANT};
use super::{all_of, second_law, Following};
use crate::c::x86::*;
use crate::format::x86_pae::{Rights, X86Pae};
use crate::format::{Access, Entry, Format, Geometry, Level};
use crate::refusal::Refusal;

/// All the bits that any function of the format or of the C looks at, and two that are reserved.
const FLAGS: [u64; 15] = [
    _PAGE_PRESENT,
    _PAGE_RW,
    _PAGE_USER,
    _PAGE_ACCESSED,
    _PAGE_DIRTY,
    _PAGE_PSE,
    _PAGE_GLOBAL,
    _PAGE_SPECIAL,
    _PAGE_SAVED_DIRTY_32,
    _PAGE_SOFT_DIRTY,
    _PAGE_PAT_LARGE,
    1 << 36,
    1 << 52,
    1 << 62,
    _PAGE_NX,
];

/// The bits of [`FLAGS`] that an entry of memory does not have.
const RESERVED: u64 = 1 << 36 | 1 << 52 | 1 << 62;

/// Frames of huge pages on both sides of 4 GiB, and at the end.
const FRAMES: [u64; 5] = [0, 0x2a40_0000, 0xffe0_0000, 0x1_0000_0000, 0xf_ffc0_0000];

/// What the C masks with. It is wider than the addresses of memory.
const MASK: u64 = (1 << 52) - 1;

const C: Machine = Machine {
    physical_mask: MASK,
    pkru: 0,
};

/// Up to 64 GiB of memory.
const GEOMETRY: Geometry = X86Pae::geometry(MASK & !0xfff, 1 << 36);

fn all_flags() -> impl Iterator<Item = u64> {
    all_of(&FLAGS)
}

/// Calls `check` with all entries and ways to access.
fn for_all(mut check: impl FnMut(u64, bool, Rights)) {
    for frame in FRAMES {
        for raw in all_flags().map(|flags| flags | frame) {
            check(raw, false, Rights::new(Access::Read, &GEOMETRY));
            check(raw, true, Rights::new(Access::Write, &GEOMETRY));
        }
    }
}

#[test]
fn leaves_are_permitted_as_in_c() {
    for_all(|raw, write, rights| {
        let exists = raw & RESERVED == 0;
        let [pte, pmd, _] = leaves(C, raw, write);

        let permitted = X86Pae::permitted(raw, rights);
        let expected = [pte && exists, pmd && exists];
        assert_eq!([permitted; 2], expected, "{raw:#x} write={write}");
    });
}

/// The first law: what is permitted has a `struct page`.
#[test]
fn permitted_leaves_have_a_struct_page() {
    for_all(|raw, write, rights| {
        if X86Pae::permitted(raw, rights) {
            assert!(raw & _PAGE_PRESENT != 0, "{raw:#x}");
            assert!(raw & (_PAGE_SPECIAL | RESERVED) == 0, "{raw:#x}");
            assert!(!write || raw & _PAGE_RW != 0, "{raw:#x}");
        }
    });
}

/// A present lower half that meets the upper half of something else: as long as memory ends at
/// 4 GiB, nothing that is permitted names a page that the lower half does not.
#[test]
fn the_upper_half_of_another_value_is_refused() {
    let geometry = X86Pae::geometry(MASK & !0xfff, 0xc000_0000);
    let rights = Rights::new(Access::Read, &geometry);
    let present = 0x2a5a_3000 | _PAGE_PRESENT | _PAGE_RW | _PAGE_USER;
    // PROT_NONE inverts all that the C takes for an address; see __swp_pteval_entry().
    let protnone = (0x2a5a_3000 ^ (MASK & !0xfff)) | _PAGE_PROTNONE;
    let swap = |kind: u64, offset: u64| (!offset << 14 >> 5) | kind << 59;
    let swapped = (0..32).flat_map(|kind| [0, 1, 0x12_3456, 1 << 30].map(|at| swap(kind, at)));

    for other in swapped.chain([protnone, protnone | _PAGE_NX]) {
        let torn = (other & !0xffff_ffff) | present;
        assert!(!X86Pae::permitted(torn, rights), "{torn:#x}");
        assert_eq!(X86Pae::refusal(torn, rights), Refusal::Bad, "{torn:#x}");
        for level in [Level::PMD, Level::PUD] {
            let entry = X86Pae::entry(torn, level, &geometry);
            assert_eq!(entry, Entry::Refused(Refusal::Bad), "{torn:#x} {level:?}");
        }
    }
    for high in [0, _PAGE_NX] {
        assert!(X86Pae::permitted(high | present, rights));
        assert_eq!(X86Pae::pfn(high | present, Level::PTE, &geometry), 0x2a5a3);
    }
}

/// Memory need not end at a power of two.
#[test]
fn leaves_behind_the_end_of_memory_are_refused() {
    let geometry = X86Pae::geometry(MASK & !0xfff, 0x1_4000_0000);
    let rights = Rights::new(Access::Write, &geometry);
    let flags = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_DIRTY | _PAGE_NX;

    for (frame, permitted) in [
        (0, true),
        (0xffff_f000, true),
        (0x1_3fff_f000, true),
        (0x1_4000_0000, false),
        (0x1_c000_0000, false),
        (0x2_0000_0000, false),
        (0x000f_ffff_ffff_f000, false),
        (1 << 62, false),
    ] {
        let leaf = frame | flags;
        assert_eq!(X86Pae::permitted(leaf, rights), permitted, "{leaf:#x}");
        if !permitted {
            assert_eq!(X86Pae::refusal(leaf, rights), Refusal::Bad, "{leaf:#x}");
        }
    }
}

#[test]
fn refusals_name_the_first_reason() {
    for_all(|raw, write, rights| {
        if X86Pae::permitted(raw, rights) {
            return;
        }
        let refusal = X86Pae::refusal(raw, rights);
        let expected = reason(C, raw, write, RESERVED);
        assert_eq!(refusal, expected, "{raw:#x} write={write}");
    });
}

#[test]
fn entries_of_the_pmd_are_read_as_in_c() {
    for_all(|raw, _, _| {
        let entry = X86Pae::entry(raw, Level::PMD, &GEOMETRY);
        upper_entry(C, raw, Level::PMD, entry, RESERVED);
    });
}

/// The root: `pud_populate()` writes an address and PRESENT, and the CPU faults on a load of CR3
/// that finds a permission, a leaf or NX.
#[test]
fn entries_of_the_root_have_no_permissions() {
    for_all(|raw, _, _| {
        let entry = X86Pae::entry(raw, Level::PUD, &GEOMETRY);
        let others = _PAGE_RW | _PAGE_USER | _PAGE_PSE | _PAGE_NX | RESERVED;
        let table = raw & _PAGE_PRESENT != 0 && raw & others == 0;

        assert_eq!(matches!(entry, Entry::Table(_)), table, "{raw:#x}");
        assert_ne!(entry, Entry::Leaf, "{raw:#x}");
        if let Entry::Table(at) = entry {
            assert_eq!(at, C.table(raw), "{raw:#x}");
        }
        if raw & _PAGE_PRESENT != 0 && !table {
            assert_eq!(entry, Entry::Refused(Refusal::Bad), "{raw:#x}");
        }
    });
}

#[test]
fn frames_are_those_of_c() {
    for frame in FRAMES {
        for flags in all_flags().filter(|flags| flags & RESERVED == 0) {
            let raw = frame | flags | _PAGE_PRESENT;
            let pfn = X86Pae::pfn(raw, Level::PTE, &GEOMETRY);
            assert_eq!(pfn, C.pte_pfn(raw), "{raw:#x}");

            // A huge page is a leaf, or nobody asks.
            let leaf = raw | _PAGE_PSE;
            let pfn = X86Pae::pfn(leaf, Level::PMD, &GEOMETRY);
            assert_eq!(pfn, C.pmd_pfn(leaf), "{leaf:#x}");
            assert_eq!(X86Pae::writable(raw), raw & _PAGE_RW != 0, "{raw:#x}");
        }
    }
}

/// The second law, across 4 GiB as well, where the sum carries into the upper half.
#[test]
fn what_follows_is_permitted_alike_and_lies_behind() {
    let first = FLAGS
        .into_iter()
        .filter(|flag| flag & (_PAGE_PAT_LARGE | RESERVED) == 0);
    second_law::<X86Pae>(Following {
        geometry: &GEOMETRY,
        rights: &[Access::Read, Access::Write].map(|access| Rights::new(access, &GEOMETRY)),
        frames: &[0, 0x1ff << 12, 0xffff_f000, 0x1_ffff_f000, 0xf_ffff_e000],
        first: &first.collect::<Vec<u64>>(),
        changes: &FLAGS,
        insignificant: INSIGNIFICANT | _PAGE_SAVED_DIRTY_32,
    });
}

#[test]
fn geometry_is_that_of_the_machine() {
    assert_eq!(GEOMETRY.levels(), 3);
    assert_eq!(GEOMETRY.root(), Level::PUD);
    assert_eq!(GEOMETRY.page_shift(), 12);
    for (level, shift, entries) in [
        (Level::PTE, 12, 512),
        (Level::PMD, 21, 512),
        (Level::PUD, 30, 4),
    ] {
        assert_eq!(GEOMETRY.size(level), 1 << shift);
        assert_eq!(GEOMETRY.entries(level), entries);
        // The last address of user space, and that of the machine.
        for addr in [0xbfff_ffff, 0xffff_ffff] {
            assert_eq!(GEOMETRY.index(level, addr), addr >> shift & (entries - 1));
        }
    }
    // A number of a page has 32 bits there.
    let widest = X86Pae::geometry(u64::MAX, 1 << 63);
    assert_eq!(widest.frame_mask(), (1 << 44) - 0x1000);
}
