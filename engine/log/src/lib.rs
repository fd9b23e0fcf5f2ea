//! The segmented write-ahead log: the only truth of a store.
//!
//! Its bytes are defined in `storage-format.md`. It knows commits, events and control records, but
//! nothing of streams' rules, indexes or consumers.
//!
//! - **Write path**: [`Draft`] encodes and sums a commit outside the lock; [`LogGuard`] gives it its
//!   place; one thread writes and syncs for all that wait, then publishes (`writer`).
//! - **Read path**: a position leads through the segment's table to a record, and that to its frame;
//!   its header and the record are checked on each read ([`EventCursor`], [`Scan`], [`ScanBack`]).
//! - **Recovery**: [`Inventory`] lists the files, [`Inventory::recover`] finds out what they hold
//!   without changing them, [`Recovered::settle`] puts the end in order, [`Settled::start`] begins
//!   a new epoch.
//! - **Repair**: [`Recovered::plan_repair`] finds out what is lost, [`RepairPlan::execute`] writes the
//!   damaged segments anew without it.
//! - **Reading beside a writer**: [`LiveLog`] is bounded by what the writer's `state` page calls
//!   visible, and follows it.
//!
//! # Invariants
//! 1. Positions are gapless; a place is given once. Segments tile the log.
//! 2. Written ≥ durable; each grows only; in [`SyncMode::EachCommit`] nothing is visible that is
//!    not durable.
//! 3. Everything in a segment that has a successor was durable before that was made.
//! 4. Epochs never decrease along the log, nor do the stamps of events.
//! 5. Nothing read is believed before its checksum, which binds bytes to file and offset.

#![forbid(unsafe_code)]

mod ahead;
mod backward;
mod chain;
mod contents;
mod damage;
mod error;
mod format;
mod frames;
#[cfg(fuzzing)]
pub mod fuzzing;
mod kept;
mod link;
mod live;
mod lookup;
mod loss;
mod offsets;
mod read_ahead;
mod reader;
mod recovery;
mod repair;
mod scan;
mod seal;
mod segment;
mod slice;
mod state_page;
mod tally;
mod verify;
mod walk;
mod window;
mod writer;

pub use backward::ScanBack;
pub use damage::{Damage, TornTail};
pub use error::LogError;
pub use format::draft::Draft;
pub use format::event::Event;
pub use format::{FORMAT, REVISION};
pub use kept::{KeptRecord, KeptScan};
pub use live::LiveLog;
pub use lookup::EventCursor;
pub use loss::{Loss, LostStream};
pub use reader::LogReader;
pub use recovery::{Inventory, Recovered};
pub use repair::{DAMAGED_FOLDER, RepairPlan, Repaired};
pub use scan::Scan;
pub use segment::is_segment_name;
pub use verify::{Depth, Verified};
pub use writer::{
    Appended, Awaited, Log, LogCounters, LogGuard, LogOptions, Publish, ReadMode, Settled,
    SyncMode, create,
};
