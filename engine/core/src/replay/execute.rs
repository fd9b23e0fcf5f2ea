//! Decisions: load, decide, append what was decided if nobody was faster, or decide again.

use annals_types::{Commit, ExpectedVersion, NewEvent, Position, Query, Read, Version};
use serde::Serialize;
use thiserror::Error;

use super::aggregate::{Aggregate, Loaded};
use super::aggregates::Aggregates;
use super::fold::Halt;
use super::payloads::TypedEvent;
use super::picture::picture;
use crate::error::{Error, ErrorKind, Result};
use crate::{EventReader, EventStore, Receipt};

/// Why a decision came to nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecuteError<E> {
    /// The decision was to do nothing, for this reason.
    #[error("refused: {0}")]
    Refused(E),
    /// Others were faster each time: try again later, or allow more
    /// [`attempts`](Aggregates::attempts).
    #[error("others were faster {attempts} times, the last time so: {last}")]
    Conflict {
        /// How often it was decided.
        attempts: u32,
        /// How the last append was refused.
        last: Error,
    },
    /// Loading or appending failed. Nothing was appended, unless the error is
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown).
    #[error(transparent)]
    Store(#[from] Error),
    /// What was decided **is** appended, and the state after it cannot be told: do not repeat it.
    #[error("the events up to position {} are appended, and not folded: {cause}", receipt.position)]
    Unfolded {
        /// What the append was given.
        receipt: Box<Receipt>,
        /// What failed.
        cause: Error,
    },
}

/// What came of a decision over a stream.
#[derive(Debug)]
#[non_exhaustive]
pub struct Executed<A> {
    /// The state, with what was decided.
    pub loaded: Loaded<A>,
    /// What the append was given; `None` where the decision was to append nothing.
    pub receipt: Option<Receipt>,
    /// How often it was decided.
    pub attempts: u32,
    /// The version that a snapshot was made of, where one was due. That it could not be written
    /// changes nothing of what was decided: the next time it is due again.
    pub snapshot: Option<Result<Version>>,
}

/// What came of a decision over a query.
#[derive(Debug)]
#[non_exhaustive]
pub struct Decided<A> {
    /// The state that it was decided on, of no stream; with the faults that were collected.
    pub loaded: Loaded<A>,
    /// The position up to which that knew everything.
    pub position: Position,
    /// What the append was given; `None` where the decision was to append nothing.
    pub receipt: Option<Receipt>,
    /// How often it was decided.
    pub attempts: u32,
}

/// Events to append to any streams, all or nothing.
#[derive(Clone, Debug)]
#[must_use]
pub struct Decision<E> {
    parts: Vec<(String, ExpectedVersion, Vec<TypedEvent<E>>)>,
}

impl<E> Decision<E> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Adds events of a stream, which must be as expected; without events, only expects it.
    pub fn append<N: Into<TypedEvent<E>>>(
        mut self,
        stream: impl Into<String>,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoIterator<Item = N>,
    ) -> Self {
        let events = events.into_iter().map(Into::into).collect();
        self.parts.push((stream.into(), expected.into(), events));
        self
    }
}

impl<E> Default for Decision<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A, R> Aggregates<A, R>
where
    A: Aggregate,
    A::Event: Serialize,
    R: EventStore,
{
    /// Loads the stream's state, decides on it, and appends what was decided if the stream is still
    /// at that version; else it decides again on what is new, up to the settled number of
    /// [`attempts`](Aggregates::attempts). An empty decision appends nothing. When it returns, the
    /// events have survived what the store's [`Durability`](crate::Durability) says. Makes a
    /// snapshot where one is due ([`Snapshots`](crate::Snapshots)).
    ///
    /// `decide` may run several times: it should do nothing but decide. Its events are those of the
    /// aggregate, or [`TypedEvent`]s with tags, ids or times.
    ///
    /// # Errors
    /// Each [`ExecuteError`] says whether something was appended.
    pub fn execute<N, E>(
        &self,
        stream: &str,
        mut decide: impl FnMut(&Loaded<A>) -> Result<Vec<N>, E>,
    ) -> Result<Executed<A>, ExecuteError<E>>
    where
        N: Into<TypedEvent<A::Event>>,
    {
        let mut loaded = self.load(stream)?;
        let mut attempts = 1;
        loop {
            let events = decide(&loaded).map_err(ExecuteError::Refused)?;
            if events.is_empty() {
                return Ok(Executed { loaded, receipt: None, attempts, snapshot: None });
            }
            let events = self.encode_all(events.into_iter().map(Into::into))?;
            let commit = Commit::new().append(stream, loaded.version, events);
            match self.reader.commit(&commit) {
                Ok(receipt) => return self.executed(loaded, receipt, attempts),
                Err(conflict) if conflict.conflict().is_some() => {
                    self.count(&mut attempts, conflict)?;
                    loaded = self.load_on(loaded, &*picture(&self.reader)?)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Folds all events that the query names into a state, decides on it, and appends what was
    /// decided if there is no other such event by then; else it decides again, as
    /// [`Aggregates::execute`] does. For rules that concern several streams, or tags: the events are
    /// those of any streams. Events whose type the aggregate does not know are treated as the
    /// [`unknown_types`](Aggregates::unknown_types) are.
    ///
    /// The events named are read each time, without snapshots: ask for few of them.
    ///
    /// # Errors
    /// As [`Aggregates::execute`]. An expectation of the decision's own that does not hold is a
    /// [`Store`](ExecuteError::Store) error, and not tried again.
    pub fn decide<E>(
        &self,
        query: impl Into<Query>,
        mut decide: impl FnMut(&Loaded<A>) -> Result<Decision<A::Event>, E>,
    ) -> Result<Decided<A>, ExecuteError<E>> {
        let query = query.into();
        let (mut loaded, mut position) = (Loaded::empty(""), Position::START);
        let mut attempts = 1;
        loop {
            (loaded, position) = self.fold_query(&query, loaded, position)?;
            let decision = decide(&loaded).map_err(ExecuteError::Refused)?;
            if decision.parts.iter().all(|(.., events)| events.is_empty()) {
                return Ok(Decided { loaded, position, receipt: None, attempts });
            }
            let mut commit = Commit::new().fail_if(query.clone(), position);
            for (stream, expected, events) in decision.parts {
                let events = self.encode_all(events.into_iter())?;
                commit = match events.is_empty() {
                    true => commit.expect(stream, expected),
                    false => commit.append(stream, expected, events),
                };
            }
            match self.reader.commit(&commit) {
                Ok(receipt) => {
                    return Ok(Decided { loaded, position, receipt: Some(receipt), attempts });
                }
                Err(error) if matches!(error.kind(), ErrorKind::ConditionFailed { .. }) => {
                    self.count(&mut attempts, error)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn count<E>(&self, attempts: &mut u32, last: Error) -> Result<(), ExecuteError<E>> {
        if *attempts >= self.settings.attempts.get() {
            return Err(ExecuteError::Conflict { attempts: *attempts, last });
        }
        *attempts += 1;
        Ok(())
    }

    fn encode_all(
        &self,
        events: impl Iterator<Item = TypedEvent<A::Event>>,
    ) -> Result<Vec<NewEvent>> {
        events.map(|event| self.payloads().encode_typed(event)).collect()
    }

    fn executed<E>(
        &self,
        loaded: Loaded<A>,
        receipt: Receipt,
        attempts: u32,
    ) -> Result<Executed<A>, ExecuteError<E>> {
        let folded = || {
            // Ids of the caller's can have found an older commit: its events are in the state.
            let then = self.reader.as_of(receipt.position.into())?;
            self.load_on(loaded, &*then)
        };
        match folded() {
            Ok(loaded) => {
                let snapshot = self.snapshot_if_due(&loaded);
                Ok(Executed { loaded, receipt: Some(receipt), attempts, snapshot })
            }
            Err(cause) => Err(ExecuteError::Unfolded { receipt: Box::new(receipt), cause }),
        }
    }
}

impl<A: Aggregate, R: EventReader> Aggregates<A, R> {
    /// What is loaded up to `position`, and the position up to which it then goes, with the events
    /// behind it that the query names.
    fn fold_query(
        &self,
        query: &Query,
        mut loaded: Loaded<A>,
        position: Position,
    ) -> Result<(Loaded<A>, Position)> {
        let picture = picture(&self.reader)?;
        let mut after = position;
        loop {
            let events = picture.read(Read::all().matching(query.clone()).after(after));
            match self.settings.folding.fold(&mut loaded, events) {
                Ok(()) => return Ok((loaded, picture.position())),
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Again) => {
                    after = Position::START;
                    loaded = Loaded { faults: loaded.faults, ..Loaded::empty("") };
                }
            }
        }
    }
}
