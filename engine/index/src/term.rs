//! What events are found by, beside their stream.

use annals_types::{EventId, Facts, StoreId, category};
use smallvec::SmallVec;

use crate::keyed::Keyed;

/// A category, type, tag, correlation id or causation id, as a keyed hash of 64 bits. Two of them
/// may share one, so an event found by a term is a candidate that its reader verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term(u64);

impl Term {
    /// The term with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Makes the terms of one store. The key is the store's id, so that nobody who does not know it can
/// choose texts that meet in one term.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    keyed: Keyed,
}

impl Terms {
    /// Those of this store.
    #[must_use]
    pub fn new(store: StoreId) -> Self {
        Self { keyed: Keyed::new(store) }
    }

    /// The term of a category.
    #[must_use]
    pub fn category(&self, category: &str) -> Term {
        self.term(b'c', category.as_bytes())
    }

    /// The term of an event type.
    #[must_use]
    pub fn event_type(&self, event_type: &str) -> Term {
        self.term(b't', event_type.as_bytes())
    }

    /// The term of a tag.
    #[must_use]
    pub fn tag(&self, tag: &str) -> Term {
        self.term(b'g', tag.as_bytes())
    }

    /// The term of a correlation id.
    #[must_use]
    pub fn correlation(&self, id: EventId) -> Term {
        self.term(b'r', &id.to_bytes())
    }

    /// The term of a causation id.
    #[must_use]
    pub fn causation(&self, id: EventId) -> Term {
        self.term(b'u', &id.to_bytes())
    }

    /// The key of a kept state; of what kind, the number says.
    #[must_use]
    pub fn state(&self, role: u8, name: &str, fold: &str) -> Term {
        // How much of it is the name stands behind both.
        let length = (name.len() as u64).to_le_bytes();
        let text = [name.as_bytes(), fold.as_bytes(), &length, &[role]].concat();
        self.term(b's', &text)
    }

    /// The term that every event of a stream has: its category's.
    #[must_use]
    pub fn of_stream(&self, stream: &str) -> Term {
        self.category(category(stream))
    }

    /// Appends the terms of an event to `out`, each once.
    pub fn of(&self, event: &impl Facts, out: &mut SmallVec<[Term; 6]>) {
        self.of_event(self.of_stream(event.stream()), event, out);
    }

    /// The same for who knows already what [`Self::of_stream`] gives for its stream.
    pub fn of_event(&self, of_stream: Term, event: &impl Facts, out: &mut SmallVec<[Term; 6]>) {
        let begin = out.len();
        out.push(of_stream);
        out.push(self.event_type(event.event_type()));
        if let Some(id) = event.correlation_id() {
            out.push(self.correlation(id));
        }
        if let Some(id) = event.causation_id() {
            out.push(self.causation(id));
        }
        event.each_tag(&mut |tag| {
            let term = self.tag(tag);
            if !out.get(begin..).unwrap_or_default().contains(&term) {
                out.push(term);
            }
        });
    }

    fn term(&self, kind: u8, text: &[u8]) -> Term {
        // The kind last: the text stands alone in front of it, so that no two of them are one run
        // of bytes.
        Term(self.keyed.of_both(text, kind))
    }
}

#[cfg(test)]
mod tests {
    use annals_types::{NewEvent, NewFacts};

    use super::*;

    #[test]
    fn an_event_has_each_of_its_terms_once() {
        let terms = Terms::new(StoreId([7; 16]));
        let event = NewEvent::json("Paid", "{}").tag("a").tag("b").tag("a").correlation_id(1);
        let mut out = SmallVec::new();
        terms.of(&NewFacts { stream: "order-1", event: &event }, &mut out);
        let expected = [
            terms.category("order"),
            terms.event_type("Paid"),
            terms.correlation(EventId::from_u128(1)),
            terms.tag("a"),
            terms.tag("b"),
        ];
        assert_eq!(out.as_slice(), expected);
        assert_ne!(terms.tag("a"), terms.event_type("a"));
        assert_ne!(terms.tag("a"), Terms::new(StoreId([8; 16])).tag("a"));
    }
}
