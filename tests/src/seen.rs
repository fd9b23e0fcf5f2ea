//! A projection of the tests, as the engine folds it and as the model does.

use std::hash::{DefaultHasher, Hash, Hasher};

use annals::{Event, Facts, Fold, Position, QueryItem, StateKey, StateRole};
use serde::{Deserialize, Serialize};

use crate::model::Model;

/// What events are folded into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    events: u64,
    /// Depends on each event and on their order.
    digest: u64,
}

impl Seen {
    fn see(&mut self, position: Position, stream: &str, data: &[u8]) {
        let mut hasher = DefaultHasher::new();
        (self.digest, position, stream, data).hash(&mut hasher);
        self.digest = hasher.finish();
        self.events += 1;
    }
}

/// The projection with this name is one of orders only.
pub const ORDERS: &str = "orders";

fn item(name: &str) -> Option<QueryItem> {
    (name == ORDERS).then(|| QueryItem::new().category("order"))
}

/// The projection with this name: of all events, unless it is that of [`ORDERS`].
#[must_use]
pub fn fold(name: &'static str) -> Fold<Seen> {
    let fold = Fold::new(name, |seen: &mut Seen, event: &Event| {
        seen.see(event.position(), event.stream(), event.data());
        Ok(())
    });
    match item(name) {
        Some(item) => fold.matching(item),
        None => fold,
    }
}

/// What the model's events up to the position come to.
#[must_use]
pub fn folded(model: &Model, name: &str, position: Position) -> Seen {
    let mut seen = Seen::default();
    for event in model.events(position) {
        if item(name).is_none() || annals::category(event.stream()) == "order" {
            seen.see(event.position, &event.stream, &event.event.data);
        }
    }
    seen
}

/// The key of a projection's states.
#[must_use]
pub fn key(name: &str) -> StateKey {
    StateKey { role: StateRole::Projection, name: name.to_owned(), fold: String::new() }
}
