//! Where a replay stopped, and why.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use annals_types::{Position, Version};

use crate::Event;
use crate::error::{Error, ErrorKind};

/// What applying an event came to: nothing, or why the event does not fit the state.
pub type Applied = Result<(), Box<dyn StdError + Send + Sync>>;

/// An event that could not be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFault {
    /// Its stream.
    pub stream: String,
    /// Its version.
    pub version: Version,
    /// Its position.
    pub position: Position,
    /// Its type.
    pub event_type: String,
    /// What kind of fault it is.
    pub cause: ReplayCause,
    /// What is wrong, in words.
    pub what: String,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayCause {
    /// No code knows the event's type.
    UnknownType,
    /// The event's schema version is newer than the code, or no upcaster leads on from it.
    UnknownSchema,
    /// The data does not decode.
    Payload,
    /// An upcaster failed.
    Upcaster,
    /// Applying the event failed.
    Refused,
    /// Applying the event, decoding it or an upcaster panicked.
    Panicked,
}

impl ReplayFault {
    pub(crate) fn new(event: &Event, cause: ReplayCause, what: impl fmt::Display) -> Self {
        Self {
            stream: event.stream().to_owned(),
            version: event.version(),
            position: event.position(),
            event_type: event.event_type().to_owned(),
            cause,
            what: what.to_string(),
        }
    }

    /// Runs code of the caller's on an event; a panic is a fault like another.
    pub(crate) fn guard<T>(
        event: &Event,
        run: impl FnOnce() -> Result<T, Self>,
    ) -> Result<T, Self> {
        // What a panic left half changed is never looked at again: the fold it belongs to ends.
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|panic| Err(Self::panicked(event, &*panic)))
    }

    /// What code of the caller's on an event said when it panicked.
    pub(crate) fn panicked(event: &Event, panic: &(dyn Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let what = format!("it panicked: {}", said.unwrap_or("without a message"));
        Self::new(event, ReplayCause::Panicked, what)
    }
}

impl fmt::Display for ReplayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, version, position, event_type, .. } = self;
        write!(f, "event {position} ({event_type}, version {version} of {stream}): {}", self.what)
    }
}

impl From<ReplayFault> for Error {
    fn from(fault: ReplayFault) -> Self {
        let message = fault.to_string();
        Self::new(ErrorKind::Replay(Box::new(fault)), message)
    }
}
