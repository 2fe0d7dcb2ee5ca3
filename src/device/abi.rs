// SPDX-License-Identifier: GPL-2.0

//! The structures of [`include/uapi/linux/fast_gup.h`](srctree/include/uapi/linux/fast_gup.h), and
//! the checks that each of them passes before anything is done. helpers.c checks the layout.

use core::mem::size_of;
use kernel::prelude::*;
use kernel::transmute::{AsBytes, FromBytes};
use kernel::uaccess::{UserPtr, UserSlice};

const VERSION: u32 = 1;

const _: () = {
    use core::mem::offset_of;

    assert!(size_of::<PageInfo>() == 16);
    assert!(size_of::<Call>() == 104);
    assert!(offset_of!(Call, result) == 48);
    assert!(offset_of!(Call, refusal) == 96);
    assert!(size_of::<Release>() == 24);
    assert!(size_of::<Copy>() == 48);
    assert!(size_of::<Info>() == 40);
    assert!(size_of::<Bench>() == 88);
    assert!(offset_of!(Bench, late_ns) == 80);
    assert!(size_of::<Stay>() == 40);
    assert!(offset_of!(Stay, told) == 32);
};

/// Entry points, see `enum fast_gup_entry`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Get,
    GetOnly,
    Pin,
    KernelGet,
    KernelGetOnly,
    KernelPin,
    CGet,
    CGetOnly,
    CPin,
    SlowGet,
    SlowPin,
}

impl Entry {
    const ALL: [Entry; 11] = [
        Entry::Get,
        Entry::GetOnly,
        Entry::Pin,
        Entry::KernelGet,
        Entry::KernelGetOnly,
        Entry::KernelPin,
        Entry::CGet,
        Entry::CGetOnly,
        Entry::CPin,
        Entry::SlowGet,
        Entry::SlowPin,
    ];

    /// Whether the entry is a function of the module, not one of the kernel.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Entry::Get | Entry::GetOnly | Entry::Pin)
    }

    /// Whether the entry is one of the kernel's slow ones, which take a long number of pages.
    pub(super) fn is_slow(self) -> bool {
        matches!(self, Entry::SlowGet | Entry::SlowPin)
    }

    /// Whether the entry pins the pages that it returns.
    pub(super) fn pins(self) -> bool {
        matches!(
            self,
            Entry::Pin | Entry::KernelPin | Entry::CPin | Entry::SlowPin
        )
    }
}

pub(super) const FLAG_WRITE: u32 = 1 << 0;
pub(super) const FLAG_LONGTERM: u32 = 1 << 1;
pub(super) const FLAG_NOFAULT: u32 = 1 << 2;
pub(super) const FLAG_PCI_P2PDMA: u32 = 1 << 3;
pub(super) const FLAG_HONOR_NUMA_FAULT: u32 = 1 << 4;
pub(super) const FLAG_FORCE: u32 = 1 << 5;
pub(super) const FLAG_INTERRUPTIBLE: u32 = 1 << 6;
pub(super) const FLAG_HOLD: u32 = 1 << 16;
const FLAGS: u32 = FLAG_WRITE
    | FLAG_LONGTERM
    | FLAG_NOFAULT
    | FLAG_PCI_P2PDMA
    | FLAG_HONOR_NUMA_FAULT
    | FLAG_FORCE
    | FLAG_INTERRUPTIBLE
    | FLAG_HOLD;

pub(super) const PAGE_ANON: u32 = 1 << 0;
pub(super) const PAGE_HUGETLB: u32 = 1 << 1;
pub(super) const PAGE_ZERO: u32 = 1 << 2;
pub(super) const PAGE_HIGHMEM: u32 = 1 << 3;

/// A structure that begins with its size and the version of the ABI.
pub(super) trait Checked: FromBytes {
    /// The size and the version that user space has written.
    fn header(&self) -> (u32, u32);

    /// `EINVAL` for unknown flags and for reserved fields that are not zero.
    fn check(&self) -> Result;
}

macro_rules! checked {
    ($type:ident, |$me:ident| $valid:expr) => {
        // SAFETY: Every bit pattern is a value.
        unsafe impl FromBytes for $type {}

        // SAFETY: There is no padding, as helpers.c checks; nothing in it is uninitialised.
        unsafe impl AsBytes for $type {}

        impl Checked for $type {
            fn header(&self) -> (u32, u32) {
                (self.size, self.version)
            }

            fn check(&self) -> Result {
                let $me = self;
                if $valid {
                    Ok(())
                } else {
                    Err(EINVAL)
                }
            }
        }
    };
}

// Behind the macro that it uses.
mod ranges;

pub(super) use ranges::{Pack, RangeInfo, Ranges, RangesEntry, Split};

/// `struct fast_gup_page`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PageInfo {
    pub(super) pfn: u64,
    pub(super) order: u32,
    pub(super) flags: u32,
}

// SAFETY: There is no padding, and nothing in it is uninitialised.
unsafe impl AsBytes for PageInfo {}

/// `struct fast_gup_call`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Call {
    size: u32,
    version: u32,
    entry: u32,
    pub(super) flags: u32,
    pub(super) addr: u64,
    pub(super) nr_pages: i64,
    pub(super) pages: u64,
    pub(super) max_pages: u64,

    pub(super) result: i64,
    pub(super) handle: u64,
    pub(super) fast_pages: u64,
    pub(super) sections: u64,
    pub(super) longest_section: u64,
    pub(super) wasted: u64,
    pub(super) refusal: u32,
    reserved: u32,
}

impl Call {
    /// The entry point.
    pub(super) fn entry(&self) -> Result<Entry> {
        Entry::ALL.get(self.entry as usize).copied().ok_or(EINVAL)
    }

    /// Whether the kernel's entry would WARN about its caller instead of answering. The module's
    /// own entries answer `EINVAL` themselves.
    fn misuses_kernel(&self) -> bool {
        let own = self.entry().is_ok_and(Entry::is_own);
        let pins = self.entry().is_ok_and(Entry::pins);
        let slow = self.entry().is_ok_and(Entry::is_slow);

        !own && (self.has(FLAG_LONGTERM) && (!pins || self.has(FLAG_PCI_P2PDMA))
            || self.has(FLAG_INTERRUPTIBLE) && !slow)
    }

    /// Whether a flag is set.
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

checked!(Call, |me| me.flags & !FLAGS == 0
    && me.reserved == 0
    && me.entry().is_ok()
    && !me.misuses_kernel()
    && (me.pages == 0) == (me.max_pages == 0));

/// `struct fast_gup_release`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Release {
    size: u32,
    version: u32,
    pub(super) handle: u64,
    dirty: u32,
    reserved: u32,
}

impl Release {
    /// Whether the pages are to be marked dirty.
    pub(super) fn dirty(&self) -> bool {
        self.dirty == 1
    }
}

checked!(Release, |me| me.dirty <= 1 && me.reserved == 0);

/// `struct fast_gup_copy`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Copy {
    size: u32,
    version: u32,
    pub(super) handle: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) buf: u64,
    to_pages: u32,
    reserved: u32,
}

impl Copy {
    /// Whether the pages are written to.
    pub(super) fn writes_pages(&self) -> bool {
        self.to_pages == 1
    }
}

checked!(Copy, |me| me.to_pages <= 1 && me.reserved == 0);

/// `struct fast_gup_info`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Info {
    size: u32,
    version: u32,
    pub(super) page_size: u32,
    pub(super) levels: u32,
    pub(super) max_section: u32,
    pub(super) providing: u32,
    pub(super) format: [u8; 16],
}

checked!(Info, |_me| true);

/// `struct fast_gup_bench`. Shared with bench.c.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Bench {
    size: u32,
    version: u32,
    caller: u32,
    pin: u32,
    addr: u64,
    nr_pages: u64,
    per_call: u64,
    late: u32,
    reserved: u32,

    calls: u64,
    entries: u64,
    get_ns: u64,
    put_ns: u64,
    late_ns: u64,
}

impl Bench {
    const LAST_CALLER: u32 = 4;

    /// Whether the arrays have a reasonable size.
    pub(super) fn fits(&self, most_pages: u64) -> bool {
        self.nr_pages <= most_pages
    }
}

checked!(Bench, |me| me.caller <= Bench::LAST_CALLER
    && me.pin <= 1
    && me.late <= 1
    && me.reserved == 0
    && (1..=me.nr_pages).contains(&me.per_call));

/// `struct fast_gup_stay`. Shared with stay.c.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Stay {
    size: u32,
    version: u32,
    walk: u32,
    reserved: u32,
    word: u64,
    most_ns: u64,

    told: u32,
    cpu: u32,
}

impl Stay {
    const LAST_WALK: u32 = 2;
    const MOST_NS: u64 = 2_000_000_000;
}

checked!(Stay, |me| me.walk <= Stay::LAST_WALK
    && me.reserved == 0
    && me.word % 4 == 0
    && me.most_ns <= Stay::MOST_NS);

/// Reads and checks a structure.
pub(super) fn read<T: Checked>(slice: UserSlice) -> Result<T> {
    let value: T = slice.reader().read()?;
    let (size, version) = value.header();

    if size as usize != size_of::<T>() || version != VERSION {
        return Err(EINVAL);
    }
    value.check()?;
    Ok(value)
}

/// Reads a structure, lets `answer` fill it, and writes it back.
///
/// `answer` returns what is to be undone if the structure cannot be written.
pub(super) fn exchange<T: Checked + AsBytes, U>(
    at: UserPtr,
    answer: impl FnOnce(&mut T) -> Result<Undo<U>>,
) -> Result
where
    U: FnOnce(),
{
    let mut value: T = read(UserSlice::new(at, size_of::<T>()))?;
    let Undo(undo) = answer(&mut value)?;

    let written = UserSlice::new(at, size_of::<T>()).writer().write(&value);
    if written.is_err() {
        undo();
    }
    written
}

/// What takes an answer back that did not reach user space.
pub(super) struct Undo<U: FnOnce()>(pub(super) U);
