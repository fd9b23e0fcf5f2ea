//! A reading, as it can be asked of the store and of the model.

use annals::{Position, Read, Timestamp, Version};

use crate::reader::Reader;

/// Which events to read and in which order. All bounds hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The stream; the whole store where it is `None`.
    pub stream: Option<String>,
    /// Inclusive; only in a stream.
    pub from_version: Option<Version>,
    /// Inclusive.
    pub from: Option<Position>,
    /// Exclusive.
    pub after: Option<Position>,
    /// Inclusive.
    pub since: Option<Timestamp>,
    /// Exclusive.
    pub until: Option<Timestamp>,
    /// Newest first.
    pub backward: bool,
    /// At most so many, counted from where the reading begins.
    pub limit: Option<u64>,
}

impl Query {
    /// The whole store, forward.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// One stream, forward.
    #[must_use]
    pub fn stream(name: impl Into<String>) -> Self {
        Self { stream: Some(name.into()), ..Self::default() }
    }

    /// The same range, newest first.
    #[must_use]
    pub fn backward(self) -> Self {
        Self { backward: true, ..self }
    }

    /// Whether the store has to refuse it: versions mean nothing across streams.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.stream.is_none() && self.from_version.is_some()
    }

    /// The reading of it.
    #[must_use]
    pub fn of(&self, reader: &dyn Reader) -> Read {
        let mut read = match &self.stream {
            Some(stream) => reader.read_stream(stream),
            None => reader.read_all(),
        };
        if let Some(version) = self.from_version {
            read = read.from_version(version);
        }
        if let Some(position) = self.from {
            read = read.from(position);
        }
        if let Some(position) = self.after {
            read = read.after(position);
        }
        if let Some(moment) = self.since {
            read = read.since(moment);
        }
        if let Some(moment) = self.until {
            read = read.until(moment);
        }
        if self.backward {
            read = read.backward();
        }
        if let Some(limit) = self.limit {
            read = read.limit(limit);
        }
        read
    }
}
