//! A query as the index understands it.

use annals_index::{Term, Terms};
use annals_types::{Query, QueryItem};

/// A query in terms. What it finds are candidates: terms are hashes, so [`Query::matches`] has the
/// last word.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    all: bool,
    items: Vec<LookupItem>,
}

/// An item in terms.
#[derive(Clone, Debug)]
pub(crate) struct LookupItem {
    /// Terms that an event must have all of.
    pub(crate) every: Vec<Term>,
    /// Terms of which it must have one, unless there are none.
    pub(crate) one_of: Vec<Term>,
}

impl Lookup {
    pub(crate) fn new(terms: &Terms, query: &Query) -> Self {
        let items = query.items().iter().map(|item| LookupItem::new(terms, item)).collect();
        Self { all: query.is_all(), items }
    }

    /// Whether it looks for every event.
    pub(crate) fn is_all(&self) -> bool {
        self.all
    }

    pub(crate) fn items(&self) -> &[LookupItem] {
        &self.items
    }

    /// Whether an event with these terms may be one that is looked for.
    pub(crate) fn may_match(&self, terms: &[Term]) -> bool {
        self.may_be_among(|wanted| terms.contains(&wanted))
    }

    /// Whether an event that is looked for may be among those that have terms as `has` says.
    pub(crate) fn may_be_among(&self, mut has: impl FnMut(Term) -> bool) -> bool {
        self.all
            || self.items.iter().any(|item| {
                item.every.iter().all(|&term| has(term))
                    && (item.one_of.is_empty() || item.one_of.iter().any(|&term| has(term)))
            })
    }
}

impl LookupItem {
    /// In the order in which [`names`] tells of them.
    fn new(terms: &Terms, item: &QueryItem) -> Self {
        let mut every = Vec::with_capacity(item.named_tags().len() + 1);
        every.extend(item.named_category().map(|category| terms.category(category)));
        every.extend(item.named_correlation_id().map(|id| terms.correlation(id)));
        every.extend(item.named_causation_id().map(|id| terms.causation(id)));
        every.extend(item.named_tags().iter().map(|tag| terms.tag(tag)));
        let one_of = item.named_types().iter().map(|kind| terms.event_type(kind)).collect();
        Self { every, one_of }
    }

    /// All its terms.
    pub(crate) fn terms(&self) -> impl Iterator<Item = Term> {
        self.every.iter().chain(&self.one_of).copied()
    }
}

/// What the terms of an item stand for, in their order, for people.
pub(crate) fn names(item: &QueryItem) -> impl Iterator<Item = String> {
    let category = item.named_category().map(|category| format!("category {category}"));
    let correlation = item.named_correlation_id().map(|id| format!("correlation {id}"));
    let causation = item.named_causation_id().map(|id| format!("causation {id}"));
    let tags = item.named_tags().iter().map(|tag| format!("tag {tag}"));
    let types = item.named_types().iter().map(|kind| format!("type {kind}"));
    category.into_iter().chain(correlation).chain(causation).chain(tags).chain(types)
}
