//! Typed events: an enum whose variant's name is the event's type and whose variant's content is
//! the event's data, through serde alone.

mod reading;
mod writing;

pub(super) use reading::{Unreadable, knows, read};
pub(super) use writing::{Content, NO_VARIANT};
