// SPDX-License-Identifier: GPL-2.0

//! Cases made of bytes, for a fuzzer that learns which bytes reach what.
//!
//! Each function takes any bytes: what they choose is the case, and zeroes follow their end. The
//! random tests choose from everything evenly; the fuzzer goes on from what has reached something
//! new. `tools/host/fuzz` calls these functions, and so does a test here, with the bytes that it
//! keeps.

pub use crate::moving::fuzz::{pages, ranges};
pub use crate::packing::fuzz::packed;
pub use crate::still::fuzz::entries;

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 4] = [
    ("entries", entries),
    ("packed", packed),
    ("pages", pages),
    ("ranges", ranges),
];

/// The bytes that are left.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    /// A number below `n`, which is not above 256.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    /// True as often as not.
    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    pub(crate) fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What the fuzzer has found once, and what leads it far, is right.
#[test]
fn what_was_kept() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in TARGETS {
        let text = std::fs::read_to_string(corpus.join(name).with_extension("txt"));
        let text = text.expect("each target has a corpus");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut tried = 0;
        for line in lines {
            // A failure is to say which one it was.
            eprintln!("{name}: {line}");
            let (_, bytes) = line.split_once(' ').expect("a name and bytes");
            target(&from_hex(bytes));
            tried += 1;
        }
        assert!(tried > 0, "the corpus of {name} is empty");
    }
}

#[cfg(test)]
fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    digits.map(|two| byte(two).expect("two digits")).collect()
}
