//! The index that is obviously right.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_env::sync::Mutex;
use annals_types::{EventId, Place, Position, Version, category};

use crate::{Covers, Entry, Index, Result, StreamFilter, StreamHead, Term};

/// Most positions of a term that it gives at once.
const PAGE: usize = 1000;

/// An index that keeps every event in maps and looks at all of them for every answer.
#[derive(Debug, Default)]
pub struct Model {
    state: Mutex<State>,
    saved: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    covers: Position,
    streams: BTreeMap<String, Vec<StreamHead>>,
    terms: BTreeMap<Term, BTreeSet<Position>>,
    ids: BTreeMap<EventId, Vec<Position>>,
    /// With what took their places.
    kept: BTreeMap<(Term, Place), Option<Place>>,
}

impl Model {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The one that was last saved, or an empty one.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self { state: Mutex::new(self.saved.lock().clone()), saved: Arc::clone(&self.saved) }
    }
}

impl Index for Model {
    fn covers(&self) -> Position {
        self.state.lock().covers
    }

    fn take_in(&self, entries: &[Entry<'_>]) {
        let mut state = self.state.lock();
        for &Entry { position, stream, version, id, terms } in entries {
            if position <= state.covers {
                continue;
            }
            let last = state.streams.get(stream).and_then(|events| events.last());
            if version <= last.map_or(Version::NONE, |last| last.version) {
                return;
            }
            let event = StreamHead { version, position };
            state.streams.entry(stream.to_owned()).or_default().push(event);
            for term in terms {
                state.terms.entry(*term).or_default().insert(position);
            }
            if let Some(id) = id {
                state.ids.entry(id).or_default().push(position);
            }
            state.covers = position;
        }
    }

    fn head(&self, stream: &str, after: Position, up_to: Position) -> Result<Option<StreamHead>> {
        let head = self.state.lock().head(stream, up_to);
        Ok(head.filter(|head| head.position > after))
    }

    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        let state = self.state.lock();
        let events = state.streams.get(stream).into_iter().flatten();
        let wanted = events.filter(|event| event.version >= from && event.position <= up_to);
        out.extend(wanted.map(|event| event.position).take(limit));
        Ok(())
    }

    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        let state = self.state.lock();
        let events = state.streams.get(stream).into_iter().flatten().rev();
        let wanted = events.filter(|event| event.version <= from && event.position <= up_to);
        out.extend(wanted.map(|event| event.position).take(limit));
        Ok(())
    }

    fn postings(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        out.extend(self.state.lock().carriers(term, from..=to).take(PAGE));
        Ok(())
    }

    fn postings_back(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        out.extend(self.state.lock().carriers(term, from..=to).rev().take(PAGE));
        Ok(())
    }

    fn estimate(&self, term: Term, from: Position, to: Position) -> Result<u64> {
        Ok(self.state.lock().carriers(term, from..=to).count() as u64)
    }

    fn find_id(&self, id: EventId, after: Position, out: &mut Vec<Position>) -> Result<()> {
        let state = self.state.lock();
        let all = state.ids.get(&id).into_iter().flatten();
        out.extend(all.filter(|position| **position > after));
        Ok(())
    }

    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) -> Result<()> {
        let state = self.state.lock();
        let wanted = state.streams.keys().filter(|name| {
            let named = match filter {
                StreamFilter::All => true,
                StreamFilter::Category(wanted) => category(name) == wanted,
                StreamFilter::Prefix(prefix) => name.starts_with(prefix),
            };
            named && after.is_none_or(|after| name.as_str() > after)
        });
        let heads = wanted.filter_map(|name| Some((name.clone(), state.head(name, up_to)?)));
        out.extend(heads.take(limit));
        Ok(())
    }

    fn stream_count(&self, up_to: Position) -> Result<u64> {
        let state = self.state.lock();
        let begun = state.streams.values().filter_map(|events| events.first());
        Ok(begun.filter(|first| first.position <= up_to).count() as u64)
    }

    fn keep(&self, key: Term, place: Place, superseded: &[Place]) {
        let mut state = self.state.lock();
        state.kept.entry((key, place)).or_default();
        for old in superseded {
            state.kept.entry((key, *old)).or_default().get_or_insert(place);
        }
    }

    fn kept(&self, key: Term, before: Place) -> Result<Option<Place>> {
        let state = self.state.lock();
        let standing = state.kept.iter().filter(|(_, by)| by.is_none());
        let places = standing.map(|(&kept, _)| kept).filter(|kept| kept.0 == key);
        Ok(places.map(|kept| kept.1).filter(|place| *place < before).max())
    }

    fn memory_bytes(&self) -> u64 {
        0
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn save(&self, covers: Covers) -> Result<()> {
        let mut saved = self.state.lock().up_to(covers.place.position);
        saved.kept.retain(|(_, place), _| *place <= covers.place);
        for by in saved.kept.values_mut() {
            *by = by.filter(|by| *by <= covers.place);
        }
        *self.saved.lock() = saved;
        Ok(())
    }

    fn save_events(&self) -> u64 {
        u64::MAX
    }
}

impl State {
    fn head(&self, stream: &str, up_to: Position) -> Option<StreamHead> {
        let events = self.streams.get(stream)?;
        events.iter().rfind(|event| event.position <= up_to).copied()
    }

    fn carriers(
        &self,
        term: Term,
        between: RangeInclusive<Position>,
    ) -> impl DoubleEndedIterator<Item = Position> {
        let all = self.terms.get(&term).filter(|_| !between.is_empty());
        all.into_iter().flat_map(move |all| all.range(between.clone())).copied()
    }

    /// What there was at the position `covers`.
    fn up_to(&self, covers: Position) -> Self {
        let mut cut = Self { covers, ..self.clone() };
        cut.streams.retain(|_, events| {
            events.retain(|event| event.position <= covers);
            !events.is_empty()
        });
        cut.terms.values_mut().for_each(|all| all.retain(|position| *position <= covers));
        cut.ids.values_mut().for_each(|all| all.retain(|position| *position <= covers));
        cut
    }
}
