// SPDX-License-Identifier: GPL-2.0

//! A vector of limited length on the stack.
//!
//! An array that is filled when it is made would cost a walk over one page as much as the walk
//! itself; the kernel crate has vectors on the heap only.

use core::mem::MaybeUninit;

/// Room for up to `N` values.
///
/// It is apart from the vector so that the length of the latter can be in a register: the compiler
/// keeps all of a structure in memory if it has an array that is indexed.
pub(crate) struct Room<T: Copy, const N: usize>([MaybeUninit<T>; N]);

impl<T: Copy, const N: usize> Room<T, N> {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; N])
    }
}

/// Up to `N` values.
///
/// # Invariants
///
/// The first `len` of `values` are initialised, and `len <= N`.
pub(crate) struct ArrayVec<'a, T: Copy, const N: usize> {
    len: usize,
    values: &'a mut [MaybeUninit<T>; N],
}

impl<'a, T: Copy, const N: usize> ArrayVec<'a, T, N> {
    #[inline(always)]
    pub(crate) fn new(room: &'a mut Room<T, N>) -> Self {
        // INVARIANT: The first 0 values are initialised.
        Self {
            len: 0,
            values: &mut room.0,
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
            self.len = self.len.wrapping_add(1);
        }
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: By the type invariant, the first `len` values exist and are initialised;
        // `MaybeUninit<T>` has the layout of `T`. The vector is borrowed for as long as the slice.
        unsafe { core::slice::from_raw_parts(self.values.as_ptr().cast::<T>(), self.len) }
    }
}

/// Up to `N` pairs of values, of which the compiler counts one length.
///
/// # Invariants
///
/// The first `len` of `first` and of `second` are initialised, and `len <= N`.
pub(crate) struct PairVec<'a, A: Copy, B: Copy, const N: usize> {
    len: usize,
    first: &'a mut [MaybeUninit<A>; N],
    second: &'a mut [MaybeUninit<B>; N],
}

impl<'a, A: Copy, B: Copy, const N: usize> PairVec<'a, A, B, N> {
    #[inline(always)]
    pub(crate) fn new(first: &'a mut Room<A, N>, second: &'a mut Room<B, N>) -> Self {
        // INVARIANT: The first 0 values are initialised.
        Self {
            len: 0,
            first: &mut first.0,
            second: &mut second.0,
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

    /// Appends a pair; there is no effect when the vector is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, first: A, second: B) {
        if let (Some(a), Some(b)) = (self.first.get_mut(self.len), self.second.get_mut(self.len)) {
            a.write(first);
            b.write(second);
            // INVARIANT: One more of each is initialised, and `len` was less than `N`.
            self.len = self.len.wrapping_add(1);
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> Option<(A, B)> {
        if at >= self.len {
            return None;
        }
        let (a, b) = (self.first.get(at)?, self.second.get(at)?);

        // SAFETY: By the type invariant, the first `len` of both are initialised.
        Some(unsafe { (a.assume_init(), b.assume_init()) })
    }
}
