// SPDX-License-Identifier: GPL-2.0

//! A validated request: what the walk and the fallback may rely on.
//!
//! The checks, their order and their errors are those of `is_valid_gup_args()` and
//! `gup_fast_fallback()` in mm/gup.c.

use crate::format::Access;

/// Flags of GUP; the values are those of `FOLL_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags(u32);

impl Flags {
    pub(crate) const WRITE: Flags = Flags(1 << 0);
    pub(crate) const GET: Flags = Flags(1 << 1);
    pub(crate) const NOFAULT: Flags = Flags(1 << 5);
    pub(crate) const LONGTERM: Flags = Flags(1 << 8);
    pub(crate) const PCI_P2PDMA: Flags = Flags(1 << 10);
    pub(crate) const INTERRUPTIBLE: Flags = Flags(1 << 11);
    pub(crate) const HONOR_NUMA_FAULT: Flags = Flags(1 << 12);
    pub(crate) const PIN: Flags = Flags(1 << 19);
    pub(crate) const FAST_ONLY: Flags = Flags(1 << 20);

    /// What a caller of the module's own API may ask for. `FOLL_FORCE` is not offered.
    const OFFERED: Flags = Flags(
        Self::WRITE.0
            | Self::NOFAULT.0
            | Self::LONGTERM.0
            | Self::PCI_P2PDMA.0
            | Self::INTERRUPTIBLE.0
            | Self::HONOR_NUMA_FAULT.0,
    );

    /// Flags that GUP has checked.
    #[inline(always)]
    pub(crate) const fn from_raw(raw: u32) -> Flags {
        Flags(raw)
    }

    #[inline(always)]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    #[inline(always)]
    pub(crate) const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Whether all of `other` are set.
    #[inline(always)]
    pub(crate) const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    #[inline(always)]
    pub(crate) const fn access(self) -> Access {
        if self.contains(Self::WRITE) {
            Access::Write
        } else {
            Access::Read
        }
    }
}

/// Why a request is refused as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Invalid {
    /// Flags that are not offered, or do not go together: `EINVAL`.
    Flags,
    /// The range does not fit into the address space of the CPU: `EOVERFLOW`.
    Overflow,
    /// The range does not lie in user space: `EFAULT`.
    Range,
}

/// Start and end of `nr_pages` pages from the one of `addr` on, in an address space whose last
/// address is `last` and whose first address behind user space is `limit`.
///
/// In 64 bits on all machines, so that there is nothing that can overflow unseen.
#[inline]
pub(crate) fn range(
    addr: u64,
    nr_pages: i64,
    page_size: u64,
    limit: u64,
    last: u64,
) -> Result<(u64, u64), Invalid> {
    let start = addr & !(page_size - 1);
    // C has the number as an `unsigned long`, of which a negative one has the topmost bit set.
    let len = u64::try_from(nr_pages)
        .ok()
        .and_then(|nr| nr.checked_mul(page_size))
        .ok_or(Invalid::Overflow)?;
    let end = start
        .checked_add(len)
        .filter(|&end| end <= last)
        .ok_or(Invalid::Overflow)?;

    if end > limit || end <= start {
        return Err(Invalid::Range);
    }
    Ok((start, end))
}

/// Number of the pages that `len` bytes from `addr` on lie in.
pub(crate) fn pages_of(addr: usize, len: usize, page_size: usize) -> Result<isize, Invalid> {
    if len == 0 {
        return Ok(0);
    }
    let offset = addr & (page_size - 1);
    let bytes = len.checked_add(offset).ok_or(Invalid::Overflow)?;

    isize::try_from(bytes.div_ceil(page_size)).map_err(|_| Invalid::Overflow)
}

/// Pages of user space that somebody asks for.
///
/// # Invariants
///
/// `start` and `end` are aligned to pages, `start < end`, and `end` is not above the limit of user
/// space. Exactly one of `GET` and `PIN` is set in `flags`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    start: usize,
    end: usize,
    flags: Flags,
}

impl Request {
    /// Checks what a caller of the module's API asks for. `addr` is untagged, and rounded down to
    /// its page. `kind` is `GET` or `PIN`, possibly with `FAST_ONLY`. `limit` is the first address
    /// behind user space. `None` is a request of no pages.
    pub(crate) fn new(
        addr: usize,
        nr_pages: isize,
        flags: u32,
        kind: Flags,
        limit: usize,
        page_size: usize,
    ) -> Result<Option<Request>, Invalid> {
        let flags = Flags::from_raw(flags);
        if flags.without(Flags::OFFERED).raw() != 0 {
            return Err(Invalid::Flags);
        }
        if flags.contains(Flags::LONGTERM) {
            // A long-term reference is a pin, and keeps a device that lends its memory from going.
            if !kind.contains(Flags::PIN) || flags.contains(Flags::PCI_P2PDMA) {
                return Err(Invalid::Flags);
            }
        }
        if nr_pages == 0 {
            return Ok(None);
        }

        // CASTS: On no machine is either wider than 64 bits; what comes back is not above `last`.
        let (start, end) = range(
            addr as u64,
            nr_pages as i64,
            page_size as u64,
            limit as u64,
            usize::MAX as u64,
        )?;
        let (start, end) = (start as usize, end as usize);
        Ok(Some(Request {
            start,
            end,
            flags: flags.with(kind),
        }))
    }

    /// A request that GUP has checked: the arguments fulfil the invariants of the type.
    #[inline(always)]
    pub(crate) const fn checked(start: usize, end: usize, flags: Flags) -> Request {
        Request { start, end, flags }
    }

    /// The request for what is behind the first `bytes`, which are whole pages and not all of them.
    pub(crate) fn behind(&self, bytes: usize) -> Request {
        // INVARIANT: There is at least one page behind them.
        Request {
            start: self.start + bytes,
            ..*self
        }
    }

    #[inline(always)]
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    #[inline(always)]
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// Number of pages.
    #[inline(always)]
    pub(crate) fn nr_pages(&self, page_shift: u8) -> usize {
        (self.end - self.start) >> page_shift
    }
}
