// SPDX-License-Identifier: GPL-2.0

//! The range of a request, where an address has 64 bits and where it has 32.

use crate::request::{pages_of, range, Flags, Invalid, Request};
use proptest::prelude::*;

const PAGE: u64 = 4096;

/// `gup_fast_fallback()` in mm/gup.c, where an `unsigned long` has 32 bits.
fn c32(addr: u32, nr_pages: i32, limit: u32) -> Result<(u64, u64), Invalid> {
    let start = addr & !0xfff;
    let len = (nr_pages as u32).checked_mul(1 << 12);
    let end = len.and_then(|len| start.checked_add(len));
    let end = end.ok_or(Invalid::Overflow)?;
    if end > limit {
        return Err(Invalid::Range);
    }
    Ok((start.into(), end.into()))
}

/// The same where it has 64.
fn c64(addr: u64, nr_pages: i64, limit: u64) -> Result<(u64, u64), Invalid> {
    let start = addr & !0xfff;
    let len = (nr_pages as u64).checked_mul(1 << 12);
    let end = len.and_then(|len| start.checked_add(len));
    let end = end.ok_or(Invalid::Overflow)?;
    if end > limit {
        return Err(Invalid::Range);
    }
    Ok((start, end))
}

/// A valid answer is the pages asked for, in numbers that cannot overflow.
fn is_exact(addr: u64, nr_pages: i64, limit: u64, last: u64) {
    let start = i128::from(addr & !0xfff);
    let end = start + i128::from(nr_pages) * i128::from(PAGE);
    let whole = end > start && end <= i128::from(limit);
    let answer = range(addr, nr_pages, PAGE, limit, last);

    assert_eq!(answer.is_ok(), whole, "{addr:#x} {nr_pages} {answer:x?}");
    if let Ok((from, to)) = answer {
        assert_eq!((i128::from(from), i128::from(to)), (start, end));
    }
}

/// Around everything where something could be lost.
fn edges(bits: u32) -> Vec<i64> {
    let powers = (0..bits).chain([12, 19, 20, 21, 31, 43, 51, 52, 62, 63]);
    let around =
        powers.flat_map(|power| (-2i64..3).map(move |by| (1i64 << power).wrapping_add(by)));
    around
        .flat_map(|edge| [edge, edge.wrapping_neg()])
        .collect()
}

#[test]
fn ranges_of_32_bits() {
    let last = u64::from(u32::MAX);
    for limit in [0xc000_0000u64, 0x8000_0000, 0xffff_f000] {
        let places = [0, 1, 0x1000, 0x8000_0000, 0xbfff_f000, limit, last];
        for addr in places.into_iter().filter(|addr| *addr <= last) {
            for nr_pages in edges(32).into_iter().filter(|nr| *nr != 0) {
                is_exact(addr, nr_pages, limit, last);
                if let Ok(nr) = i32::try_from(nr_pages) {
                    let ours = range(addr, nr_pages, PAGE, limit, last);
                    assert_eq!(ours, c32(addr as u32, nr, limit as u32), "{addr:#x} {nr}");
                }
            }
        }
    }
    // All of user space in one request, which is more than a long can count.
    let all = range(0, 0xc_0000, PAGE, 0xc000_0000, last);
    assert_eq!(all, Ok((0, 0xc000_0000)));
    // What C took for no pages, and for one, before it checked the shift.
    for nr_pages in [1 << 20, (1 << 20) + 1] {
        let lost = range(0x1000, nr_pages, PAGE, 0xc000_0000, last);
        assert_eq!(lost, Err(Invalid::Overflow), "{nr_pages}");
    }
}

#[test]
fn ranges_of_64_bits() {
    let limit = (1 << 47) - PAGE;
    for addr in [0, 0x1000, limit - 0x2000, limit, 1 << 63, u64::MAX] {
        for nr_pages in edges(63).into_iter().filter(|nr| *nr != 0) {
            is_exact(addr, nr_pages, limit, u64::MAX);
            let ours = range(addr, nr_pages, PAGE, limit, u64::MAX);
            assert_eq!(ours, c64(addr, nr_pages, limit), "{addr:#x} {nr_pages}");
        }
    }
}

/// The flags and the empty request, as `is_valid_gup_args()` has it.
#[test]
fn requests_are_checked_in_order() {
    let ask = |flags: Flags, kind, nr| {
        Request::new(0x1234, nr, flags.raw(), kind, 0xc000_0000, PAGE as usize)
    };
    let longterm = Flags::LONGTERM;
    assert_eq!(ask(Flags::WRITE, Flags::GET, 0), Ok(None));
    assert_eq!(ask(Flags::PIN, Flags::PIN, 0), Err(Invalid::Flags));
    assert_eq!(ask(longterm, Flags::GET, 1), Err(Invalid::Flags));
    let lent = longterm.with(Flags::PCI_P2PDMA);
    assert_eq!(ask(lent, Flags::PIN, 1), Err(Invalid::Flags));

    let request = ask(longterm, Flags::PIN, 3).ok().flatten();
    let request = request.expect("a request of three pages");
    assert_eq!((request.start(), request.end()), (0x1000, 0x4000));
    assert_eq!(request.nr_pages(12), 3);
    assert_eq!(request.flags(), longterm.with(Flags::PIN));
}

/// Bytes to pages: all that they lie in.
#[test]
fn bytes_are_rounded_to_pages() {
    for page_size in [4096, 65536] {
        let pages = |addr, len| pages_of(addr, len, page_size);
        for base in [0, page_size, 7 * page_size] {
            assert_eq!(pages(base, 0), Ok(0));
            assert_eq!(pages(base + 1, 0), Ok(0));
            assert_eq!(pages(base, 1), Ok(1));
            assert_eq!(pages(base, page_size), Ok(1));
            assert_eq!(pages(base, page_size + 1), Ok(2));
            assert_eq!(pages(base + 1, page_size), Ok(2));
            assert_eq!(pages(base + page_size - 1, 1), Ok(1));
            assert_eq!(pages(base + page_size - 1, 2), Ok(2));
            assert_eq!(pages(base + 1, 2 * page_size - 1), Ok(2));
        }
        assert_eq!(pages(1, usize::MAX), Err(Invalid::Overflow));
    }
    // What does not fit the address space is found out behind this.
    assert_eq!(pages_of(0, usize::MAX, 4096), Ok(1 << 52));
}

proptest! {
    #![proptest_config(crate::config(100_000))]

    #[test]
    fn any_range_is_exact(addr: u64, nr_pages: i64, shift in 0u32..64, narrow: bool) {
        // All orders of magnitude alike.
        let nr_pages = match nr_pages >> shift {
            0 => 1,
            nr => nr,
        };
        if narrow {
            let last = u64::from(u32::MAX);
            is_exact(addr & last, nr_pages, 0xc000_0000, last);
        } else {
            is_exact(addr >> (shift / 4), nr_pages, 1 << 56, u64::MAX);
        }
    }
}
