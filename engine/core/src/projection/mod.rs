//! Projections: read models folded from events, each with its checkpoint.
//!
//! A [`Projection`] says what an event does to its state; a [`Projector`] keeps it up to date in a
//! store, state and checkpoint in one kept state of the log, so that each event counts exactly once
//! whatever crashes. [`catch_up_together`] brings several up to date in one reading of the log, and
//! [`Fold::over`] folds any view without keeping anything.

mod fold;
mod keeping;
mod pass;
mod projector;

pub use fold::{Fold, Projection};
pub use pass::{AnyProjector, catch_up_together};
pub use projector::{Projector, Started};
