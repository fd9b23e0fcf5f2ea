//! Measuring in turns, so that what else the machine does falls on all sides.

use std::fmt;

/// Rounds that count.
pub const ROUNDS: usize = 7;

/// What the sides of a row came to, round by round.
#[derive(Debug)]
pub struct Turns(Vec<Vec<f64>>);

/// The middle of the figures, and how far they spread.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The one in the middle.
    pub median: f64,
    /// The greatest.
    pub most: f64,
}

/// One side of a row: given the number of the round, its figure.
pub type Side<'a> = &'a dyn Fn(usize) -> f64;

impl Turns {
    /// Lets each side run in each of [`ROUNDS`] rounds, behind one with the number 0 that does not
    /// count.
    #[must_use]
    pub fn take(sides: &[Side<'_>]) -> Self {
        for side in sides {
            side(0);
        }
        Self::cold(ROUNDS, sides)
    }

    /// Lets each side run in each of so many rounds, from the number 1 on. Another one begins each
    /// round, so that nobody always runs behind the same neighbour.
    #[must_use]
    pub fn cold(rounds: usize, sides: &[Side<'_>]) -> Self {
        let round = |round: usize| {
            let mut figures = vec![0.0; sides.len()];
            for turn in 0..sides.len() {
                let side = (round - 1 + turn) % sides.len();
                figures[side] = sides[side](round);
            }
            figures
        };
        Self((1..=rounds).map(round).collect())
    }

    /// The figures of a side.
    #[must_use]
    pub fn of(&self, side: usize) -> Spread {
        Spread::of(self.0.iter().map(|round| round[side]))
    }

    /// The figures of a side in parts of another's of the same round.
    #[must_use]
    pub fn ratio(&self, side: usize, to: usize) -> Spread {
        Spread::of(self.0.iter().map(|round| round[side] / round[to]))
    }
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let last = figures.len() - 1;
        Self { least: figures[0], median: figures[last / 2], most: figures[last] }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} – {:.2})", self.median, self.least, self.most)
    }
}
