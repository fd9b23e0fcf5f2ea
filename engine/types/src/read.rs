//! Which events to read.

use crate::{Checkpoint, Position, Query, Timestamp, Version};

/// Which events to read, and in which order. All bounds hold together.
///
/// `from` and `since` are inclusive, `after` and `until` exclusive. [`Read::backward`] only turns
/// the order of the same range, and [`Read::limit`] counts from the end at which reading begins.
///
/// ```
/// use annals_types::{Position, QueryItem, Read};
///
/// let last_two = Read::stream("order-1").backward().limit(2);
/// let payments = Read::all().matching(QueryItem::new().event_type("Paid")).after(Position::new(9));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Read {
    /// The stream; the whole store where it is `None`.
    pub stream: Option<String>,
    /// Only events that it names.
    pub query: Option<Query>,
    /// The lowest version; of a stream only.
    pub from_version: Option<Version>,
    /// The lowest position.
    pub from: Position,
    /// The lowest stamp.
    pub since: Option<Timestamp>,
    /// The stamp that ends it.
    pub until: Option<Timestamp>,
    /// What was dealt with before.
    pub checkpoint: Option<Checkpoint>,
    /// Newest first.
    pub backward: bool,
    /// At most so many events.
    pub limit: Option<u64>,
}

impl Read {
    /// All events, oldest first.
    #[must_use]
    pub fn all() -> Self {
        Self {
            stream: None,
            query: None,
            from_version: None,
            from: Position::START,
            since: None,
            until: None,
            checkpoint: None,
            backward: false,
            limit: None,
        }
    }

    /// The events of a stream, oldest first.
    #[must_use]
    pub fn stream(stream: impl Into<String>) -> Self {
        Self { stream: Some(stream.into()), ..Self::all() }
    }

    /// Only events that the query names.
    #[must_use]
    pub fn matching(mut self, query: impl Into<Query>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// Only events with this version or a higher one. Of a stream only: reading all events with it
    /// is refused.
    #[must_use]
    pub fn from_version(mut self, version: Version) -> Self {
        self.from_version = Some(version);
        self
    }

    /// Only events at this position or behind it.
    #[must_use]
    pub fn from(mut self, position: Position) -> Self {
        self.from = self.from.max(position);
        self
    }

    /// Only events behind this position.
    #[must_use]
    pub fn after(self, position: Position) -> Self {
        self.from(position.plus(1))
    }

    /// Only events behind this checkpoint, which must be one of the store's history.
    #[must_use]
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Only events recorded at this moment or later.
    #[must_use]
    pub fn since(mut self, moment: Timestamp) -> Self {
        self.since = Some(moment);
        self
    }

    /// Only events recorded before this moment.
    #[must_use]
    pub fn until(mut self, moment: Timestamp) -> Self {
        self.until = Some(moment);
        self
    }

    /// Newest first.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.backward = true;
        self
    }

    /// At most so many events, counted from the end at which reading begins.
    #[must_use]
    pub fn limit(mut self, events: u64) -> Self {
        self.limit = Some(events);
        self
    }
}
