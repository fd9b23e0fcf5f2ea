//! State from events: an [`Aggregate`] folds the events of one stream, now or at any point of its
//! history.
//!
//! - **An event in**: `upcast` leads an old schema to the current one, `codec` and `typed` make the
//!   variant of it (`payloads`).
//! - **Folding** it into the state, with what may go wrong (`fold`).
//! - **Loading**: a snapshot to begin from (`snapshots`), and the events behind it (`aggregates`,
//!   `history`, `survey`).
//! - **Deciding**: load, decide, append, and a snapshot where one is due (`execute`).

mod aggregate;
mod aggregates;
mod check;
mod codec;
mod execute;
mod fault;
mod fold;
mod history;
mod payloads;
mod picture;
mod snapshots;
mod survey;
mod typed;
mod upcast;

pub use aggregate::{Aggregate, Loaded, Replayed};
pub use aggregates::Aggregates;
pub use check::{BadSnapshot, SnapshotReport};
pub use codec::Codec;
pub use execute::{Decided, Decision, ExecuteError, Executed};
pub use fault::{Applied, ReplayCause, ReplayFault};
pub use fold::{Faults, UnknownTypes};
pub use history::Diff;
pub use payloads::{Payloads, TypedEvent};
pub use picture::Point;
pub use snapshots::{Keep, Snapshots};
pub use survey::Selection;
pub use upcast::{RawEvent, Upcasters};
