// SPDX-License-Identifier: GPL-2.0

//! x86: `arch/x86/include/asm/pgtable.h`, `pgtable_types.h`, `pgtable-invert.h` and `pkru.h`.

pub(crate) const _PAGE_PRESENT: u64 = 1 << 0;
pub(crate) const _PAGE_RW: u64 = 1 << 1;
pub(crate) const _PAGE_USER: u64 = 1 << 2;
pub(crate) const _PAGE_ACCESSED: u64 = 1 << 5;
pub(crate) const _PAGE_DIRTY: u64 = 1 << 6;
pub(crate) const _PAGE_PSE: u64 = 1 << 7;
pub(crate) const _PAGE_GLOBAL: u64 = 1 << 8;
pub(crate) const _PAGE_PROTNONE: u64 = 1 << 8;
pub(crate) const _PAGE_SPECIAL: u64 = 1 << 9;
pub(crate) const _PAGE_UFFD: u64 = 1 << 10;
pub(crate) const _PAGE_SOFT_DIRTY: u64 = 1 << 11;
pub(crate) const _PAGE_PAT_LARGE: u64 = 1 << 12;
pub(crate) const _PAGE_SAVED_DIRTY: u64 = 1 << 58;
/// Without `CONFIG_X86_64`, where `_PAGE_UFFD` does not exist.
pub(crate) const _PAGE_SAVED_DIRTY_32: u64 = 1 << 10;
pub(crate) const _PAGE_PKEY_BIT0: u64 = 1 << 59;
pub(crate) const _PAGE_PKEY_MASK: u64 = 0xf << 59;
pub(crate) const _PAGE_NX: u64 = 1 << 63;
pub(crate) const _KERNPG_TABLE: u64 = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY;
pub(crate) const _PAGE_TABLE: u64 = _KERNPG_TABLE | _PAGE_USER;

pub(crate) const PAGE_SHIFT: u32 = 12;
pub(crate) const PMD_SHIFT: u32 = 21;
pub(crate) const PUD_SHIFT: u32 = 30;

const PKRU_AD_BIT: u32 = 1;
const PKRU_WD_BIT: u32 = 2;
const PKRU_BITS_PER_PKEY: u32 = 2;

/// What the C reads from globals: `physical_mask` and the register of the keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// `physical_mask`, without the bit that marks encrypted memory.
    pub(crate) physical_mask: u64,
    pub(crate) pkru: u32,
}

impl Machine {
    fn pte_pfn_mask(&self) -> u64 {
        self.physical_mask & !((1 << PAGE_SHIFT) - 1)
    }

    fn pmd_pfn_mask(&self, pmd: u64) -> u64 {
        if pmd & _PAGE_PSE != 0 {
            !((1 << PMD_SHIFT) - 1) & self.physical_mask
        } else {
            self.pte_pfn_mask()
        }
    }

    fn pud_pfn_mask(&self, pud: u64) -> u64 {
        if pud & _PAGE_PSE != 0 {
            !((1 << PUD_SHIFT) - 1) & self.physical_mask
        } else {
            self.pte_pfn_mask()
        }
    }

    fn pte_flags(&self, pte: u64) -> u64 {
        pte & !self.pte_pfn_mask()
    }

    fn pmd_flags(&self, pmd: u64) -> u64 {
        pmd & !self.pmd_pfn_mask(pmd)
    }

    fn pud_flags(&self, pud: u64) -> u64 {
        pud & !self.pud_pfn_mask(pud)
    }

    pub(crate) fn pte_protnone(&self, pte: u64) -> bool {
        self.pte_flags(pte) & (_PAGE_PROTNONE | _PAGE_PRESENT) == _PAGE_PROTNONE
    }

    pub(crate) fn pmd_protnone(&self, pmd: u64) -> bool {
        self.pmd_flags(pmd) & (_PAGE_PROTNONE | _PAGE_PRESENT) == _PAGE_PROTNONE
    }

    pub(crate) fn pmd_present(&self, pmd: u64) -> bool {
        self.pmd_flags(pmd) & (_PAGE_PRESENT | _PAGE_PROTNONE | _PAGE_PSE) != 0
    }

    pub(crate) fn pud_present(&self, pud: u64) -> bool {
        self.pud_flags(pud) & _PAGE_PRESENT != 0
    }

    pub(crate) fn p4d_present(&self, p4d: u64) -> bool {
        self.pte_flags(p4d) & _PAGE_PRESENT != 0
    }

    pub(crate) fn pmd_leaf(&self, pmd: u64) -> bool {
        self.pmd_flags(pmd) & _PAGE_PSE != 0
    }

    pub(crate) fn pud_leaf(&self, pud: u64) -> bool {
        pud & _PAGE_PSE != 0
    }

    pub(crate) fn pmd_bad(&self, pmd: u64) -> bool {
        self.pmd_flags(pmd) & !(_PAGE_USER | _PAGE_ACCESSED) != _KERNPG_TABLE & !_PAGE_ACCESSED
    }

    pub(crate) fn pud_bad(&self, pud: u64) -> bool {
        self.pud_flags(pud) & !(_KERNPG_TABLE | _PAGE_USER) != 0
    }

    pub(crate) fn p4d_bad(&self, p4d: u64) -> bool {
        self.pte_flags(p4d) & !(_KERNPG_TABLE | _PAGE_USER | _PAGE_NX) != 0
    }

    /// `pte_special()`, `pmd_special()` and `pud_special()` test the same bit.
    pub(crate) fn special(&self, entry: u64) -> bool {
        self.pte_flags(entry) & _PAGE_SPECIAL != 0
    }

    pub(crate) fn pte_shstk(&self, pte: u64) -> bool {
        self.pte_flags(pte) & (_PAGE_RW | _PAGE_DIRTY) == _PAGE_DIRTY
    }

    pub(crate) fn pte_write(&self, pte: u64) -> bool {
        self.pte_flags(pte) & _PAGE_RW != 0 || self.pte_shstk(pte)
    }

    fn protnone_mask(&self, val: u64) -> u64 {
        // __pte_needs_invert()
        if val != 0 && val & _PAGE_PRESENT == 0 {
            !0
        } else {
            0
        }
    }

    pub(crate) fn pte_pfn(&self, pte: u64) -> usize {
        (((pte ^ self.protnone_mask(pte)) & self.pte_pfn_mask()) >> PAGE_SHIFT) as usize
    }

    pub(crate) fn pmd_pfn(&self, pmd: u64) -> usize {
        (((pmd ^ self.protnone_mask(pmd)) & self.pmd_pfn_mask(pmd)) >> PAGE_SHIFT) as usize
    }

    pub(crate) fn pud_pfn(&self, pud: u64) -> usize {
        (((pud ^ self.protnone_mask(pud)) & self.pud_pfn_mask(pud)) >> PAGE_SHIFT) as usize
    }

    /// `pgd_page_vaddr()` and its like, as a physical address.
    pub(crate) fn table(&self, entry: u64) -> u64 {
        entry & self.pte_pfn_mask()
    }

    fn pkru_allows_read(&self, pkey: u32) -> bool {
        self.pkru & (PKRU_AD_BIT << (pkey * PKRU_BITS_PER_PKEY)) == 0
    }

    fn pkru_allows_write(&self, pkey: u32) -> bool {
        // Access-disable disables writes, too.
        self.pkru & ((PKRU_AD_BIT | PKRU_WD_BIT) << (pkey * PKRU_BITS_PER_PKEY)) == 0
    }

    /// `__pkru_allows_pkey()` for the key of an entry.
    pub(crate) fn pkey_allowed(&self, entry: u64, write: bool) -> bool {
        let pkey = ((entry & _PAGE_PKEY_MASK) / _PAGE_PKEY_BIT0) as u32;
        self.pkru_allows_read(pkey) && (!write || self.pkru_allows_write(pkey))
    }

    /// The first half of `__pte_access_permitted()`.
    pub(crate) fn need_bits(&self, entry: u64, write: bool) -> bool {
        let mut need = _PAGE_PRESENT | _PAGE_USER;
        if write {
            need |= _PAGE_RW;
        }
        entry & need == need
    }

    /// `pte_access_permitted()`, `pmd_access_permitted()` and `pud_access_permitted()`.
    pub(crate) fn access_permitted(&self, entry: u64, write: bool) -> bool {
        self.need_bits(entry, write) && self.pkey_allowed(entry, write)
    }
}
