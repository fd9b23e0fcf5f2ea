//! Typed events in and out of the store: codec and upcasters together.

use std::any::type_name;
use std::borrow::Cow;

use annals_types::{Bytes, EventId, Invalid, NewEvent, OccurredAt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{Codec, Encoded};
use super::fault::{ReplayCause, ReplayFault};
use super::typed::{self, Unreadable};
use super::upcast::{UpcastData, Upcasters};
use crate::Event;
use crate::error::Result;

/// How typed events are written and read.
///
/// An event is a variant of a plain enum: the variant's name is the event's type, its content the
/// data. `#[serde(rename = "…")]` and `#[serde(alias = "…")]` on a variant do as they do elsewhere.
///
/// ```
/// use annals::{Codec, ExpectedVersion, Payloads, Store};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// enum OrderEvent {
///     Placed { customer: u64 },
///     Paid(u64),
///     Sent,
/// }
///
/// let payloads = Payloads::default();
/// let placed = payloads.encode(&OrderEvent::Placed { customer: 7 })?.tag("customer:7");
/// assert_eq!(placed.event_type, "Placed");
/// assert_eq!(placed.data, r#"{"customer":7}"#);
///
/// let store = Store::in_memory()?;
/// let paid = payloads.encode(&OrderEvent::Paid(42))?;
/// let sent = payloads.encode(&OrderEvent::Sent)?;
/// store.append("order-1", ExpectedVersion::NoStream, &[placed, paid, sent])?;
/// let last = store.last_event("order-1")?.unwrap();
/// assert_eq!(payloads.decode::<OrderEvent>(&last)?, OrderEvent::Sent);
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Payloads {
    pub(super) codec: Codec,
    pub(super) upcasters: Upcasters,
}

/// A typed event to append, and what it says beside its data.
#[derive(Clone, Debug)]
pub struct TypedEvent<E> {
    event: E,
    // Without type and data.
    beside: NewEvent,
}

/// An event that does not become a typed one.
pub(super) enum Undecoded {
    /// The enum has no such variant.
    UnknownType,
    Fault(ReplayCause, String),
}

impl Payloads {
    /// Written with this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self { codec, ..Self::default() }
    }

    /// Read through these, and written with the schema versions that they lead to.
    #[must_use]
    pub fn upcasters(mut self, upcasters: Upcasters) -> Self {
        self.upcasters = upcasters;
        self
    }

    /// The event to append for `event`: its type, schema version and data.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for what is no variant of an enum, and for what the
    /// codec cannot write, such as a map with keys that are no texts in JSON.
    pub fn encode<E: Serialize>(&self, event: &E) -> Result<NewEvent> {
        let (name, Encoded { content, data }) =
            self.codec.encode_event(event).map_err(|error| {
                Invalid::Other(format!("a {} cannot be written: {error}", type_name::<E>()))
            })?;
        Ok(NewEvent::new(name, content, data).schema(self.upcasters.schema(name)))
    }

    /// The typed event that `event` is.
    ///
    /// # Errors
    /// A [`Replay`](crate::ErrorKind::Replay) fault where no variant has its type or schema version,
    /// and where its data does not decode.
    pub fn decode<E: DeserializeOwned>(&self, event: &Event) -> Result<E> {
        let decoded = ReplayFault::guard(event, || {
            self.read(event).map_err(|undecoded| undecoded.fault(event))
        });
        Ok(decoded?)
    }

    pub(super) fn read<E: DeserializeOwned>(&self, event: &Event) -> Result<E, Undecoded> {
        let upcast = self.upcasters.upcast(event);
        let upcast = upcast.map_err(|(cause, what)| {
            // Of a type that nobody knows, neither is the schema.
            let knows =
                cause != ReplayCause::UnknownSchema || typed::knows::<E>(event.event_type());
            if knows { Undecoded::Fault(cause, what) } else { Undecoded::UnknownType }
        })?;
        let read = match upcast {
            None => self.codec.decode_event(event.event_type(), event.content(), event.data()),
            Some(upcast) => match upcast.data {
                UpcastData::Json(value) => typed::read(&upcast.event_type, value),
                UpcastData::Raw(content, data) => {
                    self.codec.decode_event(&upcast.event_type, content, &data)
                }
            },
        };
        read.map_err(|unreadable| match unreadable {
            Unreadable::UnknownType => Undecoded::UnknownType,
            Unreadable::Payload(what) => Undecoded::Fault(ReplayCause::Payload, what),
        })
    }

    pub(super) fn encode_typed<E: Serialize>(&self, typed: TypedEvent<E>) -> Result<NewEvent> {
        let NewEvent { event_type, schema, content, data, .. } = self.encode(&typed.event)?;
        Ok(NewEvent { event_type, schema, content, data, ..typed.beside })
    }
}

impl Undecoded {
    pub(super) fn fault(self, event: &Event) -> ReplayFault {
        match self {
            Self::UnknownType => {
                ReplayFault::new(event, ReplayCause::UnknownType, Unreadable::UnknownType)
            }
            Self::Fault(cause, what) => ReplayFault::new(event, cause, what),
        }
    }
}

impl<E> TypedEvent<E> {
    /// An event that says nothing beside its data.
    #[must_use]
    pub fn new(event: E) -> Self {
        Self { event, beside: NewEvent::default() }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(self, tag: impl Into<Cow<'static, str>>) -> Self {
        self.with(|beside| beside.tag(tag))
    }

    /// Sets the id.
    #[must_use]
    pub fn id(self, id: impl Into<EventId>) -> Self {
        self.with(|beside| beside.id(id))
    }

    /// Sets the metadata (JSON text).
    #[must_use]
    pub fn metadata(self, metadata: impl Into<Bytes>) -> Self {
        self.with(|beside| beside.metadata(metadata))
    }

    /// Sets what the event belongs to.
    #[must_use]
    pub fn correlation_id(self, id: impl Into<EventId>) -> Self {
        self.with(|beside| beside.correlation_id(id))
    }

    /// Sets what caused the event.
    #[must_use]
    pub fn causation_id(self, id: impl Into<EventId>) -> Self {
        self.with(|beside| beside.causation_id(id))
    }

    /// Sets when it happened by the caller's clock.
    #[must_use]
    pub fn occurred_at(self, moment: impl Into<OccurredAt>) -> Self {
        self.with(|beside| beside.occurred_at(moment))
    }

    fn with(self, change: impl FnOnce(NewEvent) -> NewEvent) -> Self {
        Self { event: self.event, beside: change(self.beside) }
    }
}

impl<E> From<E> for TypedEvent<E> {
    fn from(event: E) -> Self {
        Self::new(event)
    }
}
