//! What the index will be told of a commit, made before the log's lock is taken.

use std::sync::Arc;

use annals_index::{Entry, Index, Term, Terms};
use annals_types::{Commit, CommitPart, EventId, NewFacts, Position, Version};
use smallvec::SmallVec;

/// A commit as the index will take it in. `N` is the name of a stream.
pub(crate) struct Prepared<N> {
    /// The streams that it writes, in the order of [`Commit::streams`].
    pub(crate) streams: SmallVec<[PreparedStream<N>; 1]>,
    events: SmallVec<[PreparedEvent; 1]>,
    /// The terms of all events, end to end.
    terms: SmallVec<[Term; 6]>,
    /// The ids that the caller set, and the numbers of their events from 0, in order.
    ids: Vec<(EventId, u32)>,
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
}

impl<'a> Prepared<&'a str> {
    pub(crate) fn new(terms: &Terms, commit: &'a Commit<'_>) -> Self {
        let (streams, ids) = (SmallVec::new(), Vec::new());
        let mut prepared = Self { streams, events: SmallVec::new(), terms: SmallVec::new(), ids };
        for part in commit.parts() {
            prepared.push(terms, part);
        }
        prepared
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a commit within the limits has far fewer events and terms"
    )]
    fn push(&mut self, terms: &Terms, part: &'a CommitPart<'_>) {
        let name: &str = &part.stream;
        let known = self.streams.iter().position(|stream| stream.name == name);
        let number = known.unwrap_or(self.streams.len());
        if known.is_none() {
            let (first_version, term) = (Version::NONE, terms.of_stream(name));
            self.streams.push(PreparedStream { name, events: 0, term, first_version, last: 0 });
        }
        let Some(stream) = self.streams.get_mut(number) else { return };
        self.events.reserve(part.events.len());
        // Of most events a category and a type.
        self.terms.reserve(2 * part.events.len());
        for event in part.events.iter() {
            let facts = NewFacts { stream: name, event };
            terms.of_event(stream.term, &facts, &mut self.terms);
            if let Some(id) = event.id {
                self.ids.push((id, self.events.len() as u32));
            }
            let (offset, terms) = (stream.events as u32, self.terms.len() as u32);
            self.events.push(PreparedEvent { stream: number as u32, offset, terms });
            stream.events += 1;
        }
        stream.last = (self.events.len() as u64).saturating_sub(1);
    }

    /// Takes it out, for who keeps it.
    pub(crate) fn take(&mut self) -> Prepared<Arc<str>> {
        let streams = self.streams.drain(..).map(|stream| PreparedStream {
            name: Arc::from(stream.name),
            events: stream.events,
            term: stream.term,
            first_version: stream.first_version,
            last: stream.last,
        });
        Prepared {
            streams: streams.collect(),
            events: std::mem::take(&mut self.events),
            terms: std::mem::take(&mut self.terms),
            ids: std::mem::take(&mut self.ids),
        }
    }
}

impl<N: AsRef<str>> Prepared<N> {
    /// How many events there are.
    pub(crate) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    /// The ids that the caller set, and the numbers of their events from 0.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (EventId, u64)> {
        self.ids.iter().map(|&(id, number)| (id, u64::from(number)))
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

    /// Tells the index of the commit, whose first event stands at `first`.
    pub(crate) fn tell(&self, index: &dyn Index, first: Position) {
        let mut ids = self.ids.iter().peekable();
        let mut entry = |((number, event), terms): ((u32, &PreparedEvent), _)| {
            let stream = self.streams.get(event.stream as usize)?;
            #[cfg(annals_canary)]
            let terms = match annals_env::canary::is("the second stream is not indexed") {
                true if event.stream > 0 => &[],
                _ => terms,
            };
            Some(Entry {
                position: first.plus(number.into()),
                stream: stream.name.as_ref(),
                version: stream.first_version.plus(event.offset.into()),
                id: ids.next_if(|(_, of)| *of == number).map(|(id, _)| *id),
                terms,
            })
        };
        if let [only] = self.events.as_slice() {
            // Without a list of its own.
            index.take_in(entry(((0, only), &self.terms)).as_slice());
            return;
        }
        let mut entries = Vec::with_capacity(self.events.len());
        entries.extend((0..).zip(&self.events).zip(self.each_terms()).filter_map(entry));
        index.take_in(&entries);
    }
}
