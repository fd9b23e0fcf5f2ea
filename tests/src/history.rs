//! Short fixed histories of a store, run until they end or a crash ends them.

use std::time::Duration;

use annals::{Commit, Durability, Error, ErrorKind, Position, Result, StateKey, Store};
use annals_env::FaultyFs;

use crate::check::{self, Check};
use crate::model::Model;
use crate::states::{self, Sure};
use crate::world::World;

/// One thing that is done to a store.
#[derive(Clone, Debug)]
pub enum Action {
    /// Opens it; what was open before is dropped.
    Open(Durability),
    /// Appends.
    Commit(Commit<'static>),
    /// Appends without waiting for it, nor ever asking what became of it.
    Submit(Commit<'static>),
    /// Keeps a state under the key.
    Keep(StateKey),
    /// Keeps a state in the place of all that are kept under the key.
    KeepInstead(StateKey),
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
    /// States that were kept.
    pub sure: Sure,
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
            Action::Commit(commit) => self.commit(commit),
            Action::Submit(commit) => self.submit(commit),
            Action::Keep(key) => self.keep(key, false),
            Action::KeepInstead(key) => self.keep(key, true),
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
        // Dropping a store ends what was submitted too.
        check::equal("the head after opening", self.trace.model.head(), store.position())?;
        self.trace.opened = true;
        self.acknowledged(store.position(), false);
        self.store = Some(store);
        Ok(Ok(()))
    }

    fn commit(&mut self, commit: &Commit<'static>) -> Check<Result<()>> {
        let store = self.store.as_ref().ok_or("the history appends to no store")?;
        let refusals = self.trace.model.refusals(commit, self.world.now());
        match store.commit(commit) {
            Ok(_) if !refusals.is_empty() => {
                Err(format!("a commit was taken in spite of {refusals:?}"))
            }
            Ok(receipt) => {
                let written = check::accepted(&mut self.trace.model, commit, &receipt)?;
                self.acknowledged(written.position, commit.is_durable());
                Ok(Ok(()))
            }
            Err(error) => self.failed(commit, &refusals, error),
        }
    }

    fn submit(&mut self, commit: &Commit<'static>) -> Check<Result<()>> {
        let store = self.store.as_ref().ok_or("the history appends to no store")?;
        let refusals = self.trace.model.refusals(commit, self.world.now());
        match store.submit(commit) {
            Ok(_) if !refusals.is_empty() => {
                Err(format!("a commit was taken in spite of {refusals:?}"))
            }
            Ok(submitted) => {
                check::accepted(&mut self.trace.model, commit, submitted.receipt())?;
                Ok(Ok(()))
            }
            Err(error) => self.failed(commit, &refusals, error),
        }
    }

    /// Everything up to there is in the store: commits become so in their order.
    fn acknowledged(&mut self, position: Position, durable: bool) {
        self.trace.acknowledged = self.trace.acknowledged.max(position);
        if self.durability == Durability::Sync || durable {
            self.trace.durable = self.trace.durable.max(position);
            // They lie before it in the log.
            self.trace.sure.sync();
        }
    }

    fn failed(
        &mut self,
        commit: &Commit<'static>,
        refusals: &[ErrorKind],
        error: Error,
    ) -> Check<Result<()>> {
        if refusals.is_empty() {
            if self.trace.model.repeated(commit).is_none() {
                self.trace.model.accept(commit, commit.wanted_stamp(), None);
            }
            return Ok(Err(error));
        }
        match check::refusal(refusals, &error) {
            Ok(()) => Ok(Ok(())),
            // A disk that is gone may show before the refusal does.
            Err(_) => Ok(Err(error)),
        }
    }

    fn keep(&mut self, key: &StateKey, instead: bool) -> Check<Result<()>> {
        let store = self.store.as_ref().ok_or("the history keeps a state in no store")?;
        let state = states::state(&self.trace.model, key.clone(), store.position());
        let state = state.ok_or("the history keeps a state of nothing")?;
        let places = if instead { states::places(store, key) } else { Ok(Vec::new()) };
        let superseded = match places {
            Ok(places) => places,
            Err(error) => return Ok(Err(error)),
        };
        self.trace.sure.tried(key);
        match store.keep_state(&state, &superseded) {
            Ok(place) => {
                self.trace.sure.kept(key, place, self.durability == Durability::Sync);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn sync(&mut self) -> Check<Result<()>> {
        let store = self.store.as_ref().ok_or("the history syncs no store")?;
        match store.sync() {
            Ok(position) => {
                check::equal("the synced position", self.trace.model.head(), position)?;
                self.acknowledged(position, true);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn close(&mut self) -> Check<Result<()>> {
        let store = self.store.take().ok_or("the history closes no store")?;
        let closed = store.close();
        if closed.is_ok() {
            self.acknowledged(self.trace.model.head(), true);
        }
        Ok(closed)
    }
}
