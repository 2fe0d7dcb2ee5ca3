// SPDX-License-Identifier: GPL-2.0

//! ppc64: `pgtable.h`, `hash.h`, `hash-64k.h`, `hash-4k.h`, `hash-pkey.h` and `radix.h` in
//! `arch/powerpc/include/asm/book3s/64/`, and `arch/powerpc/mm/book3s64/pkeys.c`.
//!
//! Entries are those of `pte_val()`, in the order of the CPU; [`cpu_to_be64`] is for who stores one.

pub(crate) const _PAGE_EXEC: u64 = 0x00001;
pub(crate) const _PAGE_WRITE: u64 = 0x00002;
pub(crate) const _PAGE_READ: u64 = 0x00004;
pub(crate) const _PAGE_RWX: u64 = _PAGE_READ | _PAGE_WRITE | _PAGE_EXEC;
pub(crate) const _PAGE_PRIVILEGED: u64 = 0x00008;
pub(crate) const _PAGE_NON_IDEMPOTENT: u64 = 0x00020;
pub(crate) const _PAGE_DIRTY: u64 = 0x00080;
pub(crate) const _PAGE_ACCESSED: u64 = 0x00100;
pub(crate) const _RPAGE_SW0: u64 = 0x2000000000000000;
pub(crate) const _RPAGE_SW1: u64 = 0x00800;
pub(crate) const _RPAGE_SW2: u64 = 0x00400;
pub(crate) const _RPAGE_SW3: u64 = 0x00200;
pub(crate) const _RPAGE_RSV1: u64 = 0x00040;
pub(crate) const _RPAGE_PKEY_BIT4: u64 = 0x1000000000000000;
pub(crate) const _RPAGE_PKEY_BIT3: u64 = 0x0800000000000000;
pub(crate) const _RPAGE_PKEY_BIT2: u64 = 0x0400000000000000;
pub(crate) const _RPAGE_PKEY_BIT1: u64 = 0x0200000000000000;
pub(crate) const _RPAGE_PKEY_BIT0: u64 = 0x0100000000000000;
pub(crate) const _PAGE_PTE: u64 = 0x4000000000000000;
pub(crate) const _PAGE_PRESENT: u64 = 0x8000000000000000;
pub(crate) const _PAGE_INVALID: u64 = _RPAGE_SW0;
pub(crate) const _RPAGE_RPN0: u64 = 0x01000;
pub(crate) const _RPAGE_RPN1: u64 = 0x02000;
pub(crate) const _RPAGE_RPN43: u64 = 0x0080000000000000;
pub(crate) const _RPAGE_RPN42: u64 = 0x0040000000000000;
pub(crate) const _RPAGE_RPN41: u64 = 0x0020000000000000;
pub(crate) const _PAGE_PA_MAX: u32 = 53;
pub(crate) const _PAGE_SOFT_DIRTY: u64 = _RPAGE_SW3;
pub(crate) const _PAGE_SPECIAL: u64 = _RPAGE_SW2;

/// `PMD_MASKED_BITS`, `PUD_MASKED_BITS` and `P4D_MASKED_BITS`.
pub(crate) const MASKED_BITS: u64 = 0xc0000000000000ff;
/// `RADIX_PMD_BAD_BITS`, `RADIX_PUD_BAD_BITS` and `RADIX_P4D_BAD_BITS`.
const RADIX_BAD_BITS: u64 = 0x60000000000000e0;
/// `HASH_PMD_VAL_BITS` and its like; those of radix have the size of the table besides.
const VAL_BITS: u64 = 0x8000000000000000;

const PKEY_REG_BITS: u32 = u64::BITS;
const AMR_BITS_PER_PKEY: u32 = 2;
const AMR_RD_BIT: u64 = 0x1;
const AMR_WR_BIT: u64 = 0x2;

/// What an entry is in memory.
pub(crate) fn cpu_to_be64(entry: u64) -> u64 {
    entry.to_be()
}

/// What the C reads from globals and registers, or knows from its configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// `radix_enabled()`
    pub(crate) radix: bool,
    /// `PAGE_SHIFT`
    pub(crate) page_shift: u32,
    /// `current_thread_amr()`. Radix has no keys: there it is 0, which allows everything.
    pub(crate) amr: u64,
}

impl Machine {
    /// The index sizes from the level of the pages up.
    pub(crate) fn index_sizes(&self) -> [u8; 4] {
        match (self.radix, self.page_shift) {
            (true, 16) => [5, 9, 9, 13],
            (true, _) => [9, 9, 9, 13],
            (false, 16) => [8, 10, 10, 8],
            (false, _) => [9, 7, 9, 9],
        }
    }

    /// `PTE_SHIFT`, were it defined, `PMD_SHIFT`, `PUD_SHIFT` and `PGDIR_SHIFT`.
    pub(crate) fn shift(&self, level: usize) -> u32 {
        let sizes = &self.index_sizes()[..level];
        self.page_shift + sizes.iter().map(|&size| u32::from(size)).sum::<u32>()
    }

    /// `PTE_TABLE_SIZE`, `PMD_TABLE_SIZE` and so on. Hash with pages of 64K has a second half, for
    /// all but the root.
    pub(crate) fn table_size(&self, level: usize) -> u64 {
        let halves = if !self.radix && self.page_shift == 16 && level < 3 {
            2
        } else {
            1
        };
        halves * (8 << self.index_sizes()[level])
    }

    /// `pmd_populate()`, `pud_populate()` and `p4d_populate()`: an entry of `level`.
    pub(crate) fn populate(&self, table: u64, level: usize) -> u64 {
        let size = if self.radix {
            u64::from(self.index_sizes()[level - 1])
        } else {
            0
        };
        table | VAL_BITS | size
    }

    /// `PTE_RPN_MASK`
    pub(crate) fn pte_rpn_mask(&self) -> u64 {
        ((1 << _PAGE_PA_MAX) - 1) & !((1 << self.page_shift) - 1)
    }

    /// `_PAGE_HPTEFLAGS`
    pub(crate) fn hpteflags(&self) -> u64 {
        let (busy, combo) = (_RPAGE_RSV1, _RPAGE_RPN0);
        match self.page_shift {
            16 => busy | _RPAGE_RPN43 | combo,
            _ => {
                let (hashpte, second) = (_RPAGE_PKEY_BIT4, _RPAGE_PKEY_BIT0);
                busy | hashpte | second | _RPAGE_RPN43 | _RPAGE_RPN42 | _RPAGE_RPN41
            }
        }
    }

    /// `H_PAGE_THP_HUGE`
    pub(crate) fn thp_huge(&self) -> u64 {
        match (self.radix, self.page_shift) {
            (false, 16) => _RPAGE_RPN1,
            _ => 0,
        }
    }

    pub(crate) fn pte_protnone(&self, pte: u64) -> bool {
        pte & (_PAGE_PRESENT | _PAGE_PTE | _PAGE_RWX) == _PAGE_PRESENT | _PAGE_PTE
    }

    fn pte_hw_valid(&self, pte: u64) -> bool {
        pte & (_PAGE_PRESENT | _PAGE_PTE) == _PAGE_PRESENT | _PAGE_PTE
    }

    pub(crate) fn pte_present(&self, pte: u64) -> bool {
        if self.pte_hw_valid(pte) {
            return true;
        }
        pte & (_PAGE_INVALID | _PAGE_PTE) == _PAGE_INVALID | _PAGE_PTE
    }

    pub(crate) fn pte_user(&self, pte: u64) -> bool {
        pte & _PAGE_PRIVILEGED == 0
    }

    pub(crate) fn pte_read(&self, pte: u64) -> bool {
        pte & _PAGE_READ != 0
    }

    pub(crate) fn pte_write(&self, pte: u64) -> bool {
        pte & _PAGE_WRITE != 0
    }

    /// `pte_special()`, `pmd_special()` and `pud_special()` test the same bit.
    pub(crate) fn pte_special(&self, pte: u64) -> bool {
        pte & _PAGE_SPECIAL != 0
    }

    /// `pte_access_permitted()` and `pud_access_permitted()`.
    pub(crate) fn pte_access_permitted(&self, pte: u64, write: bool) -> bool {
        if !self.pte_present(pte) || !self.pte_user(pte) || !self.pte_read(pte) {
            return false;
        }
        if write && !self.pte_write(pte) {
            return false;
        }
        self.arch_pte_access_permitted(pte, write)
    }

    pub(crate) fn pmd_is_serializing(&self, pmd: u64) -> bool {
        pmd & (_PAGE_PRESENT | _PAGE_INVALID) == _PAGE_INVALID
    }

    pub(crate) fn pmd_access_permitted(&self, pmd: u64, write: bool) -> bool {
        if self.pmd_is_serializing(pmd) {
            return false;
        }
        self.pte_access_permitted(pmd, write)
    }

    pub(crate) fn pmd_present(&self, pmd: u64) -> bool {
        pmd & (_PAGE_PRESENT | _PAGE_INVALID) != 0
    }

    /// `pud_present()` and `p4d_present()`.
    pub(crate) fn pud_present(&self, pud: u64) -> bool {
        pud & _PAGE_PRESENT != 0
    }

    /// `pmd_leaf()` and `pud_leaf()`.
    pub(crate) fn leaf(&self, entry: u64) -> bool {
        entry & _PAGE_PTE != 0
    }

    /// `pmd_bad()`, `pud_bad()` and `p4d_bad()`, for an entry of `level`.
    pub(crate) fn bad(&self, entry: u64, level: usize) -> bool {
        if self.radix {
            entry & RADIX_BAD_BITS != 0
        } else if level == 3 {
            entry == 0
        } else {
            // H_PMD_BAD_BITS, H_PUD_BAD_BITS
            entry & (self.table_size(level - 1) - 1) != 0
        }
    }

    pub(crate) fn pte_pfn(&self, pte: u64) -> usize {
        ((pte & self.pte_rpn_mask()) >> self.page_shift) as usize
    }

    /// `pmd_page_vaddr()`, `pud_pgtable()` and `p4d_pgtable()`, as a physical address.
    pub(crate) fn table(&self, entry: u64) -> u64 {
        entry & !MASKED_BITS
    }

    /// `hash__pte_to_pkey_bits()`
    pub(crate) fn pkey(&self, pte: u64) -> u32 {
        let bits = match self.page_shift {
            16 => [
                _RPAGE_PKEY_BIT0,
                _RPAGE_PKEY_BIT1,
                _RPAGE_PKEY_BIT2,
                _RPAGE_PKEY_BIT3,
                _RPAGE_PKEY_BIT4,
            ],
            _ => [_RPAGE_PKEY_BIT1, _RPAGE_PKEY_BIT2, _RPAGE_PKEY_BIT3, 0, 0],
        };
        (0..5).fold(0, |key, i| key | u32::from(pte & bits[i] != 0) << i)
    }

    /// Bits that make an entry one of key `pkey`. See `hash__vmflag_to_pte_pkey_bits()`.
    pub(crate) fn pkey_bits(&self, pkey: u32) -> u64 {
        match (self.radix, self.page_shift) {
            (true, _) => 0,
            (false, 16) => u64::from(pkey & 31) * _RPAGE_PKEY_BIT0,
            _ => u64::from(pkey & 7) * _RPAGE_PKEY_BIT1,
        }
    }

    /// For `execute` being false; `MMU_FTR_PKEY` is what radix has not.
    pub(crate) fn arch_pte_access_permitted(&self, pte: u64, write: bool) -> bool {
        if self.radix {
            return true;
        }
        // pkey_access_permitted()
        let pkey_shift = PKEY_REG_BITS - (self.pkey(pte) + 1) * AMR_BITS_PER_PKEY;
        if write {
            return self.amr & (AMR_WR_BIT << pkey_shift) == 0;
        }
        self.amr & (AMR_RD_BIT << pkey_shift) == 0
    }
}
