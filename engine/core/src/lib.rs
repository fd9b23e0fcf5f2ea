//! Annals is an event-sourcing database that a service embeds: one folder on disk, an append-only
//! log as the only truth, and optimistic concurrency on streams of events.
//!
//! ```
//! # let dir = std::env::temp_dir().join(format!("annals-doc-lib-{}", std::process::id()));
//! use annals::{ExpectedVersion, NewEvent, Store};
//!
//! let store = Store::open(&dir)?;
//! let placed = NewEvent::json("OrderPlaced", r#"{"total":42}"#).tag("customer:7");
//! store.append("order-1", ExpectedVersion::NoStream, &[placed])?;
//!
//! // Two writers believe that the order is at version 1: the second is told that it is not.
//! let paid = NewEvent::json("OrderPaid", "{}");
//! store.append("order-1", ExpectedVersion::at(1), &[paid.clone()])?;
//! let refused = store.append("order-1", ExpectedVersion::at(1), &[paid]).unwrap_err();
//! assert_eq!(refused.conflict().map(|version| version.get()), Some(2));
//!
//! for event in store.read_stream("order-1") {
//!     let event = event?;
//!     println!("{} {}", event.version(), event.event_type());
//! }
//! store.close()?;
//! # std::fs::remove_dir_all(&dir).ok();
//! # Ok::<(), annals::Error>(())
//! ```
//!
//! - **Write path**: [`Store::commit`] checks and encodes, examines what is visible outside the log's
//!   lock and decides inside it against what is newer (`append`), and hands the frame to the log,
//!   which syncs it and publishes it to the index (`pending`).
//! - **Read path**: a [`View`] fixes a position; a [`Read`] is resolved to a range and a [`Plan`]
//!   (`plan`), and its events are read from the log lazily (`events`, `candidates`).
//! - **Following**: a [`Follower`] reads page after page of views, and waits in between (`follow`).
//! - **Projections**: a [`Projector`] folds what is durable in passes over the log and keeps state and
//!   checkpoint as one (`projection`); ready-made folds are in [`fold`].
//! - **Opening**: lock, list, open the saved index, recover, settle, bring the index up to date, begin
//!   an epoch (`open`).
//! - **Saving the index**: now and then in the background, and at a close, up to what is durable
//!   (`keeper`).
//! - **Kept states**: snapshots and projections are control records of the log, found through the
//!   index (`kept`).
//! - **Replay**: [`Aggregates`] fold the events of streams into states, now or then, and decide on
//!   them (`replay`).
//! - **Reading beside a writer**: [`ReadOnlyStore`] reads what the writer shows (`read_only`).

#![forbid(unsafe_code)]

mod append;
mod backend;
mod candidates;
mod catch_up;
mod concerned;
mod counters;
mod error;
mod events;
pub mod fold;
mod folder;
mod follow;
mod keeper;
mod kept;
mod lookup;
mod open;
mod options;
mod pending;
mod plan;
mod posted;
mod prepared;
mod projection;
mod read_only;
mod reader;
mod receipt;
mod repair;
mod replay;
mod stats;
mod store;
mod streams;
mod submit;
mod verify;
mod view;

pub use annals_log::{
    Damage, Event, FORMAT, LogCounters, Loss, LostStream, REVISION, ReadMode, Repaired, TornTail,
};
pub use annals_types::{
    AppendCondition, Bytes, Checkpoint, Commit, CommitPart, ContentKind, Epoch, EventId,
    ExpectedVersion, Facts, Invalid, KeptState, NewEvent, NewState, OccurredAt, Place, Position,
    Query, QueryItem, Read, StateKey, StateRole, StoreId, Timestamp, Version, category, limits,
};
pub use counters::Counters;
pub use error::{Error, ErrorKind, Result};
pub use events::Events;
pub use follow::{Follow, Followed, Follower};
pub use open::{Rebuilt, rebuild_index};
pub use options::{Durability, IndexKind, Options};
pub use plan::{Access, Plan};
pub use projection::{AnyProjector, Fold, Projection, Projector, Started, catch_up_together};
pub use read_only::ReadOnlyStore;
pub use reader::{EventReader, EventStore};
pub use receipt::{Receipt, StreamReceipt};
#[doc(hidden)]
pub use repair::repair_in;
pub use repair::{Repair, plan_repair, repair};
pub use replay::{
    Aggregate, Aggregates, Applied, BadSnapshot, Codec, Decided, Decision, Diff, ExecuteError,
    Executed, Faults, Keep, Loaded, Payloads, Point, RawEvent, ReplayCause, ReplayFault, Replayed,
    Selection, SnapshotReport, Snapshots, TypedEvent, UnknownTypes, Upcasters,
};
pub use stats::Stats;
pub use store::Store;
pub use streams::{StreamInfo, Streams};
pub use submit::Submitted;
pub use verify::{IndexFault, Report};
pub use view::{AsOf, View};
