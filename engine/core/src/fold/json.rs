//! The state of a stream of JSON, for those who have no code for its events.

use annals_types::{ContentKind, Invalid, Position, Read, Timestamp, Version};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::events::up_to;
use crate::{Event, EventReader, ReplayCause, ReplayFault};

/// What the events of a stream, each with JSON as its data, come to. The state before the first
/// event is `{}`.
///
/// Numbers that neither fit into 64 bits nor are floats of 64 bits are rounded, the members of
/// objects are ordered by name, and of members with the same name the last one counts. What is kept
/// in the store is not changed by that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JsonFold {
    /// The data of each event is a merge patch (RFC 7396) of the state before: members of objects
    /// are replaced one by one, `null` removes a member, anything else replaces all.
    #[default]
    Merge,
    /// The data of the newest event of each type, under the type's name.
    LastByType,
    /// The number of events of each type, under the type's name. Data is not looked at.
    Count,
}

/// The state of a stream at a version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct JsonState {
    /// The state.
    pub value: Value,
    /// The version of the last event folded in; 0 where there is none.
    pub version: Version,
    /// The position of that event; [`Position::START`] where there is none.
    pub position: Position,
    /// The stamp of that event.
    pub recorded_at: Option<Timestamp>,
    /// The events that were passed over.
    pub faults: Vec<ReplayFault>,
}

impl JsonFold {
    /// The state before the first event.
    #[must_use]
    pub fn start(self) -> Value {
        Value::Object(Map::new())
    }

    /// Folds one event into the state.
    ///
    /// # Errors
    /// [`Payload`](ReplayCause::Payload) where its data is not JSON; the state is as it was.
    pub fn apply(self, state: &mut Value, event: &Event) -> Result<(), ReplayFault> {
        match self {
            Self::Merge => json_patch::merge(state, &parse(event)?),
            Self::LastByType => set(state, event, parse(event)?),
            Self::Count => {
                let before = state.get(event.event_type()).and_then(Value::as_u64).unwrap_or(0);
                set(state, event, Value::from(before.saturating_add(1)));
            }
        }
        Ok(())
    }

    /// The state of a stream in what `reader` shows, a view of the past for instance, and not
    /// behind the version `to` where one is given. A stream that is not there has version 0.
    ///
    /// # Errors
    /// [`Replay`](crate::ErrorKind::Replay) with the first event whose data is not JSON,
    /// [`Invalid`](crate::ErrorKind::Invalid) for a version that the stream does not have there,
    /// and what reading gives.
    pub fn stream(
        self,
        reader: &dyn EventReader,
        stream: &str,
        to: Option<Version>,
    ) -> Result<JsonState> {
        self.fold(reader, stream, to, |_, fault| Err(fault.into()))
    }

    /// The same, but events whose data is not JSON are passed over and told of in
    /// [`JsonState::faults`].
    ///
    /// # Errors
    /// As [`JsonFold::stream`] for the rest.
    pub fn stream_with_faults(
        self,
        reader: &dyn EventReader,
        stream: &str,
        to: Option<Version>,
    ) -> Result<JsonState> {
        self.fold(reader, stream, to, |faults, fault| {
            faults.push(fault);
            Ok(())
        })
    }

    fn fold(
        self,
        reader: &dyn EventReader,
        stream: &str,
        to: Option<Version>,
        mut on_fault: impl FnMut(&mut Vec<ReplayFault>, ReplayFault) -> Result<()>,
    ) -> Result<JsonState> {
        if let Some(to) = to {
            let last = reader.version(stream)?;
            if to > last {
                let message = format!(
                    "version {to} lies beyond the newest event of {stream}, which has version {last}"
                );
                return Err(Invalid::Other(message).into());
            }
        }
        let mut state = JsonState::before(self);
        let events = reader.read(Read::stream(stream));
        for event in up_to(to.unwrap_or(Version::new(u64::MAX)), events) {
            let event = event?;
            if let Err(fault) = state.apply(self, &event) {
                on_fault(&mut state.faults, fault)?;
            }
        }
        Ok(state)
    }
}

impl JsonState {
    /// The state before the first event.
    #[must_use]
    pub fn before(fold: JsonFold) -> Self {
        Self {
            value: fold.start(),
            version: Version::NONE,
            position: Position::START,
            recorded_at: None,
            faults: Vec::new(),
        }
    }

    /// Folds in the stream's next event: also where its data is not JSON, the state is that at its
    /// version.
    ///
    /// # Errors
    /// As [`JsonFold::apply`].
    pub fn apply(&mut self, fold: JsonFold, event: &Event) -> Result<(), ReplayFault> {
        self.version = event.version();
        self.position = event.position();
        self.recorded_at = Some(event.recorded_at());
        fold.apply(&mut self.value, event)
    }
}

fn parse(event: &Event) -> Result<Value, ReplayFault> {
    let fault = |what: String| ReplayFault::new(event, ReplayCause::Payload, what);
    if event.content() != ContentKind::Json {
        return Err(fault("its data is not JSON, and does not claim to be".to_owned()));
    }
    serde_json::from_slice(event.data())
        .map_err(|error| fault(format!("its data is not JSON: {error}")))
}

/// Sets a member of the state, which is an object but where the caller began with another value.
fn set(state: &mut Value, event: &Event, value: Value) {
    if !state.is_object() {
        *state = Value::Object(Map::new());
    }
    if let Value::Object(members) = state {
        members.insert(event.event_type().to_owned(), value);
    }
}
