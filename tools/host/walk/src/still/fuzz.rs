// SPDX-License-Identifier: GPL-2.0

//! Entries of any bits, from bytes: see [`crate::fuzz`].

use super::compare;
use crate::flags::Flags;
use crate::folios::Kind;
use crate::format::Level;
use crate::fuzz::Bytes;
use crate::shape::Shape;
use crate::world::{Request, World};

/// Some entries in a row, of which bits are turned around, against the naive walker and the C that
/// it asks.
pub fn entries(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let shape = bytes.one_of(&Shape::ALL);
    let level = [Level::PTE, Level::PMD, Level::PUD][bytes.below(3).min(shape.root().index() - 1)];
    let size = 1usize << shape.shift(level);
    let order = shape.order(level);
    let nr = 1 + bytes.below(6);
    let world = World::new(shape);
    let base = shape.border();
    let mut pfn = shape.memory(order);

    for i in 0..nr {
        let key = Flags::key(u32::from(bytes.byte()) & 31);
        let flags = [Flags::GOOD, Flags::READ_ONLY, Flags::GOOD | key];
        let good = shape.leaf(level, pfn, bytes.one_of(&flags));
        let changed = match bytes.below(4) {
            0 => good,
            1 => good ^ 1 << bytes.below(64),
            2 => good ^ 1 << bytes.below(64) ^ 1 << bytes.below(64),
            _ => bytes.word(),
        };
        // Where it pointed to a table there would be none.
        let raw = if level != Level::PTE && shape.points_to(changed).is_some() {
            good
        } else {
            changed
        };
        let mut memory = world.memory.borrow_mut();
        let (at, index) = memory.place(base + i * size, level, 0);
        memory.write(at, index, raw);
        world.folios.borrow_mut().add(pfn, order, Kind::Anon);
        pfn += 1 << order;
    }

    let pages = size / shape.page_size();
    let skip = (nr - 1).min(bytes.below(6)) * pages;
    let request = Request {
        shape,
        physical_mask: (1 << 52) - 1,
        keys: if shape.has_keys() { bytes.word() } else { 0 },
        start: base + skip * shape.page_size(),
        end: base + (skip + 1 + bytes.below(255)).min(nr * pages) * shape.page_size(),
        write: bytes.coin(),
        pin: bytes.coin(),
        max_section: 1 + bytes.below(8),
        room: isize::MAX,
        as_many: bytes.coin(),
    };
    compare(&world, &request);
}
