// SPDX-License-Identifier: GPL-2.0

//! The packed form of ranges: what is packed comes out again, in as little room as is promised.

use crate::packed::{pack, ranges, total, Block, BlockWriter, PfnRange, WORDS};
use proptest::prelude::*;

pub(crate) mod fuzz;

/// Anything that a block can hold.
fn any_range() -> impl Strategy<Value = PfnRange> {
    let first = prop_oneof![0..1u64 << 20, 0..1u64 << 52, Just((1 << 52) - 1)];
    let nr_pages = prop_oneof![
        3 => 1u64..20,
        3 => (0u32..64).prop_map(|order| 1 << order),
        2 => 0xf80u64..0x1080,
        2 => 1u64..1 << 20,
        1 => 1u64..=u64::MAX,
    ];
    (first, nr_pages).prop_map(|(first, nr_pages)| PfnRange { first, nr_pages })
}

/// The blocks of the page tables of this and that machine: 4K, 2M and 1G in pages of 4K and of 64K,
/// and what hash tables have.
fn common_size() -> impl Strategy<Value = PfnRange> {
    let nr_pages = prop::sample::select(vec![1u64, 512, 1 << 18, 32, 1 << 14, 256, 16, 4096]);
    (0..1u64 << 40, nr_pages).prop_map(|(first, nr_pages)| PfnRange { first, nr_pages })
}

/// Memory that holds what was there before.
fn blocks(nr: usize, garbage: u64) -> Vec<Block> {
    vec![[garbage; WORDS]; nr]
}

fn unpack(blocks: &[Block]) -> Vec<PfnRange> {
    blocks.iter().flat_map(ranges).collect()
}

/// Words that a range must have, told by its size alone: what is not a power of two is at the back
/// from some size on.
fn words(range: &PfnRange) -> usize {
    let common = range.nr_pages < 0xfc0 || range.nr_pages.is_power_of_two();
    // 2^63 pages have no order here, and no memory has them.
    1 + usize::from(!common || range.nr_pages == 1 << 63)
}

/// Packs a list into so many blocks, and reads it again.
fn comes_out(list: &[PfnRange], room: usize, garbage: u64) {
    let mut blocks = blocks(room, garbage);
    let (packed, used) = pack(list.iter().copied(), blocks.iter_mut());
    assert_eq!(unpack(&blocks[..used]), &list[..packed]);
    // It ends where the room does.
    assert!(packed == list.len() || used == room);
    // Each block but the last is as full as it can be.
    let mut left = &list[..packed];
    for block in &blocks[..used] {
        let (this, rest) = left.split_at(ranges(block).count());
        let full: usize = this.iter().map(words).sum();
        assert!(full <= WORDS);
        let next = rest.first().or(list.get(packed));
        assert!(next.is_none_or(|next| full + words(next) > WORDS));
        left = rest;
    }
    assert!(left.is_empty());
}

proptest! {
    #![proptest_config(crate::config(3_000))]

    #[test]
    fn what_is_packed_comes_out(
        list in prop::collection::vec(any_range(), 0..1500),
        room in 0usize..6,
        garbage: u64,
    ) {
        comes_out(&list, room, garbage);
    }

    #[test]
    fn the_total_is_that_of_the_ranges(
        list in prop::collection::vec(any_range(), 0..1200),
        garbage: u64,
    ) {
        let mut blocks = blocks(5, garbage);
        let (packed, used) = pack(list.iter().copied(), blocks.iter_mut());
        let sum: u128 = list[..packed].iter().map(|r| u128::from(r.nr_pages)).sum();
        prop_assert_eq!(u128::from(total(blocks[..used].iter())), sum.min(u128::from(u64::MAX)));
    }

    /// 512 ranges of the common sizes in a block of 4096 bytes.
    #[test]
    fn common_sizes_take_8_bytes(list in prop::collection::vec(common_size(), 512..=512)) {
        let mut block = [u64::MAX; WORDS];
        let mut writer = BlockWriter::new(&mut block);
        for range in &list {
            prop_assert!(writer.push(*range));
        }
        prop_assert!(!writer.push(list[0]));
        prop_assert_eq!(ranges(&block).collect::<Vec<_>>(), list);
    }

    /// Whatever is in a block, reading it ends, within the block.
    #[test]
    fn any_block_can_be_read(
        words in prop::collection::vec(prop_oneof![any::<u64>(), any::<u64>().prop_map(|w| w | 0xfff << 52)], WORDS),
    ) {
        let block: Block = words.try_into().expect("as many words");
        prop_assert!(ranges(&block).count() <= WORDS);
    }
}

/// A range that has its size at the back, in front of the last word: it needs the next block.
#[test]
fn a_word_may_be_left_over() {
    let odd = PfnRange {
        first: 7,
        nr_pages: 100_001,
    };
    let single = PfnRange {
        first: 9,
        nr_pages: 1,
    };
    let list: Vec<_> = std::iter::once(single)
        .chain(std::iter::repeat_n(odd, 256))
        .chain([single])
        .collect();
    let mut blocks = blocks(2, u64::MAX);
    let (packed, used) = pack(list.iter().copied(), blocks.iter_mut());
    assert_eq!((packed, used), (258, 2));
    assert_eq!(ranges(&blocks[0]).count(), 256);
    assert_eq!(unpack(&blocks), list);
}

#[test]
fn a_block_without_ranges() {
    let mut block = [u64::MAX; WORDS];
    BlockWriter::new(&mut block);
    assert_eq!(ranges(&block).count(), 0);
}

#[test]
fn what_cannot_be_is_not_packed() {
    for (first, nr_pages) in [(0, 0), (1 << 52, 1), (u64::MAX, 1)] {
        let mut blocks = blocks(2, 0);
        let no_range = PfnRange { first, nr_pages };
        assert_eq!(pack([no_range].into_iter(), blocks.iter_mut()), (0, 0));
    }
}
