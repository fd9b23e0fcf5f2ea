//! What an append was given.

use std::sync::Arc;

use annals_types::{Checkpoint, Epoch, Position, Timestamp, Version};

/// What an append was given: the same whenever it is repeated with the same ids.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Version of the commit's first event. Of a commit to several streams, the first one's.
    pub first_version: Version,
    /// The stream's version after the commit. Of a commit to several streams, the first one's.
    pub version: Version,
    /// Position of the commit's first event.
    pub first_position: Position,
    /// Position of its last.
    pub position: Position,
    /// The commit's stamp.
    pub recorded_at: Timestamp,
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// The events were in the store already: nothing was written this time.
    pub repeated: bool,
    /// Of a commit to several streams, what each of them was given, in the order in which the
    /// commit named them.
    pub streams: Vec<StreamReceipt>,
}

/// What an append gave to one of several streams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamReceipt {
    /// The stream.
    pub stream: Arc<str>,
    /// Version of its first event in the commit.
    pub first_version: Version,
    /// Its version after the commit.
    pub version: Version,
}

impl StreamReceipt {
    /// For other implementations of [`EventStore`](crate::EventStore).
    #[must_use]
    pub fn from_other(stream: &str, first_version: Version, version: Version) -> Self {
        Self { stream: stream.into(), first_version, version }
    }
}

impl Receipt {
    /// For other implementations of [`EventStore`](crate::EventStore): of a commit whose events
    /// stand from `first_position` to `position`. `streams` is what each of them was given, where it
    /// is one only too, in the order in which the commit named them.
    #[must_use]
    pub fn from_other(
        first_position: Position,
        position: Position,
        recorded_at: Timestamp,
        epoch: Epoch,
        streams: Vec<StreamReceipt>,
    ) -> Self {
        let first = streams.first();
        Self {
            first_version: first.map(|first| first.first_version).unwrap_or_default(),
            version: first.map(|first| first.version).unwrap_or_default(),
            first_position,
            position,
            recorded_at,
            epoch,
            repeated: false,
            streams: if streams.len() > 1 { streams } else { Vec::new() },
        }
    }

    /// How far who reads behind this commit has come.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { epoch: self.epoch, position: self.position }
    }
}
