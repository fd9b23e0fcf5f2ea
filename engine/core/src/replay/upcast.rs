//! Old schemas to new ones, while events are read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use annals_types::{Bytes, ContentKind};
use hashbrown::HashMap;
use serde_json::Value;

use super::fault::ReplayCause;
use crate::Event;

/// Why an upcaster could not do its work.
type Failure = Box<dyn StdError + Send + Sync>;

/// What leads from old schema versions of events to those that the code knows. Used in every
/// replay, whatever the point in time: the log keeps what was written.
///
/// Each upcaster is for one event type in one schema version and leads to the next. The current
/// schema of a type is the one behind its last upcaster, or the one declared; 1 where nothing is
/// said. Typed events are written with it. An event with another from which no upcaster leads on is
/// a fault ([`UnknownSchema`](crate::ReplayCause::UnknownSchema)).
///
/// ```
/// use annals::{Aggregates, Applied, Event, ExpectedVersion, NewEvent, Store, Upcasters};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Order {
///     cents: u64,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// enum OrderEvent {
///     Placed { cents: u64 },
/// }
///
/// impl annals::Aggregate for Order {
///     type Event = OrderEvent;
///     const NAME: &'static str = "order";
///
///     fn apply(&mut self, event: OrderEvent, _: &Event) -> Applied {
///         match event {
///             OrderEvent::Placed { cents } => self.cents = cents,
///         }
///         Ok(())
///     }
/// }
///
/// // Once the type was called `OrderMade`, then it counted whole euros.
/// let upcasters = Upcasters::new().rename(("OrderMade", 1), ("Placed", 1)).json(
///     ("Placed", 1),
///     |mut data| {
///         let euros = data["euros"].as_u64().ok_or("there are no euros")?;
///         data["cents"] = (euros * 100).into();
///         Ok(data)
///     },
/// );
///
/// let store = Store::in_memory()?;
/// let old = [NewEvent::json("OrderMade", r#"{"euros":42}"#)];
/// store.append("order-1", ExpectedVersion::NoStream, &old)?;
/// let orders = Aggregates::<Order>::new(store).upcasters(upcasters);
/// assert_eq!(orders.load("order-1")?.state.cents, 4_200);
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Upcasters {
    types: HashMap<Cow<'static, str>, Schemas>,
    steps: usize,
}

/// The schema versions of one type.
#[derive(Clone, Default)]
struct Schemas {
    current: u32,
    steps: BTreeMap<u32, Step>,
}

#[derive(Clone)]
enum Step {
    Json(Arc<dyn Fn(Value) -> Result<Value, Failure> + Send + Sync>),
    Raw(Arc<dyn Fn(RawEvent) -> Result<RawEvent, Failure> + Send + Sync>),
    Rename(Cow<'static, str>, u32),
}

/// An event's type and data, as an upcaster of bytes gets it and gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// The type.
    pub event_type: Cow<'static, str>,
    /// The version of the data's schema.
    pub schema: u32,
    /// What the data is.
    pub content: ContentKind,
    /// The data.
    pub data: Bytes,
}

/// An event as the code knows it.
pub(super) struct Upcast<'a> {
    pub(super) event_type: Cow<'a, str>,
    pub(super) data: UpcastData,
}

pub(super) enum UpcastData {
    Json(Value),
    Raw(ContentKind, Bytes),
}

impl Upcasters {
    /// None: every type has the schema version 1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Events of this type and schema version become those of the next by a change of their JSON.
    #[must_use]
    pub fn json(
        self,
        from: (impl Into<Cow<'static, str>>, u32),
        upcast: impl Fn(Value) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.step(from, Step::Json(Arc::new(upcast)))
    }

    /// Events of this type and schema version become those that `upcast` gives: a later schema
    /// version, or another type.
    #[must_use]
    pub fn raw(
        self,
        from: (impl Into<Cow<'static, str>>, u32),
        upcast: impl Fn(RawEvent) -> Result<RawEvent, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.step(from, Step::Raw(Arc::new(upcast)))
    }

    /// Events of this type and schema version are those of another type, with the same data.
    #[must_use]
    pub fn rename(
        self,
        from: (impl Into<Cow<'static, str>>, u32),
        to: (impl Into<Cow<'static, str>>, u32),
    ) -> Self {
        self.step(from, Step::Rename(to.0.into(), to.1))
    }

    /// The current schema version of a type to which no upcaster leads.
    #[must_use]
    pub fn current(mut self, event_type: impl Into<Cow<'static, str>>, schema: u32) -> Self {
        let schemas = self.types.entry(event_type.into()).or_default();
        schemas.current = schemas.current.max(schema);
        self
    }

    /// The schema version with which events of this type are written now.
    #[must_use]
    pub fn schema(&self, event_type: &str) -> u32 {
        self.types.get(event_type).map_or(1, |schemas| schemas.current)
    }

    fn step(
        mut self,
        (event_type, schema): (impl Into<Cow<'static, str>>, u32),
        step: Step,
    ) -> Self {
        let schemas = self.types.entry(event_type.into()).or_default();
        schemas.current = schemas.current.max(schema.saturating_add(1));
        schemas.steps.insert(schema, step);
        self.steps += 1;
        self
    }

    /// The event as the code knows it; `None` where it is so already.
    pub(super) fn upcast<'a>(
        &self,
        event: &'a Event,
    ) -> Result<Option<Upcast<'a>>, (ReplayCause, String)> {
        let mut schema = event.schema();
        if self.types.is_empty() && schema == 1 {
            return Ok(None);
        }
        let mut event_type = Cow::Borrowed(event.event_type());
        if schema == self.schema(&event_type) {
            return Ok(None);
        }
        let mut data = UpcastData::Raw(event.content(), event.data_bytes());
        // Each leads on once at most.
        for _ in 0..=self.steps {
            let current = self.schema(&event_type);
            if schema == current {
                return Ok(Some(Upcast { event_type, data }));
            }
            let schemas = self.types.get(&*event_type);
            let Some(step) = schemas.and_then(|schemas| schemas.steps.get(&schema)) else {
                let what = format!(
                    "its schema version of {event_type} is {schema}, from which no upcaster leads \
                     to {current}"
                );
                return Err((ReplayCause::UnknownSchema, what));
            };
            let failed = |error: Failure| {
                let what = format!("the upcaster of {event_type} from schema {schema}: {error}");
                (ReplayCause::Upcaster, what)
            };
            match step {
                Step::Rename(name, number) => {
                    (event_type, schema) = (Cow::Owned(name.clone().into_owned()), *number);
                }
                Step::Json(upcast) => {
                    let value = data.into_json().map_err(failed)?;
                    data = UpcastData::Json(upcast(value).map_err(failed)?);
                    schema += 1;
                }
                Step::Raw(upcast) => {
                    let (content, bytes) = data.into_bytes().map_err(failed)?;
                    let name = Cow::Owned(event_type.clone().into_owned());
                    let raw = RawEvent { event_type: name, schema, content, data: bytes };
                    let next = upcast(raw).map_err(failed)?;
                    (event_type, schema) = (next.event_type, next.schema);
                    data = UpcastData::Raw(next.content, next.data);
                }
            }
        }
        let what = format!("its upcasters lead in a circle, by {event_type} in schema {schema}");
        Err((ReplayCause::Upcaster, what))
    }
}

impl UpcastData {
    fn into_json(self) -> Result<Value, Failure> {
        match self {
            Self::Json(value) => Ok(value),
            Self::Raw(ContentKind::Json, bytes) => Ok(serde_json::from_slice(&bytes)?),
            Self::Raw(..) => Err("it changes JSON, and the data is something else".into()),
        }
    }

    fn into_bytes(self) -> Result<(ContentKind, Bytes), Failure> {
        match self {
            Self::Json(value) => Ok((ContentKind::Json, serde_json::to_vec(&value)?.into())),
            Self::Raw(content, bytes) => Ok((content, bytes)),
        }
    }
}

impl fmt::Debug for Upcasters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currents = self.types.iter().map(|(name, schemas)| (name, schemas.current));
        f.debug_map().entries(currents).finish()
    }
}
