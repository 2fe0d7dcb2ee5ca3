// SPDX-License-Identifier: GPL-2.0

//! A vector of limited length on the stack.
//!
//! An array that is filled when it is made would cost a walk over one page as much as the walk
//! itself; the kernel crate has vectors on the heap only.

use core::mem::MaybeUninit;

/// Up to `N` values.
///
/// # Invariants
///
/// The first `len` of `values` are initialised, and `len <= N`.
pub(crate) struct ArrayVec<T: Copy, const N: usize> {
    len: usize,
    values: [MaybeUninit<T>; N],
}

impl<T: Copy, const N: usize> ArrayVec<T, N> {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        // INVARIANT: The first 0 values are initialised.
        Self {
            len: 0,
            values: [const { MaybeUninit::uninit() }; N],
        }
    }

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        // INVARIANT: The first 0 values are initialised.
        self.len = 0;
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a value; there is no effect when the vector is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: T) {
        if let Some(place) = self.values.get_mut(self.len) {
            place.write(value);
            // INVARIANT: One more value is initialised, and `len` was less than `N`.
            self.len += 1;
        }
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: By the type invariant, the first `len` values exist and are initialised;
        // `MaybeUninit<T>` has the layout of `T`. The vector is borrowed for as long as the slice.
        unsafe { core::slice::from_raw_parts(self.values.as_ptr().cast::<T>(), self.len) }
    }
}
