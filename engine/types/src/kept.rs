//! States that folds came to, as the log keeps them beside the events they were made from.

use bytes::Bytes;

use crate::{Checkpoint, ContentKind, Place, Timestamp, Version};

/// What a kept state is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StateRole {
    /// An aggregate at a version of its stream.
    Snapshot,
    /// A projection at its checkpoint.
    Projection,
}

/// Which state is meant. The states kept under one key follow each other in time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateKey {
    /// What it is of.
    pub role: StateRole,
    /// The stream, or the projection's name.
    pub name: String,
    /// What folded it: the aggregate's name; empty for a projection.
    pub fold: String,
}

/// A state to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewState {
    /// Which one.
    pub key: StateKey,
    /// The version of its schema: who has another does not read it.
    pub schema: u32,
    /// The version of the stream that it is the state at; 0 for a projection.
    pub version: Version,
    /// The event up to which everything is folded in.
    pub checkpoint: Checkpoint,
    /// What the data is.
    pub content: ContentKind,
    /// The state, as its owner encodes it.
    pub data: Bytes,
}

/// A state as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptState {
    /// What was handed over.
    pub state: NewState,
    /// Where it stands in the log.
    pub place: Place,
    /// When it was written, by the store's clock.
    pub recorded_at: Timestamp,
}
