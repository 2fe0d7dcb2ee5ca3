// SPDX-License-Identifier: GPL-2.0

//! The laws of the formats, for all combinations of the flags, and of how they read entries.

use crate::format::x86_64::X86_64;
use crate::format::x86_pae::X86Pae;
use crate::format::{Format, Geometry, Level};
use crate::refusal::Refusal;

mod halves;
mod ppc64;
mod x86;
mod x86_64;
mod x86_pae;

/// The numbers of the refusals are promised to user space.
#[test]
fn refusals_are_numbered_as_in_the_uapi() {
    let header = include_str!("../../../../include/uapi/linux/fast_gup.h");
    for (number, name) in Refusal::NAMES.iter().enumerate() {
        let line = format!("FAST_GUP_REFUSED_{} = {number},", name.to_uppercase());
        assert!(header.contains(&line), "no `{line}` in fast_gup.h");
    }
    assert_eq!(Refusal::Absent as usize, 1);
    assert_eq!(Refusal::Fork as usize, Refusal::COUNT - 1);
}

/// And so are the names of the formats.
#[test]
fn formats_are_named() {
    assert_eq!(X86_64::NAME, "x86_64");
    assert_eq!(X86Pae::NAME, "x86_pae");
}

/// All combinations of some flags.
fn all_of(flags: &[u64]) -> impl Iterator<Item = u64> + '_ {
    (0u32..1 << flags.len()).map(|set| {
        let chosen = (0..flags.len()).filter(|i| set >> i & 1 != 0);
        chosen.fold(0, |raw, i| raw | flags[i])
    })
}

/// What [`second_law`] is tried with.
struct Following<'a, R> {
    geometry: &'a Geometry,
    rights: &'a [R],
    /// The addresses of the first entry. Behind the last that the format can express there is
    /// nothing, and no memory at it.
    frames: &'a [u64],
    /// Flags that the first entry has in all combinations.
    first: &'a [u64],
    /// Flags of which the second one differs in any two.
    changes: &'a [u64],
    /// Those that make no difference.
    insignificant: u64,
}

/// The second law: what follows is permitted alike and lies behind.
fn second_law<F: Format<Raw = u64>>(with: Following<'_, F::Rights>) {
    let flags = with.changes;
    // Steps of 0 and 1 with any two flags changed; of other lengths, with none.
    let changes = (0..flags.len()).flat_map(|i| (0..=i).map(move |j| flags[i] | flags[j]));
    let changes: Vec<u64> = changes.chain([0]).collect();
    let size = with.geometry.size(Level::PTE) as u64;
    let steps = [2, 3, 512, 1 << 18, u64::MAX, 511].map(|pages: u64| pages.wrapping_mul(size));

    let check = |prev: u64, next: u64| {
        if !F::follows(prev, next, with.geometry) {
            return false;
        }
        for &rights in with.rights {
            let permitted = [prev, next].map(|raw| F::permitted(raw, rights));
            assert_eq!(permitted[0], permitted[1], "{prev:#x} {next:#x}");
        }
        let pfns = [prev, next].map(|raw| F::pfn(raw, Level::PTE, with.geometry));
        assert_eq!(pfns[0] + 1, pfns[1], "{prev:#x} {next:#x}");
        let writable = [prev, next].map(F::writable);
        assert_eq!(writable[0], writable[1], "{prev:#x} {next:#x}");
        true
    };
    for frame in with.frames {
        for flags in all_of(with.first) {
            let (prev, next) = (frame | flags, (frame + size) | flags);
            for change in &changes {
                check(prev, prev ^ change);
                // The law would hold if nothing ever followed anything: it must.
                let followed = check(prev, next ^ change);
                let same = change & !with.insignificant == 0;
                assert_eq!(followed, same, "{prev:#x} {change:#x}");
            }
            for step in steps {
                assert!(!check(prev, prev.wrapping_add(step)), "{prev:#x} {step:#x}");
            }
        }
    }
}
