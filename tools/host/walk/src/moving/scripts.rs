// SPDX-License-Identifier: GPL-2.0

//! What the kernel does to user memory, as sequences of steps.

use super::kernel::Step;
use crate::format::Level;
use crate::shape::Change;

/// One thing that the kernel does, to page `page` or to the tables above it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Script {
    Unmap,
    UnmapAndReallocate,
    /// Unmaps a page, and faults in another at once.
    Exchange,
    Fault,
    Truncate,
    SwapOut,
    Ksm,
    WriteProtect,
    ProtNone,
    /// `mprotect()`: the entry is of no use to anybody for a moment.
    Protect,
    /// A fault of hash, which fills the table of hashes from the entry.
    Hash,
    /// What the CPU does at any time.
    SetAccessed,
    SetDirty,
    /// Splits a folio while its pages stay where they are.
    SplitFolio,
    Collapse,
    SplitHuge,
    /// `mremap()` moves a table of pages, and the pages change where it is now.
    MovePages,
    /// A PMD table is moved, or is shared by hugetlb no longer: same thing from here.
    MovePmds,
    /// `mremap()` moves a table of pages, and a page is unmapped where it is now.
    MoveAway,
    /// What was moved comes back.
    Return,
    /// Unmaps a page, and frees the table if it was the last one.
    Reclaim,
    Fork,
}

impl Script {
    pub(super) const ALL: [Script; 22] = [
        Script::Unmap,
        Script::UnmapAndReallocate,
        Script::Exchange,
        Script::Fault,
        Script::Truncate,
        Script::SwapOut,
        Script::Ksm,
        Script::WriteProtect,
        Script::ProtNone,
        Script::Protect,
        Script::Hash,
        Script::SetAccessed,
        Script::SetDirty,
        Script::SplitFolio,
        Script::Collapse,
        Script::SplitHuge,
        Script::MovePages,
        Script::MovePmds,
        Script::MoveAway,
        Script::Return,
        Script::Reclaim,
        Script::Fork,
    ];

    pub(super) fn steps(self, page: usize) -> Vec<Step> {
        match self {
            Script::Unmap => vec![Step::Clear(page), Step::Release],
            Script::UnmapAndReallocate => {
                vec![Step::Clear(page), Step::Release, Step::Reallocate]
            }
            Script::Exchange => vec![Step::Clear(page), Step::Release, Step::Fault(page)],
            Script::Fault => vec![Step::Fault(page)],
            Script::Truncate => vec![Step::Clear(page), Step::DropMapping, Step::Release],
            Script::SwapOut => vec![Step::Clear(page), Step::TryShare, Step::SwapOut],
            Script::Ksm => vec![Step::Clear(page), Step::TryShare, Step::PutBackReadOnly],
            Script::WriteProtect => vec![Step::Change(page, Change::WriteProtect)],
            Script::ProtNone => vec![Step::Change(page, Change::ProtNone)],
            Script::Protect => vec![Step::Protect(page), Step::PutBackReadOnly],
            Script::Hash => vec![
                Step::Change(page, Change::Busy),
                Step::Change(page, Change::Hashed),
            ],
            Script::SetAccessed => vec![Step::Change(page, Change::Accessed)],
            Script::SetDirty => vec![Step::Change(page, Change::Dirty)],
            Script::SplitFolio => vec![Step::SplitFolio(page)],
            Script::Collapse => vec![
                Step::ClearTable(page),
                Step::CheckTable(page),
                Step::InstallHuge(page),
            ],
            Script::SplitHuge => vec![Step::InvalidateHuge(page), Step::InstallTable(page)],
            Script::MovePages => {
                vec![Step::TakeTable(page, Level::PMD), Step::ChangeTaken(page)]
            }
            Script::MovePmds => {
                vec![Step::TakeTable(page, Level::PUD), Step::ChangeTaken(page)]
            }
            Script::MoveAway => {
                vec![Step::TakeTable(page, Level::PMD), Step::ClearTaken(page)]
            }
            Script::Return => vec![Step::ReturnTable],
            Script::Reclaim => {
                vec![Step::Clear(page), Step::Release, Step::ReclaimTable(page)]
            }
            Script::Fork => vec![Step::Fork, Step::ForkPage(page), Step::Fork],
        }
    }
}
