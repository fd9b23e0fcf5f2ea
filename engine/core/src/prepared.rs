//! What the index will be told of a commit, made before the log's lock is taken.

use std::sync::Arc;

use annals_index::{Entry, Term, Terms};
use annals_types::{Commit, EventId, NewFacts, Position, Version};
use smallvec::SmallVec;

/// A commit as the index will take it in. `N` is the name of a stream.
pub(crate) struct Prepared<N> {
    /// The streams that it writes, in the order of [`Commit::streams`].
    pub(crate) streams: SmallVec<[PreparedStream<N>; 1]>,
    events: SmallVec<[PreparedEvent; 1]>,
    /// The terms of all events, end to end.
    terms: SmallVec<[Term; 6]>,
}

pub(crate) struct PreparedStream<N> {
    pub(crate) name: N,
    pub(crate) events: u64,
    /// What its events have in common.
    term: Term,
    /// Known once the commit has its place.
    pub(crate) first_version: Version,
    /// The number of its last event in the commit, from 0.
    pub(crate) last: u64,
}

struct PreparedEvent {
    stream: u32,
    /// Its number among the commit's events of its stream, from 0.
    offset: u32,
    /// Where its terms end.
    terms: u32,
    id: Option<EventId>,
}

impl<'a> Prepared<&'a str> {
    pub(crate) fn new(terms: &Terms, commit: &'a Commit<'_>) -> Self {
        let count = commit.parts().iter().map(|part| part.events.len()).sum();
        let mut prepared = Self {
            streams: SmallVec::new(),
            events: SmallVec::with_capacity(count),
            // Of most events a category and a type.
            terms: SmallVec::with_capacity(2 * count),
        };
        for part in commit.parts() {
            for event in part.events.iter() {
                prepared.push(terms, NewFacts { stream: &part.stream, event });
            }
        }
        prepared
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a commit within the limits has far fewer events and terms"
    )]
    fn push(&mut self, terms: &Terms, facts: NewFacts<'a>) {
        let known = self.streams.iter().position(|stream| stream.name == facts.stream);
        let number = known.unwrap_or(self.streams.len());
        if known.is_none() {
            let (first_version, name) = (Version::NONE, facts.stream);
            let term = terms.of_stream(name);
            self.streams.push(PreparedStream { name, events: 0, term, first_version, last: 0 });
        }
        let Some(stream) = self.streams.get_mut(number) else { return };
        let offset = stream.events as u32;
        stream.events += 1;
        stream.last = self.events.len() as u64;
        terms.of_event(stream.term, &facts, &mut self.terms);
        let (id, terms) = (facts.event.id, self.terms.len() as u32);
        self.events.push(PreparedEvent { stream: number as u32, offset, terms, id });
    }

    /// The same, for who keeps it.
    pub(crate) fn into_owned(self) -> Prepared<Arc<str>> {
        let streams = self.streams.into_iter().map(|stream| PreparedStream {
            name: Arc::from(stream.name),
            events: stream.events,
            term: stream.term,
            first_version: stream.first_version,
            last: stream.last,
        });
        Prepared { streams: streams.collect(), events: self.events, terms: self.terms }
    }
}

impl<N: AsRef<str>> Prepared<N> {
    /// How many events there are.
    pub(crate) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    /// The ids that the caller set, and the numbers of their events from 0.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (EventId, u64)> {
        (0..).zip(&self.events).filter_map(|(number, event)| Some((event.id?, number)))
    }

    /// The terms of each event.
    pub(crate) fn each_terms(&self) -> impl Iterator<Item = &[Term]> {
        let mut begin = 0;
        self.events.iter().map(move |event| {
            let end = event.terms as usize;
            let terms = self.terms.get(begin..end).unwrap_or_default();
            begin = end;
            terms
        })
    }

    /// The entries of the index, for a commit whose first event stands at `first`.
    pub(crate) fn entries(&self, first: Position) -> impl Iterator<Item = Entry<'_>> {
        (0..).zip(&self.events).zip(self.each_terms()).filter_map(
            move |((number, event), terms)| {
                let stream = self.streams.get(event.stream as usize)?;
                #[cfg(annals_canary)]
                let terms = match annals_env::canary::is("the second stream is not indexed") {
                    true if event.stream > 0 => &[],
                    _ => terms,
                };
                Some(Entry {
                    position: first.plus(number),
                    stream: stream.name.as_ref(),
                    version: stream.first_version.plus(u64::from(event.offset)),
                    id: event.id,
                    terms,
                })
            },
        )
    }
}
