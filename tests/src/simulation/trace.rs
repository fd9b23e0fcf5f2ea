//! What a simulation did, to be told and to be compared.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Steps that are kept.
const STEPS: usize = 40;

/// The last steps, and a hash of all.
pub(super) struct Trace {
    print: bool,
    steps: VecDeque<String>,
    // Its keys are fixed: the same steps give the same hash in every run.
    hasher: DefaultHasher,
}

impl Trace {
    pub(super) fn new(print: bool) -> Self {
        Self { print, steps: VecDeque::new(), hasher: DefaultHasher::new() }
    }

    /// Takes in a step, and what the disk was behind it.
    pub(super) fn note(&mut self, number: u64, line: &str, disk: (u64, Option<u64>)) {
        let step = format!("{number:4} ({}) {line}", disk.0);
        if self.print {
            println!("{step}");
        }
        step.hash(&mut self.hasher);
        disk.hash(&mut self.hasher);
        if self.steps.len() == STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
    }

    pub(super) fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    pub(super) fn last(&self) -> Vec<String> {
        self.steps.iter().cloned().collect()
    }
}
