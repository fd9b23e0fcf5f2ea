//! Who decides what a crash keeps.

use crate::random::SeededRandom;

/// Picks among legal possibilities. They are ordered: the first loses what was not durable, the
/// last keeps the newest.
pub trait Choices {
    /// One of `options` possibilities (at least 2), counted from 0. Too large a number means the
    /// last.
    fn choose(&mut self, options: usize) -> usize;
}

/// Everything that was not durable is lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstChoices;

impl Choices for FirstChoices {
    fn choose(&mut self, _options: usize) -> usize {
        0
    }
}

/// Everything is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastChoices;

impl Choices for LastChoices {
    fn choose(&mut self, options: usize) -> usize {
        options.saturating_sub(1)
    }
}

/// The same choices for the same seed. The seed also says whether nearly all is lost, nearly all is
/// kept, or each possibility is equally likely: where there are many choices, equal chances alone
/// would never find the cases at the ends.
#[derive(Debug)]
pub struct SeededChoices {
    random: SeededRandom,
    leaning: Leaning,
}

#[derive(Clone, Copy, Debug)]
enum Leaning {
    None,
    First,
    Last,
}

impl SeededChoices {
    /// Of so many choices, about one goes against the leaning.
    const AGAINST: u64 = 12;

    /// Choices drawn with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        let leaning = match random.below(4) {
            0 => Leaning::First,
            1 => Leaning::Last,
            _ => Leaning::None,
        };
        Self { random, leaning }
    }
}

impl Choices for SeededChoices {
    fn choose(&mut self, options: usize) -> usize {
        let leans = self.random.below(Self::AGAINST) != 0;
        match self.leaning {
            Leaning::First if leans => 0,
            Leaning::Last if leans => options.saturating_sub(1),
            _ => usize::try_from(self.random.below(options as u64)).unwrap_or(0),
        }
    }
}

/// Every combination of choices once, or the first ones up to a bound.
///
/// ```
/// use annals_env::{AllChoices, Choices};
///
/// let mut all = AllChoices::new(100);
/// let mut seen = Vec::new();
/// while all.next_run() {
///     // What is asked later may depend on what was answered before.
///     let first = all.choose(2);
///     seen.push((first, if first == 0 { 0 } else { all.choose(3) }));
/// }
/// assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (1, 2)]);
/// assert!(all.is_complete());
/// ```
#[derive(Debug)]
pub struct AllChoices {
    /// What this run answers, and what was left to answer: the way to a leaf of the tree.
    way: Vec<Fork>,
    /// How many choices this run has made.
    made: usize,
    runs: u64,
    runs_max: u64,
    /// A run was begun and not yet left behind.
    running: bool,
    complete: bool,
}

#[derive(Clone, Copy, Debug)]
struct Fork {
    taken: usize,
    options: usize,
}

impl AllChoices {
    /// All combinations, or the first `runs_max`.
    #[must_use]
    pub const fn new(runs_max: u64) -> Self {
        Self { way: Vec::new(), made: 0, runs: 0, runs_max, running: false, complete: false }
    }

    /// Begins the next combination. False: all were seen, or the bound is reached;
    /// [`AllChoices::is_complete`] says which.
    pub fn next_run(&mut self) -> bool {
        if self.running {
            self.advance();
        }
        self.running = !self.complete && self.runs < self.runs_max;
        self.runs += u64::from(self.running);
        self.made = 0;
        self.running
    }

    /// Turns to the last fork that has a way left; without one, all were seen.
    fn advance(&mut self) {
        self.way.truncate(self.made);
        while let Some(fork) = self.way.last_mut() {
            if fork.taken + 1 < fork.options {
                fork.taken += 1;
                return;
            }
            self.way.pop();
        }
        self.complete = true;
    }

    /// How many runs were begun.
    #[must_use]
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// Whether all combinations were seen. Known when [`AllChoices::next_run`] has said false.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }
}

impl Choices for AllChoices {
    fn choose(&mut self, options: usize) -> usize {
        if self.made == self.way.len() {
            self.way.push(Fork { taken: 0, options });
        }
        let taken = self.way.get(self.made).map_or(0, |fork| fork.taken);
        self.made += 1;
        taken
    }
}

/// One of `options` by these choices, which are not asked where there is only one.
pub(super) fn pick<T>(choices: &mut dyn Choices, mut options: Vec<T>) -> Option<T> {
    let last = options.len().checked_sub(1)?;
    let index = if last == 0 { 0 } else { choices.choose(options.len()).min(last) };
    Some(options.swap_remove(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_choices_end_at_their_bound() {
        let mut all = AllChoices::new(3);
        while all.next_run() {
            all.choose(2);
            all.choose(2);
        }
        for _ in 0..3 {
            assert_eq!((all.runs(), all.is_complete()), (3, false));
            assert!(!all.next_run());
        }

        let mut all = AllChoices::new(4);
        while all.next_run() {
            all.choose(2);
            all.choose(2);
        }
        assert_eq!((all.runs(), all.is_complete()), (4, true));
        assert!(!all.next_run());
    }

    #[test]
    fn without_choices_there_is_one_run() {
        let mut all = AllChoices::new(10);
        assert!(all.next_run());
        assert!(!all.next_run());
        assert!(all.is_complete());
    }

    #[test]
    fn a_seed_gives_the_same_choices_and_seeds_lean_differently() {
        let run = |seed| -> Vec<usize> {
            let mut choices = SeededChoices::new(seed);
            (0..200).map(|_| choices.choose(3)).collect()
        };
        let mut firsts = Vec::new();
        for seed in 0..32 {
            assert_eq!(run(seed), run(seed));
            assert!(run(seed).iter().all(|choice| *choice < 3));
            firsts.push(run(seed).into_iter().filter(|choice| *choice == 0).count());
        }
        assert!(firsts.iter().any(|count| *count > 150));
        assert!(firsts.iter().any(|count| *count < 30));
        assert!(firsts.iter().any(|count| (40..100).contains(count)));
    }
}
