//! Many seeds, on several threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{Outcome, Settings, Tally, Violation, run};

/// Seeds to run, and how.
#[derive(Clone, Debug)]
pub struct Runs {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Threads.
    pub jobs: usize,
    /// How each is run.
    pub settings: Settings,
    /// Ends at so many violations.
    pub violations_max: usize,
    /// A fault that is planted in the engine.
    pub canary: Option<&'static str>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// What they tried.
    pub tally: Tally,
    /// The broken promises.
    pub violations: Vec<Violation>,
}

impl Runs {
    /// Runs them. `told` hears of each seed that is done.
    pub fn run(&self, told: &(dyn Fn(&Summary) + Sync)) -> Summary {
        let next = AtomicU64::new(self.seeds.start);
        let enough = AtomicBool::new(false);
        let summary = Mutex::new(Summary::default());
        let work = || {
            super::canaries::plant(self.canary);
            while !enough.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.seeds.end {
                    break;
                }
                let outcome = run(seed, &self.settings);
                let mut summary = summary.lock().expect("nobody panics here");
                summary.take(outcome);
                told(&summary);
                if summary.violations.len() >= self.violations_max {
                    enough.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            (0..self.jobs.max(1)).for_each(|_| _ = scope.spawn(work));
        });
        summary.into_inner().expect("nobody panics here")
    }
}

impl Summary {
    fn take(&mut self, outcome: Result<Outcome, Box<Violation>>) {
        self.seeds += 1;
        match outcome {
            Ok(outcome) => self.tally += outcome.tally,
            Err(violation) => self.violations.push(*violation),
        }
    }
}
