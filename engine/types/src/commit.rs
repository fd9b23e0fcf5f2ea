//! What one append is asked to do.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::limits::{self, Invalid};
use crate::{EventId, ExpectedVersion, NewEvent, Position, Query, Timestamp};

/// The events that one append writes, all or nothing, and what must hold for it.
///
/// Events get their positions in the order in which they were added. Every expectation and
/// condition is about the store before the commit.
///
/// ```
/// use annals_types::{Commit, ExpectedVersion, NewEvent};
///
/// let commit = Commit::new()
///     .append("account-1", ExpectedVersion::at(3), vec![NewEvent::json("Sent", "{}")])
///     .append("account-2", ExpectedVersion::Any, vec![NewEvent::json("Received", "{}")])
///     .expect("customer-7", ExpectedVersion::Exists);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit<'a> {
    // Nearly always one of each.
    parts: SmallVec<[CommitPart<'a>; 1]>,
    expectations: SmallVec<[(Cow<'a, str>, ExpectedVersion); 1]>,
    conditions: Vec<AppendCondition>,
    recorded_at: Option<Timestamp>,
    durable: bool,
}

/// The events of a [`Commit`] that were added together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPart<'a> {
    /// Their stream.
    pub stream: Cow<'a, str>,
    /// The events.
    pub events: Cow<'a, [NewEvent]>,
}

/// Refuses an append where an event that the query names lies behind a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendCondition {
    /// Names the events.
    pub query: Query,
    /// Those at this position and before it are known to the caller.
    pub after: Position,
}

impl<'a> Commit<'a> {
    /// A commit with nothing in it yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds events of a stream, which must be as expected.
    #[must_use]
    pub fn append(
        mut self,
        stream: impl Into<Cow<'a, str>>,
        expected: impl Into<ExpectedVersion>,
        events: impl Into<Cow<'a, [NewEvent]>>,
    ) -> Self {
        let stream = stream.into();
        self.expectations.push((stream.clone(), expected.into()));
        self.parts.push(CommitPart { stream, events: events.into() });
        self
    }

    /// Also expects this of a stream, whether or not the commit writes it.
    #[must_use]
    pub fn expect(
        mut self,
        stream: impl Into<Cow<'a, str>>,
        expected: impl Into<ExpectedVersion>,
    ) -> Self {
        self.expectations.push((stream.into(), expected.into()));
        self
    }

    /// Refuses the commit where an event that the query names lies behind `after`: the last
    /// position that the decision to append is based on, or [`Position::START`] where there must be
    /// no such event at all.
    #[must_use]
    pub fn fail_if(mut self, query: impl Into<Query>, after: Position) -> Self {
        self.conditions.push(AppendCondition { query: query.into(), after });
        self
    }

    /// Stamps the events with this moment instead of the store's clock: for history that is moved
    /// here from elsewhere. It must not lie before the newest event's stamp, nor before a moment as
    /// of which the opened store was looked at, nor in the future.
    #[must_use]
    pub fn recorded_at(mut self, moment: Timestamp) -> Self {
        self.recorded_at = Some(moment);
        self
    }

    /// Acknowledged only once it has survived power loss, in a buffered store too.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// The events, as they were added.
    #[must_use]
    pub fn parts(&self) -> &[CommitPart<'a>] {
        &self.parts
    }

    /// What is expected of which streams.
    #[must_use]
    pub fn expectations(&self) -> &[(Cow<'a, str>, ExpectedVersion)] {
        &self.expectations
    }

    /// What must not have happened.
    #[must_use]
    pub fn conditions(&self) -> &[AppendCondition] {
        &self.conditions
    }

    /// The stamp that the caller wants.
    #[must_use]
    pub fn wanted_stamp(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    /// Whether it must survive power loss before it is acknowledged.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// Its events with their streams, in order.
    pub fn events(&self) -> impl Iterator<Item = (&str, &NewEvent)> {
        self.parts.iter().flat_map(|part| part.events.iter().map(|event| (&*part.stream, event)))
    }

    /// The ids that the caller set, in order.
    pub fn ids(&self) -> impl Iterator<Item = EventId> {
        self.events().filter_map(|(_, event)| event.id)
    }

    /// The streams that it writes, in the order in which they were first named, and how many
    /// events each gets.
    #[must_use]
    pub fn streams(&self) -> SmallVec<[(&str, u64); 1]> {
        if let [only] = self.parts() {
            return SmallVec::from_buf([(&*only.stream, only.events.len() as u64)]);
        }
        let mut streams = SmallVec::<[(&str, u64); 1]>::new();
        for part in &self.parts {
            let events = part.events.len() as u64;
            match streams.iter_mut().find(|(stream, _)| *stream == part.stream) {
                Some((_, count)) => *count += events,
                None => streams.push((&part.stream, events)),
            }
        }
        streams
    }

    /// Checks everything that does not depend on the store.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), Invalid> {
        limits::check_commit(self)
    }
}
