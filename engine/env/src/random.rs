//! Random bytes.

use std::fmt::Debug;

use crate::sync::Mutex;

/// A source of random numbers for identities; not for secrets that outlive the process.
pub trait Random: Debug + Send + Sync {
    /// Any number, each equally likely.
    fn u64(&self) -> u64;
}

/// The operating system's source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn u64(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|_| {
            // Without the system's source an id must still differ from run to run.
            use std::hash::{BuildHasher, RandomState};
            RandomState::new().hash_one(std::time::Instant::now())
        })
    }
}

/// A source that gives the same numbers for the same seed (`SplitMix64`, Steele et al. 2014).
#[derive(Debug)]
pub struct SeededRandom {
    state: Mutex<u64>,
}

impl SeededRandom {
    /// A source with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }

    /// A number below `bound`, each about equally likely; 0 where `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.u64() % bound.max(1)
    }
}

impl Random for SeededRandom {
    fn u64(&self) -> u64 {
        let mut state = self.state.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_numbers() {
        let random = SeededRandom::new(1_234_567);
        for expected in [6_457_827_717_110_365_317, 3_203_168_211_198_807_973] {
            assert_eq!(random.u64(), expected);
        }
        assert_eq!(random.below(1), 0);
        assert_eq!(random.below(0), 0);
        assert!((0..1_000).all(|_| random.below(7) < 7));
    }

    #[test]
    fn the_system_gives_different_numbers() {
        assert_ne!(SystemRandom.u64(), SystemRandom.u64());
    }
}
