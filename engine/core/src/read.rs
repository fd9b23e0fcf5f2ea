//! Which events to read.

use annals_types::{Position, Timestamp, Version};

use crate::{Events, View};

/// Which events to read, and in which order. All bounds hold together. Nothing is read before the
/// first call of [`Iterator::next`].
///
/// `from` and `since` are inclusive, `after` and `until` exclusive. [`Read::backward`] only turns
/// the order of the same range, and [`Read::limit`] counts from the end at which reading begins.
#[derive(Clone, Debug)]
pub struct Read {
    pub(crate) view: View,
    /// All events, where it is `None`.
    pub(crate) stream: Option<String>,
    pub(crate) from_version: Option<Version>,
    pub(crate) from: Position,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) backward: bool,
    pub(crate) limit: u64,
}

impl Read {
    pub(crate) fn new(view: View, stream: Option<&str>) -> Self {
        Self {
            view,
            stream: stream.map(str::to_owned),
            from_version: None,
            from: Position::START,
            since: None,
            until: None,
            backward: false,
            limit: u64::MAX,
        }
    }

    /// Only events with this version or a higher one. Of a stream only: reading all events with it
    /// gives one [`Invalid`](crate::ErrorKind::Invalid) error.
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
        self.limit = events;
        self
    }
}

impl IntoIterator for Read {
    type Item = crate::Result<crate::Event>;
    type IntoIter = Events;

    fn into_iter(self) -> Events {
        Events::new(self)
    }
}
