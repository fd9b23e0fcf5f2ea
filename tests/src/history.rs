//! Short fixed histories of a store, run until they end or a crash ends them.

use std::time::Duration;

use annals::{AppendOptions, Durability, Error, Position, Receipt, Result, Store};
use annals_env::FaultyFs;

use crate::check::{self, Check};
use crate::model::{Append, Model};
use crate::world::World;

/// One thing that is done to a store.
#[derive(Clone, Debug)]
pub enum Action {
    /// Opens it; what was open before is dropped.
    Open(Durability),
    /// Appends.
    Append(Append),
    /// Makes all durable.
    Sync,
    /// Runs all due background steps.
    Steps,
    /// The clocks move on.
    Advance(Duration),
    /// Closes the store.
    Close,
    /// Drops the store.
    Drop,
}

/// What is known once a history has ended.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// All that was attempted, in order; the last commit may have been in flight.
    pub model: Model,
    /// Acknowledged up to here: survives the death of the process.
    pub acknowledged: Position,
    /// Acknowledged as durable up to here: survives a power cut.
    pub durable: Position,
    /// Whether an opening was acknowledged.
    pub opened: bool,
    /// The failure that ended it early.
    pub failure: Option<Error>,
}

/// Runs a history on `disk` with segments of this size, until its end or the first failure.
///
/// # Errors
/// An answer that is wrong, whatever the disk does.
pub fn run(disk: &FaultyFs, segment_bytes: u64, actions: &[Action]) -> Check<Trace> {
    let mut run = Run {
        world: World::new(disk.clone(), 1).with_segments(segment_bytes),
        store: None,
        durability: Durability::Sync,
        trace: Trace::default(),
    };
    for (number, action) in actions.iter().enumerate() {
        let done = run.act(action).map_err(|error| format!("action {number}: {error}"))?;
        if let Err(error) = done {
            run.trace.failure = Some(error);
            break;
        }
    }
    // Dropped before the disk is looked at, as the end of a process would: it must do no harm.
    drop(run.store);
    Ok(run.trace)
}

struct Run {
    world: World,
    store: Option<Store>,
    durability: Durability,
    trace: Trace,
}

impl Run {
    fn act(&mut self, action: &Action) -> Check<Result<()>> {
        match action {
            Action::Open(durability) => self.open(*durability),
            Action::Append(append) => self.append(append),
            Action::Sync => self.sync(),
            Action::Steps => {
                self.world.scheduler.run_until_idle();
                Ok(Ok(()))
            }
            Action::Advance(by) => {
                self.world.clock.advance(*by);
                Ok(Ok(()))
            }
            Action::Close => self.close(),
            Action::Drop => {
                self.store = None;
                Ok(Ok(()))
            }
        }
    }

    fn open(&mut self, durability: Durability) -> Check<Result<()>> {
        self.store = None;
        self.durability = durability;
        let store = match self.world.open(durability) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        check::equal("the head after opening", self.trace.acknowledged, store.position())?;
        self.trace.opened = true;
        if durability == Durability::Sync {
            self.trace.durable = self.trace.acknowledged;
        }
        self.store = Some(store);
        Ok(Ok(()))
    }

    fn append(&mut self, append: &Append) -> Check<Result<()>> {
        let store = self.store.as_ref().ok_or("the history appends to no store")?;
        let refusals = self.trace.model.refusals(append, self.world.now());
        let answer = append_to(store, append);
        match answer {
            Ok(_) if !refusals.is_empty() => {
                Err(format!("an append was taken in spite of {refusals:?}"))
            }
            Ok(receipt) => {
                let stamp = Some(receipt.recorded_at);
                let epoch = Some(receipt.epoch.number);
                let written = self.trace.model.accept(append, stamp, epoch);
                check::receipt(&written, &receipt)?;
                self.trace.acknowledged = receipt.position;
                if self.durability == Durability::Sync || append.durable {
                    self.trace.durable = receipt.position;
                }
                Ok(Ok(()))
            }
            Err(error) if refusals.is_empty() => {
                self.trace.model.accept(append, append.recorded_at, None);
                Ok(Err(error))
            }
            Err(error) => match check::refusal(&refusals, &error) {
                Ok(()) => Ok(Ok(())),
                // A disk that is gone may show before the refusal does.
                Err(_) => Ok(Err(error)),
            },
        }
    }

    fn sync(&mut self) -> Check<Result<()>> {
        let store = self.store.as_ref().ok_or("the history syncs no store")?;
        match store.sync() {
            Ok(position) => {
                check::equal("the synced position", self.trace.acknowledged, position)?;
                self.trace.durable = position;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn close(&mut self) -> Check<Result<()>> {
        let store = self.store.take().ok_or("the history closes no store")?;
        let closed = store.close();
        if closed.is_ok() {
            self.trace.durable = self.trace.acknowledged;
        }
        Ok(closed)
    }
}

/// Appends as asked for.
///
/// # Errors
/// Those of the store.
pub fn append_to(store: &Store, append: &Append) -> Result<Receipt> {
    let mut options = AppendOptions::new();
    if let Some(moment) = append.recorded_at {
        options = options.recorded_at(moment);
    }
    if append.durable {
        options = options.durable();
    }
    if options == AppendOptions::new() {
        store.append(&append.stream, append.expected, &append.events)
    } else {
        store.append_with(&append.stream, append.expected, &append.events, options)
    }
}
