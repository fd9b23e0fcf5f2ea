//! Ready-made folds: counts, first and last times, figures, and the state of a stream of JSON.
//!
//! The counts and figures are [`Projection`](crate::Projection)s: of a whole view
//! ([`Projection::over`](crate::Projection::over)), kept in a store ([`Projector`](crate::Projector)),
//! or of any events, one by one ([`Projection::apply`](crate::Projection::apply)).
//!
//! ```
//! use annals::fold::{ByDay, Figures, JsonFold};
//! use annals::{ExpectedVersion, NewEvent, Projection, Store};
//!
//! let store = Store::in_memory()?;
//! let placed = NewEvent::json("Placed", r#"{"status":"placed","total":42}"#);
//! let paid = NewEvent::json("Paid", r#"{"status":"paid"}"#);
//! store.append("order-1", ExpectedVersion::NoStream, &[placed, paid])?;
//!
//! let head = store.head();
//! assert_eq!(ByDay::over(&head)?.iter().map(|(_, events)| events).sum::<u64>(), 2);
//! assert_eq!(Figures::over(&head)?.streams, 1);
//! let order = JsonFold::Merge.stream(&head, "order-1", None)?;
//! assert_eq!(order.value, serde_json::json!({ "status": "paid", "total": 42 }));
//! # Ok::<(), annals::Error>(())
//! ```

mod counts;
mod figures;
mod json;

pub use counts::{ByCategory, ByDay, ByStream, ByType};
pub use figures::{Figures, Seen};
pub use json::{JsonFold, JsonState};
