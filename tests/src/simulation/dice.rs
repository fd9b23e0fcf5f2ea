//! The one source of chance of a simulation: everything that is drawn comes from its seed.

use annals_env::{Random, SeededRandom};

/// Draws from a seed.
#[derive(Debug)]
pub(super) struct Dice(SeededRandom);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed ^ 0x73_696d_756c_6174))
    }

    /// Any number: a seed for something else.
    pub(super) fn seed(&self) -> u64 {
        self.0.u64()
    }

    /// Below `bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// Between both, themselves included.
    pub(super) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// So often in a hundred.
    pub(super) fn chance(&self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// An index into something of this length.
    pub(super) fn index(&self, length: usize) -> usize {
        usize::try_from(self.0.below(length as u64)).unwrap_or(0)
    }

    /// One of them; there is at least one.
    pub(super) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// One of them by its weight.
    pub(super) fn weighted<'a, T>(&self, from: &'a [T], weight: impl Fn(&T) -> u64) -> &'a T {
        let mut left = self.0.below(from.iter().map(&weight).sum());
        for one in from {
            match left.checked_sub(weight(one)) {
                Some(rest) => left = rest,
                None => return one,
            }
        }
        self.pick(from)
    }
}
