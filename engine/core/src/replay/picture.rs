//! Points of the history, and what is read there.

use annals_types::{Position, Read, Timestamp, Version};

use crate::error::Result;
use crate::{AsOf, EventReader};

/// A point of a stream's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Behind the event with this version; 0 is before the first.
    Version(Version),
    /// A point of the store's history.
    AsOf(AsOf),
}

impl From<Version> for Point {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

impl From<Position> for Point {
    fn from(position: Position) -> Self {
        Self::AsOf(position.into())
    }
}

impl From<Timestamp> for Point {
    fn from(moment: Timestamp) -> Self {
        Self::AsOf(moment.into())
    }
}

/// The reader, standing still: for several answers that must agree.
pub(super) fn picture(reader: &(impl EventReader + ?Sized)) -> Result<Box<dyn EventReader>> {
    reader.as_of(reader.position().into())
}

/// The events of the stream behind this version.
pub(super) fn after(stream: &str, version: Version) -> Read {
    Read::stream(stream).from_version(version.plus(1))
}
