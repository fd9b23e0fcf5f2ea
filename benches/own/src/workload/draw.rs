//! Drawing streams one by one, however many there are: four bytes a stream, and no table of weights.

use annals_env::{Random, SeededRandom};

/// Streams are taken in steps of this prime, so that those with much do not stand side by side.
const STEP: u64 = 7_368_787;

/// How the events are spread over the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Each stream is as likely as any other.
    Uniform,
    /// The n-th gets ln(1 + 1/n), which is about 1/n.
    Zipf,
}

/// Draws streams, and knows the version of each.
#[derive(Debug)]
pub struct Draw {
    random: SeededRandom,
    spread: Spread,
    versions: Vec<u32>,
}

impl Draw {
    /// From so many streams, fewer than the step.
    #[must_use]
    pub fn new(seed: u64, streams: u64, spread: Spread) -> Self {
        assert!(!streams.is_multiple_of(STEP), "each stream must be met");
        let mut versions = vec![0; streams as usize];
        // Its memory is there from the beginning.
        versions.iter_mut().for_each(|version| *std::hint::black_box(version) = 0);
        Self { random: SeededRandom::new(seed), spread, versions }
    }

    /// The next append: its stream, and the version that this is at.
    pub fn append(&mut self) -> (u64, u64) {
        let stream = self.stream();
        let version = &mut self.versions[stream as usize];
        *version += 1;
        (stream, u64::from(*version) - 1)
    }

    /// A stream, each as likely as any other.
    #[must_use]
    pub fn any(&self) -> u64 {
        self.random.below(self.versions.len() as u64)
    }

    fn stream(&self) -> u64 {
        let streams = self.versions.len() as u64;
        match self.spread {
            Spread::Uniform => self.any(),
            Spread::Zipf => {
                // The integral of 1/x turned around.
                let even = (self.random.u64() >> 11) as f64 / (1_u64 << 53) as f64;
                let rank = ((streams + 1) as f64).powf(even) as u64 - 1;
                rank.min(streams - 1) * STEP % streams
            }
        }
    }
}

/// The name of a stream.
#[must_use]
pub fn name(stream: u64) -> String {
    format!("account-{stream:08}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gets_what_its_rank_says() {
        let draws = 200_000;
        let mut draw = Draw::new(1, 1_000, Spread::Zipf);
        for _ in 0..draws {
            draw.append();
        }
        for rank in [1, 2, 10, 100] {
            let share = (1.0 + 1.0 / rank as f64).ln() / 1_001_f64.ln();
            let got = f64::from(draw.versions[((rank - 1) * STEP % 1_000) as usize]);
            let ratio = got / (share * f64::from(draws));
            assert!((0.8..1.2).contains(&ratio), "{rank}: {ratio}");
        }
        assert!(draw.versions.iter().all(|&version| version > 0));
    }

    #[test]
    fn versions_count_up() {
        let mut draw = Draw::new(1, 7, Spread::Uniform);
        let mut versions = [0; 7];
        for _ in 0..1_000 {
            let (stream, version) = draw.append();
            assert_eq!(version, versions[stream as usize]);
            versions[stream as usize] += 1;
        }
    }
}
