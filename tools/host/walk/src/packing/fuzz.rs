// SPDX-License-Identifier: GPL-2.0

//! Lists of ranges and blocks of any words, from bytes: see [`crate::fuzz`].

use super::comes_out;
use crate::fuzz::Bytes;
use crate::packed::{ranges, total, Block, PfnRange, WORDS};

/// Packs a list, and reads a block that nobody has packed.
pub fn packed(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let room = bytes.below(4);
    let garbage = bytes.word();
    // A few ranges, again and again: a block takes hundreds.
    let times = 1 + bytes.below(200);
    let mut list = Vec::new();
    let mut block: Block = [garbage; WORDS];

    while !bytes.is_empty() && list.len() < 32 {
        let nr_pages = match bytes.below(4) {
            0 => 1 + u64::from(bytes.byte()),
            1 => 1 << bytes.below(64),
            2 => 0xf80 + u64::from(bytes.byte()),
            _ => bytes.word(),
        };
        let first = bytes.word() >> bytes.below(64).max(12);
        block[list.len() * 16] = first ^ nr_pages << 52;
        list.push(PfnRange { first, nr_pages });
    }
    assert!(ranges(&block).count() <= WORDS);
    total([&block].into_iter());

    list.retain(|range| range.nr_pages != 0);
    let list: Vec<_> = list
        .iter()
        .cycle()
        .take(list.len() * times)
        .copied()
        .collect();
    comes_out(&list, room, garbage);
}
