//! The pure values of Annals: positions, versions, ids, times, new events and their limits.
//!
//! Nothing here does I/O or reads a clock; every other crate of the engine builds on these words.

#![forbid(unsafe_code)]

mod checkpoint;
mod commit;
mod event;
mod id;
mod kept;
pub mod limits;
mod position;
mod query;
mod read;
mod time;
mod version;

pub use bytes::Bytes;
pub use checkpoint::Checkpoint;
pub use commit::{AppendCondition, Commit, CommitPart};
pub use event::{ContentKind, NewEvent};
pub use id::{Epoch, EventId, StoreId};
pub use kept::{KeptState, NewState, StateKey, StateRole};
pub use limits::Invalid;
pub use position::{Place, Position};
pub use query::{Facts, NewFacts, Query, QueryItem};
pub use read::Read;
pub use time::{OccurredAt, Timestamp};
pub use version::{ExpectedVersion, Version, category};
