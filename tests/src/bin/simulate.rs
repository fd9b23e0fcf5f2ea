//! Runs seeds of the simulation.
//!
//! ```text
//! simulate [--seed S] [--seeds A..B] [--count N] [--jobs J] [--trace] [--canaries]
//! ```
//!
//! - `--seed S`: one seed; with `--trace` each of its steps is printed.
//! - `--seeds A..B`: these; `--count N`: so many from 1 on. Default: 1,000.
//! - `--jobs J`: threads. Default: 1.
//! - `--canaries`: runs each fault that is planted in the engine until a seed finds it, at most for
//!   `--count` seeds (default: 1,000). Needs a build of its own:
//!   `RUSTFLAGS="--cfg annals_canary" CARGO_TARGET_DIR=target/canary cargo run --release -p annals-tests --no-default-features --bin simulate -- --canaries`
//!
//! It ends with 1 where a promise is broken, or a planted fault is not found.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use annals_tests::simulation::canaries::{self, CANARIES};
use annals_tests::simulation::runs::{Runs, Summary};
use annals_tests::simulation::{Settings, Violation};

struct Arguments {
    seeds: Option<Range<u64>>,
    jobs: usize,
    trace: bool,
    canaries: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // What a seed panics with is told with its steps.
    std::panic::set_hook(Box::new(|_| {}));
    let fine = if arguments.canaries { run_canaries(&arguments) } else { run_seeds(&arguments) };
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments { seeds: None, jobs: 1, trace: false, canaries: false };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
        match argument.as_str() {
            "--seed" => {
                let seed = number(&value()?)?;
                parsed.seeds = Some(seed..seed + 1);
            }
            "--seeds" => {
                let text = value()?;
                let (from, to) = text.split_once("..").ok_or("--seeds needs A..B")?;
                parsed.seeds = Some(number(from)?..number(to)?);
            }
            "--count" => parsed.seeds = Some(1..number(&value()?)? + 1),
            "--jobs" => parsed.jobs = usize::try_from(number(&value()?)?).unwrap_or(1),
            "--trace" => parsed.trace = true,
            "--canaries" => parsed.canaries = true,
            other => return Err(format!("{other:?} is not known")),
        }
    }
    Ok(parsed)
}

fn run_seeds(arguments: &Arguments) -> bool {
    let seeds = arguments.seeds.clone().unwrap_or(1..1_001);
    let runs = Runs {
        seeds: seeds.clone(),
        jobs: arguments.jobs,
        settings: Settings { print: arguments.trace, ..Settings::default() },
        violations_max: 10,
        canary: None,
    };
    let begin = Instant::now();
    let total = seeds.end.saturating_sub(seeds.start);
    let told = AtomicUsize::new(0);
    let summary = runs.run(&|summary: &Summary| {
        let known = told.swap(summary.violations.len(), Ordering::Relaxed);
        summary.violations.iter().skip(known).for_each(tell);
        if summary.seeds.is_multiple_of(total.div_ceil(20).max(100)) {
            let seconds = begin.elapsed().as_secs();
            println!("{} of {total} seeds in {seconds} s: {}", summary.seeds, summary.tally);
        }
    });
    println!("{} seeds, {:.1?}: {}", summary.seeds, begin.elapsed(), summary.tally);
    println!("violations: {}", summary.violations.len());
    summary.violations.is_empty()
}

fn tell(violation: &Violation) {
    println!("seed {}: the last steps:", violation.seed);
    violation.steps.iter().for_each(|step| println!("  {step}"));
    println!("seed {} BREAKS A PROMISE: {}", violation.seed, violation.message);
    println!("again: simulate --seed {} --trace", violation.seed);
}

fn run_canaries(arguments: &Arguments) -> bool {
    if !canaries::are_here() {
        eprintln!("this build has no planted faults: see the head of simulate.rs");
        return false;
    }
    let seeds = arguments.seeds.clone().unwrap_or(1..1_001);
    let mut missed = 0;
    for name in CANARIES {
        let runs = Runs {
            seeds: seeds.clone(),
            jobs: arguments.jobs,
            settings: Settings { print: arguments.trace, ..Settings::default() },
            violations_max: 1,
            canary: Some(name),
        };
        let summary = runs.run(&|_| {});
        match summary.violations.first() {
            Some(violation) => {
                let Violation { seed, message, .. } = violation;
                println!("{name}: found after {} seeds, by seed {seed}: {message}", summary.seeds);
            }
            None => {
                missed += 1;
                println!("{name}: NOT FOUND in {} seeds", summary.seeds);
            }
        }
    }
    println!("{} planted faults, {missed} not found", CANARIES.len());
    missed == 0
}
