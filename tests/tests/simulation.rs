//! The simulation: the kept seeds, some new ones, the same ones twice, and a disk that lies.
//!
//! `ANNALS_SIMULATION_SEEDS` sets the number of new seeds (default: see [`SEEDS`]). Many more are run
//! by the program `simulate`.

use std::thread;

use annals_tests::budget;
use annals_tests::simulation::runs::{Runs, Summary};
use annals_tests::simulation::{self, CRASHES_MIN, OPERATIONS_MIN, Settings, Violation};

/// New seeds unless the environment says otherwise.
const SEEDS: u64 = 150;

fn told(violation: &Violation) -> String {
    let Violation { seed, message, steps } = violation;
    format!("{}\nseed {seed}: {message}\nagain: simulate --seed {seed} --trace", steps.join("\n"))
}

/// Seeds that once showed a fault, one a line; what stands behind `#` says which.
#[test]
fn kept_seeds() {
    let kept = include_str!("../seeds/simulation.txt");
    let lines = kept.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    for seed in lines.filter(|line| !line.is_empty()) {
        let seed = seed.parse().expect("a seed is a number");
        if let Err(violation) = simulation::run(seed, &Settings::default()) {
            panic!("{}", told(&violation));
        }
    }
}

fn runs(seeds: u64, settings: Settings) -> Summary {
    let runs = Runs { seeds: 1..seeds + 1, jobs: 1, settings, violations_max: 1, canary: None };
    runs.run(&|_| {})
}

#[test]
fn seeds_hold() {
    let seeds = budget::from_env("ANNALS_SIMULATION_SEEDS", SEEDS);
    let summary = runs(seeds, Settings::default());
    if let Some(violation) = summary.violations.first() {
        panic!("{}", told(violation));
    }
    let tally = &summary.tally;
    println!("{seeds} seeds: {tally}");
    assert_eq!(summary.seeds, seeds);
    assert!(tally.operations >= seeds * OPERATIONS_MIN);
    assert!(tally.crashes() >= seeds * CRASHES_MIN);
    // Each kind of thing happens.
    let pairs = tally.pairs.len() as u64;
    assert!(pairs * 100 >= tally.crashes() * 95, "crashes are much alike: {tally}");
    for count in [tally.power_cuts, tally.kills, tally.in_openings, tally.faults, tally.full] {
        assert!(count * 5 >= seeds, "something hardly happens: {tally}");
    }
}

/// Nothing but the seed decides: not the thread, nor what ran before.
#[test]
fn a_seed_does_the_same_each_time() {
    const TWICE: u64 = 12;
    let settings = Settings { every_disk: true, ..Settings::default() };
    let digests = |seeds: &[u64]| -> Vec<u64> {
        let run = |seed| simulation::run(seed, &settings).map(|outcome| outcome.digest);
        seeds.iter().map(|seed| run(*seed).unwrap_or_else(|it| panic!("{}", told(&it)))).collect()
    };
    let seeds: Vec<u64> = (1..=TWICE).collect();
    let backward: Vec<u64> = seeds.iter().rev().copied().collect();
    let first = digests(&seeds);
    let mut second = thread::scope(|scope| {
        let other = scope.spawn(|| digests(&backward));
        other.join().expect("it panics only where a seed fails")
    });
    second.reverse();
    assert_eq!(first, second);
    let mut distinct = first.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), first.len(), "different seeds do different things");
}

/// The canary of every build: a disk that now and then only says that it syncs is found out.
#[test]
fn a_disk_that_lies_now_and_then_is_found_out() {
    let summary = runs(30, Settings { lying_sync: Some(10), ..Settings::default() });
    let violation = summary.violations.first().expect("it is found out");
    println!("after {} seeds: {}", summary.seeds, violation.message);
}
