//! Which events a reader or an append condition means.

use crate::limits::{self, Invalid};
use crate::{EventId, NewEvent, category};

/// Names events by what they say of themselves: an event is named where at least one item names it.
///
/// The meaning is that of the Dynamic Consistency Boundary specification, with category,
/// correlation and causation beside its types and tags: <https://dcb.events/specification/>.
///
/// ```
/// use annals_types::{Query, QueryItem};
///
/// let query = Query::any([
///     QueryItem::new().event_type("CourseDefined").tag("course:c1"),
///     QueryItem::new().event_types(["StudentSubscribed", "StudentLeft"]).tag("student:s7"),
/// ]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    items: Vec<QueryItem>,
    all: bool,
}

/// One item of a [`Query`]: everything that it says must hold of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryItem {
    category: Option<String>,
    types: Vec<String>,
    tags: Vec<String>,
    correlation_id: Option<EventId>,
    causation_id: Option<EventId>,
}

/// What a query asks of an event.
pub trait Facts {
    /// Its stream.
    fn stream(&self) -> &str;
    /// Its type.
    fn event_type(&self) -> &str;
    /// Calls `see` with each of its tags.
    fn each_tag(&self, see: &mut dyn FnMut(&str));
    /// What it belongs to.
    fn correlation_id(&self) -> Option<EventId>;
    /// What caused it.
    fn causation_id(&self) -> Option<EventId>;
}

/// An event that is to be appended to a stream.
#[derive(Clone, Copy, Debug)]
pub struct NewFacts<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The event.
    pub event: &'a NewEvent,
}

impl Facts for NewFacts<'_> {
    fn stream(&self) -> &str {
        self.stream
    }

    fn event_type(&self) -> &str {
        &self.event.event_type
    }

    fn each_tag(&self, see: &mut dyn FnMut(&str)) {
        self.event.tags.iter().for_each(|tag| see(tag));
    }

    fn correlation_id(&self) -> Option<EventId> {
        self.event.correlation_id
    }

    fn causation_id(&self) -> Option<EventId> {
        self.event.causation_id
    }
}

impl Query {
    /// Names every event.
    #[must_use]
    pub fn all() -> Self {
        Self { items: Vec::new(), all: true }
    }

    /// Names what any of the items names.
    #[must_use]
    pub fn any(items: impl IntoIterator<Item = QueryItem>) -> Self {
        Self { items: items.into_iter().collect(), all: false }
    }

    /// Its items; none where it names every event.
    #[must_use]
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Whether it names every event.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Whether it names this event: the one meaning that queries, conditions and filters have.
    #[must_use]
    pub fn matches(&self, event: &dyn Facts) -> bool {
        self.all || self.items.iter().any(|item| item.matches(event))
    }

    /// Checks it against the limits.
    ///
    /// # Errors
    /// For a query, or an item of it, with nothing in it; for texts that no event can carry; for
    /// more than [`QUERY_TERMS_MAX`](limits::QUERY_TERMS_MAX) of them.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.all {
            return Ok(());
        }
        if self.items.is_empty() || self.items.iter().any(|item| item.terms() == 0) {
            return Err(Invalid::EmptyQuery);
        }
        limits::check_query_terms(self.items.iter().map(QueryItem::terms).sum())?;
        self.items.iter().try_for_each(QueryItem::check)
    }
}

impl From<QueryItem> for Query {
    fn from(item: QueryItem) -> Self {
        Self::any([item])
    }
}

impl QueryItem {
    /// An item that says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The event's stream is of this category (see [`category`]).
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }

    /// The event has this type, or another one that the item names.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.types.push(event_type.into());
        self
    }

    /// The event has one of these types, or another one that the item names.
    #[must_use]
    pub fn event_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types.extend(types.into_iter().map(Into::into));
        self
    }

    /// The event has this tag, beside the others that the item names.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// The event has all of these tags, beside the others that the item names.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// The event belongs to this.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<EventId>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// The event was caused by this one.
    #[must_use]
    pub fn causation_id(mut self, id: impl Into<EventId>) -> Self {
        self.causation_id = Some(id.into());
        self
    }

    /// The category that it names.
    #[must_use]
    pub fn named_category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// The types that it names; one of them is enough.
    #[must_use]
    pub fn named_types(&self) -> &[String] {
        &self.types
    }

    /// The tags that it names; all of them are wanted.
    #[must_use]
    pub fn named_tags(&self) -> &[String] {
        &self.tags
    }

    /// The correlation id that it names.
    #[must_use]
    pub fn named_correlation_id(&self) -> Option<EventId> {
        self.correlation_id
    }

    /// The causation id that it names.
    #[must_use]
    pub fn named_causation_id(&self) -> Option<EventId> {
        self.causation_id
    }

    /// Whether everything that it says holds of this event.
    #[must_use]
    pub fn matches(&self, event: &dyn Facts) -> bool {
        let named = |wanted: Option<EventId>, actual| wanted.is_none() || wanted == actual;
        self.category.as_ref().is_none_or(|wanted| category(event.stream()) == wanted)
            && (self.types.is_empty() || self.types.iter().any(|kind| kind == event.event_type()))
            && named(self.correlation_id, event.correlation_id())
            && named(self.causation_id, event.causation_id())
            && self.tags.iter().all(|wanted| has_tag(event, wanted))
    }

    /// How many texts and ids it names.
    fn terms(&self) -> usize {
        let ones =
            [self.category.is_some(), self.correlation_id.is_some(), self.causation_id.is_some()];
        self.types.len() + self.tags.len() + ones.into_iter().filter(|there| *there).count()
    }

    fn check(&self) -> Result<(), Invalid> {
        if let Some(category) = &self.category {
            limits::check_category(category)?;
        }
        self.types.iter().try_for_each(|kind| limits::check_event_type(kind))?;
        self.tags.iter().try_for_each(|tag| limits::check_tag(tag))
    }
}

fn has_tag(event: &dyn Facts, wanted: &str) -> bool {
    let mut found = false;
    event.each_tag(&mut |tag| found |= tag == wanted);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> QueryItem {
        QueryItem::new()
    }

    #[test]
    fn types_are_or_tags_are_and_items_are_or() {
        let event = NewEvent::json("Paid", "{}").tag("a").tag("b").correlation_id(7);
        let facts = NewFacts { stream: "order-1", event: &event };
        for (query, named) in [
            (Query::all(), true),
            (Query::any([]), false),
            (item().event_type("Paid").into(), true),
            (item().event_types(["Sent", "Paid"]).into(), true),
            (item().event_type("Sent").into(), false),
            (item().tag("a").into(), true),
            (item().tags(["a", "b"]).into(), true),
            (item().tags(["a", "c"]).into(), false),
            (Query::any([item().tag("c"), item().tag("b")]), true),
            (item().tag("a").event_type("Sent").into(), false),
            (item().category("order").into(), true),
            (item().category("order-1").into(), false),
            (item().correlation_id(7).into(), true),
            (item().causation_id(7).into(), false),
            (item().correlation_id(7).category("order").tag("b").event_type("Paid").into(), true),
        ] {
            assert_eq!(query.matches(&facts), named, "{query:?}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        assert_eq!(Query::any([]).check(), Err(Invalid::EmptyQuery));
        assert_eq!(Query::any([item().tag("a"), item()]).check(), Err(Invalid::EmptyQuery));
        assert!(Query::from(item().tag("")).check().is_err());
        assert!(Query::from(item().category("a-b")).check().is_err());
        let many = (0..10_000).map(|n| format!("tag-{n}"));
        assert!(matches!(
            Query::from(item().tags(many)).check(),
            Err(Invalid::TooLarge { actual: 10_000, .. })
        ));
        assert_eq!(Query::all().check(), Ok(()));
        assert_eq!(Query::from(item().category("")).check(), Ok(()));
    }
}
