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
//! - **Write path**: [`Store::append`] checks and encodes, decides under the log's lock against all
//!   earlier commits (`append`), hands the frame to the log, which syncs and publishes it to the
//!   index (`pending`).
//! - **Read path**: a [`View`] fixes a position; [`Read`] resolves its bounds through the index and
//!   reads events from the log lazily (`read`, `events`).
//! - **Opening**: lock, list, recover, settle, bring the index up to date, begin an epoch (`open`).

#![forbid(unsafe_code)]

mod append;
mod catch_up;
mod error;
mod events;
mod folder;
mod keeper;
mod open;
mod options;
mod pending;
mod read;
mod read_only;
mod stats;
mod store;
mod streams;
mod view;

pub use annals_log::{Damage, Event, FORMAT, REVISION, TornTail};
pub use annals_types::{
    Bytes, ContentKind, Epoch, EventId, ExpectedVersion, Invalid, NewEvent, OccurredAt, Place,
    Position, StoreId, Timestamp, Version, category, limits,
};
pub use append::Receipt;
pub use error::{Error, ErrorKind, Result};
pub use events::Events;
pub use open::{Rebuilt, rebuild_index};
pub use options::{AppendOptions, Durability, Options};
pub use read::Read;
pub use read_only::ReadOnlyStore;
pub use stats::{Report, Stats};
pub use store::Store;
pub use streams::{StreamInfo, Streams};
pub use view::View;
