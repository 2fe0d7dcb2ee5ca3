// SPDX-License-Identifier: GPL-2.0

//! What an entry that maps memory says, whatever the bits are that say it.

use std::ops::{BitOr, BitXor};

/// Flags of a leaf. [`Shape::leaf`](crate::shape::Shape::leaf) makes an entry of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags(u32);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const PRESENT: Self = Self(1 << 0);
    pub(crate) const WRITE: Self = Self(1 << 1);
    pub(crate) const USER: Self = Self(1 << 2);
    pub(crate) const NOEXEC: Self = Self(1 << 3);
    pub(crate) const ACCESSED: Self = Self(1 << 4);
    pub(crate) const DIRTY: Self = Self(1 << 5);
    pub(crate) const SOFT_DIRTY: Self = Self(1 << 6);
    pub(crate) const SPECIAL: Self = Self(1 << 7);
    /// PROT_NONE, or a NUMA hint. What makes an entry this besides is up to the machine.
    pub(crate) const PROTNONE: Self = Self(1 << 8);
    /// A bit that the kernel keeps for itself, and that says nothing about an access.
    pub(crate) const MARK: Self = Self(1 << 9);
    /// Another one, which may differ between the pages of a run.
    pub(crate) const NOISE: Self = Self(1 << 10);

    /// What most pages have.
    pub(crate) const GOOD: Self = Self(0b111);
    pub(crate) const READ_ONLY: Self = Self(0b101);

    const KEY_SHIFT: u32 = 16;

    /// A protection key, of which no machine has more than 32.
    pub(crate) const fn key(key: u32) -> Self {
        Self((key & 31) << Self::KEY_SHIFT)
    }

    /// The protection key among the flags.
    pub(crate) fn the_key(self) -> u32 {
        self.0 >> Self::KEY_SHIFT
    }

    pub(crate) fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    pub(crate) fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }
}

impl BitXor for Flags {
    type Output = Self;

    fn bitxor(self, flags: Self) -> Self {
        Self(self.0 ^ flags.0)
    }
}
