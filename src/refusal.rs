// SPDX-License-Identifier: GPL-2.0

//! Why the walk stops before the end of a request.
//!
//! A refusal is not an error: the rest of the request goes to the fallback, which knows the VMAs
//! and may fault, and whose answer is the one that counts.

/// The first thing that the walk could not answer.
///
/// The numbers are those of `enum fast_gup_refusal` in the UAPI, and index the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Refusal {
    /// No entry, or one that is not present: a fault must bring the page.
    Absent = 1,
    /// `PROT_NONE` or a NUMA hint: only the VMA tells which.
    ProtNone = 2,
    /// Not for user space, or not writable: a fault may break COW.
    Permission = 3,
    /// A protection key of the thread forbids the access.
    Key = 4,
    /// No `struct page` behind it, or one that must not be looked at.
    Special = 5,
    /// An entry that no user table holds.
    Bad = 6,
    /// No reference could be taken: the folio is being freed or split, or the count is full.
    Reference = 7,
    /// Peer-to-peer memory, and the caller did not ask for it.
    P2pdma = 8,
    /// Memory that must stay movable, and a pin for long.
    Longterm = 9,
    /// An entry changed between the first look and the second.
    Changed = 10,
    /// secretmem, or a pin for long of a file that tracks what is dirty.
    Folio = 11,
    /// An anonymous page that is not exclusive must be unshared before it is pinned.
    Shared = 12,
    /// `fork()` write-protected the tables meanwhile.
    Fork = 13,
    /// Nothing was refused: who receives the pages has no room for the next ones. Its number is 0,
    /// see `number()`; the value is not, for which the compiler can say in one word, and compare with
    /// zero, that there is no refusal.
    Full = 14,
}

impl Refusal {
    /// The number by which it is reported and counted.
    #[inline(always)]
    pub(crate) fn number(self) -> u32 {
        match self {
            Refusal::Full => 0,
            refused => refused as u32,
        }
    }

    /// One more than the largest number.
    pub(crate) const COUNT: usize = 14;

    /// Names in the order of the numbers, for the counters; 0 is "nothing was refused".
    pub(crate) const NAMES: [&'static str; Self::COUNT] = [
        "not",
        "absent",
        "protnone",
        "permission",
        "key",
        "special",
        "bad",
        "reference",
        "p2pdma",
        "longterm",
        "changed",
        "folio",
        "shared",
        "fork",
    ];
}
