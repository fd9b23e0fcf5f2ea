//! The deterministic simulation: a whole store on a simulated disk, clock and scheduler, driven by
//! one seed.
//!
//! A seed is a life of at least [`OPERATIONS_MIN`] operations and [`CRASHES_MIN`] crashes. An
//! operation is drawn from a table, done to the store, and its answer compared with the reference
//! [`Model`]. A crash comes at any operation of the disk, in openings too, and is one of these:
//!
//! | crash | what is found after it |
//! | --- | --- |
//! | power cut | any disk that the lost, kept and torn sectors, lengths and names can make |
//! | kill | everything that was written; of the write under way a part |
//! | death of the process alone | everything that was written; readers beside live on |
//! | loss of the disk, now and then | a copy of all of it that was made before |
//!
//! The saved index may then be an earlier one, or none. The store is opened again and examined by all
//! oracles. Reads, writes and syncs fail now and then, and the disk is full for a while. Everything
//! runs on one thread and draws from the seed alone, so that a seed does the same each time.
//!
//! # What is known
//!
//! | of what | where |
//! | --- | --- |
//! | all that was attempted, in the order of the log | the model |
//! | how much of it must be there, and how much cannot be | `promised` |
//! | what the opened store has handed out: views, followers, projectors, receipts to come | `life` |
//! | readers beside the store, as other processes have them | `readers` |
//! | epochs and checkpoints that were given, images of the index that were saved | `kept` |
//! | states that were kept in the log: snapshots of aggregates, projections | `sure` |
//!
//! What an operation may answer other than the model says, `excuse` decides: only what a fault that
//! has struck explains.
//!
//! # To add an operation
//!
//! Write a function that takes the [`Simulation`], draws what it needs from `sim.dice`, does it, takes
//! it into the model, compares, and gives a line for the trace; put it into the table of `operations`
//! with its weight. What it acknowledges it tells `sim.acknowledged`; an error goes through
//! `sim.excuse`. A verb that writes needs its meaning in the [`Model`] first.
//!
//! # To add an oracle
//!
//! What must hold after each opening is a function in the table of `oracles`, from a [`Reopened`] to a
//! [`Check`]; what must hold after each operation goes into `Simulation::observe`. Then plant a fault
//! that the oracle is for: one line in the engine under `#[cfg(annals_canary)]` with a name from
//! [`canaries::CANARIES`].
//!
//! # Folds
//!
//! [`counter`](crate::counter) is the aggregate and [`seen`](crate::seen) the projection: each is folded by the engine
//! and by the model. Of the aggregates' streams some are written by commits like any other, so that
//! decisions meet conflicts, also with what is in flight. What is found under a key is compared
//! with the model's fold wherever it is found; after each opening, so is what is loaded from it.
//!
//! # To run it
//!
//! `cargo run --release -p annals-tests --no-default-features --bin simulate -- --count 10000`; a seed that fails is run again
//! with `--seed S --trace`, and kept in `tests/seeds/simulation.txt`.

pub mod canaries;
mod counting;
mod dice;
mod disks;
mod draws;
mod ending;
mod following;
mod keeping;
mod life;
mod operations;
mod oracles;
pub mod process;
mod projecting;
mod reading;
pub mod runs;
mod submitting;
mod tally;
mod trace;
mod writing;

use std::panic::{AssertUnwindSafe, catch_unwind};

use annals::{Durability, Error, ErrorKind, Position, Timestamp};
use annals_env::{Faults, FaultyFs};

use self::dice::Dice;
use self::life::{Kept, Life, Promised, Reader, Trouble};
use self::process::Process;
use self::trace::Trace;
use crate::check::Check;
use crate::model::Model;
use crate::states::Sure;
use crate::world::{BEGINNING, World, new_disk};

pub use self::oracles::Reopened;
pub use self::tally::Tally;

/// Least operations of a seed.
pub const OPERATIONS_MIN: u64 = 300;
/// Least crashes of a seed.
pub const CRASHES_MIN: u64 = 15;

/// How seeds are run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Each step is printed.
    pub print: bool,
    /// The digest takes in the whole disk after each step, not only at crashes.
    pub every_disk: bool,
    /// Canary: the disk lies about all syncs of one step in so many.
    pub lying_sync: Option<u64>,
}

/// What a seed that holds tells.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was tried.
    pub tally: Tally,
    /// A hash over every step, answer and disk.
    pub digest: u64,
}

/// A seed that shows a broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub message: String,
    /// The last steps before.
    pub steps: Vec<String>,
}

/// A run of one seed.
pub struct Simulation {
    settings: Settings,
    dice: Dice,
    disk: FaultyFs,
    /// Who writes.
    process: Process,
    world: World,
    /// Where others read.
    beside: World,
    /// The opened store and what it has handed out.
    life: Option<Life>,
    readers: Vec<Reader>,
    model: Model,
    promised: Promised,
    kept: Kept,
    sure: Sure,
    /// The latest moment that the clock has shown.
    latest: Timestamp,
    /// Failures of the disk that had been ordered and not come when the step began.
    due: usize,
    /// The disk has little room.
    full: bool,
    /// Seeds of events are used up to here.
    events: u64,
    trace: Trace,
    tally: Tally,
}

/// Runs a seed.
///
/// # Errors
/// The first broken promise.
pub fn run(seed: u64, settings: &Settings) -> Result<Outcome, Box<Violation>> {
    let mut simulation = Simulation::new(seed, settings);
    let run = catch_unwind(AssertUnwindSafe(|| simulation.run())).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", said.unwrap_or("without a word")))
    });
    match run {
        Ok(()) => Ok(Outcome { tally: simulation.tally, digest: simulation.trace.digest() }),
        Err(message) => {
            let steps = simulation.trace.last();
            Err(Box::new(Violation { seed, message, steps }))
        }
    }
}

impl Simulation {
    fn new(seed: u64, settings: &Settings) -> Self {
        let dice = Dice::new(seed);
        let faults = Faults { torn_sectors: dice.chance(70), ..Faults::default() };
        let disk = new_disk(faults);
        let process = Process::new(disk.clone());
        Self {
            settings: settings.clone(),
            world: World::new(process.clone(), dice.seed()),
            beside: World::new(disk.clone(), dice.seed()),
            process,
            dice,
            disk,
            life: None,
            readers: Vec::new(),
            model: Model::new(),
            promised: Promised::default(),
            kept: Kept::default(),
            sure: Sure::default(),
            latest: BEGINNING,
            due: 0,
            full: false,
            events: 0,
            trace: Trace::new(settings.print),
            tally: Tally::default(),
        }
    }

    fn run(&mut self) -> Check {
        self.open()?;
        while self.tally.operations < OPERATIONS_MIN || self.tally.crashes() < CRASHES_MIN {
            self.step()?;
            if self.has_ended() {
                self.crashed()?;
                self.open()?;
            }
        }
        self.finish()
    }

    /// Does one operation.
    fn step(&mut self) -> Check {
        self.tally.operations += 1;
        self.due = self.disk.failures_due();
        let (name, act) = self.draw_operation();
        let lying = self.settings.lying_sync.is_some_and(|one_in| self.dice.below(one_in) == 0);
        self.disk.lying_sync(lying);
        let told = act(self).map_err(|error| format!("{name}: {error}"))?;
        self.disk.lying_sync(false);
        if self.struck() {
            self.tally.faults += 1;
            if let Some(life) = &mut self.life {
                life.trouble = life.trouble.max(Trouble::Perhaps);
            }
        }
        self.note(format!("{name}: {told}"));
        self.observe()
    }

    /// What must hold after each operation.
    fn observe(&mut self) -> Check {
        let Some(life) = &self.life else { return Ok(()) };
        let (visible, before) = (life.store.position(), life.visible);
        let durable = life.durability == Durability::Sync;
        let sealed = life.store.counters().log.segments_sealed;
        if visible < before {
            return Err(format!("{visible} is visible, but {before} was before"));
        }
        if visible > self.model.head() || !self.model.is_between_commits(visible) {
            return Err(format!("{visible} is visible, inside a commit or behind all"));
        }
        if let Some(life) = &mut self.life {
            self.tally.sealed += sealed.saturating_sub(life.sealed);
            life.sealed = sealed;
            life.visible = visible;
        }
        self.tally.events_most = self.tally.events_most.max(visible.get());
        // What anybody can see has survived what the durability says.
        self.acknowledged(visible, durable)
    }

    /// Somebody was told that everything up to `position` is there.
    fn acknowledged(&mut self, position: Position, durable: bool) -> Check {
        self.promised.acknowledged = self.promised.acknowledged.max(position);
        if durable {
            self.promised.durable = self.promised.durable.max(position);
        }
        match self.promised.most {
            Some(most) if position > most => {
                Err(format!("{position} is acknowledged, but was not written behind {most}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the machine or the writing process is at its end.
    fn has_ended(&self) -> bool {
        self.disk.has_crashed() || self.process.is_dead()
    }

    /// Whether an ordered failure of the disk has struck in this step.
    fn struck(&self) -> bool {
        self.disk.failures_due() < self.due
    }

    /// Whether what the disk did explains the error.
    fn is_excused(&self, error: &Error) -> bool {
        let trouble = self.life.as_ref().map_or(Trouble::None, |life| life.trouble);
        self.has_ended()
            || match error.kind() {
                ErrorKind::Io => self.struck(),
                ErrorKind::DiskFull => self.full,
                ErrorKind::Failed | ErrorKind::OutcomeUnknown => {
                    self.struck() || trouble > Trouble::None
                }
                _ => false,
            }
    }

    /// Fine where what the disk did explains the error.
    fn excuse(&self, error: &Error) -> Check {
        if self.is_excused(error) {
            Ok(())
        } else {
            Err(format!("nothing explains {:?}: {error}", error.kind()))
        }
    }

    /// The same for what an oracle said of a reading: a failed read gives an error, never a wrong
    /// answer.
    fn excuse_reading(&self, checked: Check) -> Check<&'static str> {
        match checked {
            Ok(()) => Ok("as it should be"),
            Err(_) if self.has_ended() => Ok("crashed"),
            Err(error) if self.struck() && error.contains("injected") => Ok("a failed read"),
            Err(error) => Err(error),
        }
    }

    fn note(&mut self, line: String) {
        let disk = self.settings.every_disk.then(|| self.disk.fingerprint());
        self.trace.note(self.tally.operations, &line, (self.disk.operations(), disk));
    }
}
