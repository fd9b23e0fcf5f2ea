//! What an aggregate is, and what loading one gives.

use annals_types::{Place, Position, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::{Applied, ReplayFault};
use crate::Event;

/// A state that is folded from events.
///
/// What [`apply`](Aggregate::apply) does must follow from the state and the event alone: no clock,
/// no randomness, nothing from outside. Then every replay gives the same state, with snapshots and
/// without.
///
/// ```
/// use annals::{Aggregate, Aggregates, Applied, Event, Store};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Light {
///     on: bool,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// enum LightEvent {
///     SwitchedOn,
///     SwitchedOff,
/// }
///
/// impl Aggregate for Light {
///     type Event = LightEvent;
///     const NAME: &'static str = "light";
///
///     fn apply(&mut self, event: LightEvent, _: &Event) -> Applied {
///         self.on = matches!(event, LightEvent::SwitchedOn);
///         Ok(())
///     }
/// }
///
/// let lights = Aggregates::<Light>::new(Store::in_memory()?);
/// lights.execute("light-1", |light| {
///     if light.state.on {
///         return Err("it is on already");
///     }
///     Ok(vec![LightEvent::SwitchedOn])
/// })?;
/// assert!(lights.load("light-1")?.state.on);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Aggregate: Default + Serialize + DeserializeOwned {
    /// What can happen to it: an enum, each variant an event type (see
    /// [`Payloads`](crate::Payloads)).
    type Event: DeserializeOwned;

    /// What its snapshots are kept under, beside the stream: several aggregates can fold one
    /// stream. At most [`FOLD_NAME_BYTES_MAX`](crate::limits::FOLD_NAME_BYTES_MAX) bytes.
    const NAME: &'static str;

    /// The version of its snapshots. Raise it with every change of the state's fields, of what
    /// `apply` makes of an event, of which events it knows, and of what an upcaster makes of old
    /// ones: snapshots with another one are not used. A snapshot is the state as serde writes it, so
    /// all of the state must come back from that: nothing skipped, and in JSON no `NaN`.
    const SCHEMA: u32 = 1;

    /// What the event does to the state. `recorded` is the event as it was written: its stream,
    /// stamps, tags and metadata.
    ///
    /// # Errors
    /// Where the event does not fit the state. It happened all the same, so this says that code and
    /// history disagree, and is no place for business rules.
    fn apply(&mut self, event: Self::Event, recorded: &Event) -> Applied;
}

/// A state, and which point of the history it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded<A> {
    /// The stream.
    pub stream: String,
    /// The stream's version; 0 where it was never written.
    pub version: Version,
    /// The position of the last event folded in; 0 where there is none.
    pub position: Position,
    /// The state.
    pub state: A,
    /// Where faults are collected, those met, in the order of their positions. Each left the state
    /// as it was before its event.
    pub faults: Vec<ReplayFault>,
    /// What it took.
    pub replayed: Replayed,
    /// The version of the last event folded in: those behind it, up to `version`, are gone for good.
    pub(super) folded: Version,
    /// Snapshots that could have been used and are no good: the next one takes their place.
    pub(super) unusable: Vec<Place>,
}

/// What it took to load a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// The version of the snapshot from which it began.
    pub snapshot: Option<Version>,
    /// How many events were read after it.
    pub events: u64,
    /// Their data, in bytes.
    pub bytes: u64,
}

impl<A: Default> Loaded<A> {
    /// What a stream is before its first event.
    pub(super) fn empty(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            version: Version::NONE,
            position: Position::START,
            state: A::default(),
            faults: Vec::new(),
            replayed: Replayed::default(),
            folded: Version::NONE,
            unusable: Vec::new(),
        }
    }
}
