//! The bytes of a chunk, read as positions.

use crate::memory::varint;

/// Positions, each written as its distance from the one before, the first from 0.
pub(super) struct Deltas<'a> {
    bytes: &'a [u8],
    last: u64,
}

impl<'a> Deltas<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, last: 0 }
    }
}

impl Iterator for Deltas<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let (step, rest) = match self.bytes {
            // Most steps are that short.
            [one @ 0..=0x7f, rest @ ..] => (u64::from(*one), rest),
            [one, two @ 0..=0x7f, rest @ ..] => {
                (u64::from(*one & 0x7f) | u64::from(*two) << 7, rest)
            }
            bytes => {
                let mut rest = bytes.iter();
                (varint::take(|| rest.next().copied())?, rest.as_slice())
            }
        };
        self.bytes = rest;
        self.last = self.last.saturating_add(step);
        Some(self.last)
    }
}
