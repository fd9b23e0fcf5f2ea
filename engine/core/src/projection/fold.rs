//! What a projection is: a name, a query, and what an event does to the state.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use annals_types::{Query, Read, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::{Applied, Event, EventReader, ReplayCause, ReplayFault, StateKey, StateRole};

/// A state that is folded from the events of a store.
///
/// It is kept as JSON, so what serde makes of it must be JSON: the keys of its maps texts or whole
/// numbers, its floats finite.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use annals::{
///     Applied, Event, ExpectedVersion, NewEvent, Projection, Projector, Query, QueryItem, Store,
/// };
/// use serde::{Deserialize, Serialize};
///
/// /// What each customer has paid, in cents.
/// #[derive(Default, Serialize, Deserialize)]
/// struct Payments(BTreeMap<u64, u64>);
///
/// #[derive(Deserialize)]
/// struct Paid {
///     customer: u64,
///     cents: u64,
/// }
///
/// impl Projection for Payments {
///     const NAME: &'static str = "payments";
///
///     fn query() -> Query {
///         QueryItem::new().event_type("Paid").into()
///     }
///
///     fn apply(&mut self, event: &Event) -> Applied {
///         let paid: Paid = serde_json::from_slice(event.data())?;
///         *self.0.entry(paid.customer).or_default() += paid.cents;
///         Ok(())
///     }
/// }
///
/// let store = Store::in_memory()?;
/// let paid = NewEvent::json("Paid", r#"{"customer":7,"cents":4200}"#);
/// store.append("order-1", ExpectedVersion::Any, &[paid.clone(), paid])?;
///
/// let mut payments = Projector::<Payments>::open(store.clone())?;
/// payments.catch_up()?;
/// assert_eq!(payments.state().0[&7], 8400);
///
/// // As it stood behind the first event; nothing is kept.
/// let then = Payments::over(&store.as_of(annals::Position::new(1))?)?;
/// assert_eq!(then.0[&7], 4200);
/// # Ok::<(), annals::Error>(())
/// ```
pub trait Projection: Default + Serialize + DeserializeOwned + 'static {
    /// Under which name it is kept: its own in the store, at most
    /// [`FOLD_NAME_BYTES_MAX`](crate::limits::FOLD_NAME_BYTES_MAX) bytes.
    const NAME: &'static str;

    /// The version of the state's schema. Where another is kept, the state is made again from the
    /// first event on: raise it whenever the type or what [`Projection::apply`] does changes.
    const SCHEMA: u32 = 1;

    /// Which events it is made from; all where nothing else is said. A change of it is a change of
    /// the schema.
    #[must_use]
    fn query() -> Query {
        Query::all()
    }

    /// Folds one event in. It must depend on nothing but the state and the event.
    ///
    /// # Errors
    /// Why the event does not fit; the error of `serde_json` is told as
    /// [`Payload`](ReplayCause::Payload), any other as [`Refused`](ReplayCause::Refused). What was
    /// changed before is undone.
    fn apply(&mut self, event: &Event) -> Applied;

    /// The state that everything which `reader` shows comes to. Nothing is kept.
    ///
    /// # Errors
    /// As [`Fold::over`].
    fn over(reader: &dyn EventReader) -> Result<Self> {
        Fold::of().over(reader)
    }
}

/// A projection as a value: a [`Projection`], or one that is made at run time.
///
/// ```
/// use annals::{ExpectedVersion, Fold, NewEvent, Projector, QueryItem, Store};
///
/// let store = Store::in_memory()?;
/// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Placed", "{}")])?;
/// store.append("user-1", ExpectedVersion::Any, &[NewEvent::json("Named", "{}")])?;
///
/// let category = "order";
/// let events = Fold::new(format!("events of {category}"), |count: &mut u64, _| {
///     *count += 1;
///     Ok(())
/// });
/// let events = events.matching(QueryItem::new().category(category));
/// assert_eq!(events.over(&store)?, 1);
///
/// let mut kept = Projector::with(store, events)?;
/// kept.catch_up()?;
/// assert_eq!(*kept.state(), 1);
/// # Ok::<(), annals::Error>(())
/// ```
pub struct Fold<S> {
    name: Cow<'static, str>,
    schema: u32,
    query: Query,
    apply: Arc<Apply<S>>,
}

type Apply<S> = dyn Fn(&mut S, &Event) -> Applied + Send + Sync;

impl<S> Fold<S> {
    /// A fold of all events, of schema 1. What `name` and `apply` must be is said of
    /// [`Projection::NAME`] and [`Projection::apply`].
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        apply: impl Fn(&mut S, &Event) -> Applied + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), schema: 1, query: Query::all(), apply: Arc::new(apply) }
    }

    /// The fold that a [`Projection`] is.
    #[must_use]
    pub fn of() -> Self
    where
        S: Projection,
    {
        Self::new(S::NAME, S::apply).schema(S::SCHEMA).matching(S::query())
    }

    /// With this version of the state's schema.
    #[must_use]
    pub fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// Only of events that the query names.
    #[must_use]
    pub fn matching(mut self, query: impl Into<Query>) -> Self {
        self.query = query.into();
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state that everything which `reader` shows comes to: a view of the past gives the state
    /// as it was then. Nothing is kept.
    ///
    /// # Errors
    /// [`Replay`](crate::ErrorKind::Replay) with the event that could not be folded in,
    /// [`Invalid`](crate::ErrorKind::Invalid) for a query outside the limits, and what reading
    /// gives; damage ends it too.
    pub fn over(&self, reader: &dyn EventReader) -> Result<S>
    where
        S: Default,
    {
        let mut state = S::default();
        for event in reader.read(self.reading()) {
            self.apply(&mut state, &event?)?;
        }
        Ok(state)
    }

    /// Its events, from the first one on.
    pub(super) fn reading(&self) -> Read {
        if self.query.is_all() { Read::all() } else { Read::all().matching(self.query.clone()) }
    }

    /// Folds an event in; after a fault the state is not to be looked at again.
    pub(super) fn apply(&self, state: &mut S, event: &Event) -> Result<(), ReplayFault> {
        ReplayFault::guard(event, || {
            (self.apply)(state, event).map_err(|error| {
                let is_payload = error.is::<serde_json::Error>();
                let cause = if is_payload { ReplayCause::Payload } else { ReplayCause::Refused };
                ReplayFault::new(event, cause, error)
            })
        })
    }

    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    pub(super) fn schema_kept(&self) -> u32 {
        self.schema
    }

    /// Under which key its states are kept.
    pub(super) fn key(&self) -> StateKey {
        let (name, fold) = (self.name.clone().into_owned(), String::new());
        StateKey { role: StateRole::Projection, name, fold }
    }

    /// Checks name and query against the limits.
    pub(super) fn check(&self) -> Result<()> {
        limits::check_projection_name(&self.name)?;
        self.query.check().map_err(Error::from)
    }
}

impl<S> Clone for Fold<S> {
    fn clone(&self) -> Self {
        let (name, query) = (self.name.clone(), self.query.clone());
        Self { name, schema: self.schema, query, apply: Arc::clone(&self.apply) }
    }
}

impl<S> fmt::Debug for Fold<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Fold");
        shown.field("name", &self.name).field("schema", &self.schema).field("query", &self.query);
        shown.finish_non_exhaustive()
    }
}
