// SPDX-License-Identifier: GPL-2.0

//! Ranges of pages packed into memory: 8 bytes for each of the common sizes.
//!
//! The memory comes in blocks of 4096 bytes, whatever the size of a page is. Each is used from both
//! ends: words with the number of a first page from the front, and from the back those numbers of
//! pages that the word in front cannot say. Such a word is
//!
//! ```text
//!    63         52 51                                    0
//!   +-------------+---------------------------------------+
//!   |    size     |         number of the page            |
//!   +-------------+---------------------------------------+
//!
//!   0                 there is no range: the block ends here
//!   1 to 0xfbf        that many pages
//!   0xfc0 + order     2^order pages
//!   0xfff             as many as the next word from the back says
//! ```
//!
//! A block that is full to the last word has no such end. Nothing depends on the size of a page:
//! with 4 KiB, blocks of 4 KiB, 2 MiB and 1 GiB are 1, 512 and 2^18 pages; with 64 KiB, the latter
//! are 32 and 2^14.

/// Words of a block.
pub(crate) const WORDS: usize = 512;

/// Memory for ranges.
pub(crate) type Block = [u64; WORDS];

const PFN_BITS: u32 = 52;
const PFN_MASK: u64 = (1 << PFN_BITS) - 1;

/// The first size that stands for an order.
const ORDERS: u64 = 0xfc0;
/// The size is at the back.
const BEHIND: u64 = 0xfff;

/// Consecutive pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PfnRange {
    /// Number of the first page.
    pub(crate) first: u64,
    pub(crate) nr_pages: u64,
}

impl PfnRange {
    /// The word for the front of a block, and the one for its back if there is one. `None` if there
    /// are no such pages.
    fn words(self) -> Option<(u64, Option<u64>)> {
        if self.nr_pages == 0 || self.first > PFN_MASK {
            return None;
        }
        let (size, back) = if self.nr_pages < ORDERS {
            (self.nr_pages, None)
        } else {
            let order = ORDERS + u64::from(self.nr_pages.trailing_zeros());
            if self.nr_pages.is_power_of_two() && order < BEHIND {
                (order, None)
            } else {
                (BEHIND, Some(self.nr_pages))
            }
        };
        Some((size << PFN_BITS | self.first, back))
    }
}

/// A block that is being filled.
pub(crate) struct BlockWriter<'a> {
    words: &'a mut Block,
    /// Words at the front and at the back that are in use.
    front: usize,
    back: usize,
}

impl<'a> BlockWriter<'a> {
    /// A block without ranges.
    pub(crate) fn new(words: &'a mut Block) -> Self {
        words[0] = 0;
        Self {
            words,
            front: 0,
            back: 0,
        }
    }

    /// Adds a range, and returns whether there was room for it. `false` also if there cannot be such
    /// a range.
    pub(crate) fn push(&mut self, range: PfnRange) -> bool {
        let Some((word, back)) = range.words() else {
            return false;
        };
        let needed = 1 + usize::from(back.is_some());
        if self.front + self.back + needed > WORDS {
            return false;
        }

        self.words[self.front] = word;
        self.front += 1;
        if let Some(back) = back {
            self.back += 1;
            self.words[WORDS - self.back] = back;
        }
        if self.front + self.back < WORDS {
            self.words[self.front] = 0;
        }
        true
    }
}

/// Packs ranges into blocks, as far as they go. Returns the number of ranges that were packed, and
/// that of the blocks in use.
pub(crate) fn pack<'a>(
    ranges: impl Iterator<Item = PfnRange>,
    mut blocks: impl Iterator<Item = &'a mut Block>,
) -> (usize, usize) {
    let mut writer: Option<BlockWriter<'a>> = None;
    let (mut packed, mut used) = (0, 0);

    for range in ranges {
        let fits = writer.as_mut().is_some_and(|writer| writer.push(range));
        if !fits {
            // What no block can hold would only waste another one.
            let block = range.words().and_then(|_| blocks.next());
            let Some(block) = block else {
                break;
            };
            used += 1;
            writer.insert(BlockWriter::new(block)).push(range);
        }
        packed += 1;
    }
    (packed, used)
}

/// The ranges in a block.
pub(crate) struct BlockRanges<'a> {
    words: &'a Block,
    front: usize,
    back: usize,
}

/// The ranges in a block, in the order in which they were packed.
pub(crate) fn ranges(words: &Block) -> BlockRanges<'_> {
    BlockRanges {
        words,
        front: 0,
        back: 0,
    }
}

impl Iterator for BlockRanges<'_> {
    type Item = PfnRange;

    fn next(&mut self) -> Option<PfnRange> {
        if self.front + self.back >= WORDS {
            return None;
        }
        let word = self.words[self.front];
        let nr_pages = match word >> PFN_BITS {
            0 => return None,
            BEHIND => {
                self.back += 1;
                self.words[WORDS - self.back]
            }
            order @ ORDERS.. => 1 << (order - ORDERS),
            nr_pages => nr_pages,
        };
        self.front += 1;
        Some(PfnRange {
            first: word & PFN_MASK,
            nr_pages,
        })
    }
}

/// The number of pages in all the ranges of some blocks.
pub(crate) fn total<'a>(blocks: impl Iterator<Item = &'a Block>) -> u64 {
    blocks
        .flat_map(ranges)
        .fold(0, |sum, range| sum.saturating_add(range.nr_pages))
}
