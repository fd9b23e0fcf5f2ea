//! An event as its caller hands it over.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{EventId, OccurredAt};

/// What an event's data is, for those who show or decode it. The engine never looks inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentKind {
    /// JSON text, kept byte for byte.
    #[default]
    Json,
    /// UTF-8 text that is not JSON.
    Text,
    /// Bytes that only the caller understands.
    Binary,
}

/// An event before it is appended.
///
/// ```
/// use annals_types::NewEvent;
///
/// let event = NewEvent::json("OrderPlaced", r#"{"total":42}"#).tag("customer:7");
/// ```
///
/// Nothing is checked here: the append does it, against [`limits`](crate::limits).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened, e.g. `OrderPlaced`.
    pub event_type: Cow<'static, str>,
    /// The version of the data's schema, 1 unless said otherwise.
    pub schema: u32,
    /// What the data is.
    pub content: ContentKind,
    /// The data.
    pub data: Bytes,
    /// JSON about the event rather than of it; empty where there is none.
    pub metadata: Bytes,
    /// Short texts, `key:value` by convention, for queries across streams.
    pub tags: Vec<Cow<'static, str>>,
    /// Its id, unique in the store; one is derived where the caller sets none.
    pub id: Option<EventId>,
    /// What it belongs to: shared by all events of one piece of work.
    pub correlation_id: Option<EventId>,
    /// The event that caused this one.
    pub causation_id: Option<EventId>,
    /// When it happened by the caller's clock.
    pub occurred_at: Option<OccurredAt>,
}

impl NewEvent {
    /// An event with data of this kind.
    #[must_use]
    pub fn new(
        event_type: impl Into<Cow<'static, str>>,
        content: ContentKind,
        data: impl Into<Bytes>,
    ) -> Self {
        Self {
            event_type: event_type.into(),
            schema: 1,
            content,
            data: data.into(),
            ..Self::default()
        }
    }

    /// An event whose data is JSON text. It is kept byte for byte and not parsed.
    #[must_use]
    pub fn json(event_type: impl Into<Cow<'static, str>>, data: impl Into<Bytes>) -> Self {
        Self::new(event_type, ContentKind::Json, data)
    }

    /// An event whose data is opaque bytes.
    #[must_use]
    pub fn binary(event_type: impl Into<Cow<'static, str>>, data: impl Into<Bytes>) -> Self {
        Self::new(event_type, ContentKind::Binary, data)
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Cow<'static, str>>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<EventId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the schema version.
    #[must_use]
    pub fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// Sets the metadata (JSON text).
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<Bytes>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// Sets what the event belongs to.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<EventId>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Sets what caused the event.
    #[must_use]
    pub fn causation_id(mut self, id: impl Into<EventId>) -> Self {
        self.causation_id = Some(id.into());
        self
    }

    /// Sets when it happened by the caller's clock.
    #[must_use]
    pub fn occurred_at(mut self, moment: impl Into<OccurredAt>) -> Self {
        self.occurred_at = Some(moment.into());
        self
    }
}
