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

/// The same positions from the last to the first, so that whoever wants the newest few reads only
/// those.
pub(super) struct DeltasBack<'a> {
    bytes: &'a [u8],
    /// The next to give, and how many are left with it.
    next: u64,
    left: usize,
}

impl<'a> DeltasBack<'a> {
    /// `count` positions, the last of which is `last`.
    pub(super) const fn new(bytes: &'a [u8], last: u64, count: usize) -> Self {
        Self { bytes, next: last, left: count }
    }

    /// Takes the last number. Only the last byte of a number has no top bit.
    fn step(&mut self) -> Option<u64> {
        let (last, mut rest) = self.bytes.split_last()?;
        let mut step = u64::from(*last);
        while let Some((byte @ 0x80.., before)) = rest.split_last() {
            step = step << 7 | u64::from(byte & 0x7f);
            rest = before;
        }
        self.bytes = rest;
        Some(step)
    }
}

impl Iterator for DeltasBack<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let position = self.next;
        if self.left > 0 {
            self.next = position.saturating_sub(self.step()?);
        }
        Some(position)
    }
}
