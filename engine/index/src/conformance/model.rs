//! The index that is obviously right.

use std::collections::BTreeMap;

use annals_env::sync::Mutex;
use annals_types::{EventId, Position, Version, category};

use crate::{Entry, Index, StreamFilter, StreamHead};

/// An index that keeps every event in maps and looks at all of them for every answer.
#[derive(Debug, Default)]
pub struct Model {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    covers: Position,
    streams: BTreeMap<String, Vec<StreamHead>>,
    ids: BTreeMap<EventId, Vec<Position>>,
}

impl Model {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Index for Model {
    fn covers(&self) -> Position {
        self.state.lock().covers
    }

    fn apply(&self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        let mut state = self.state.lock();
        for Entry { position, stream, version, id } in entries {
            if position <= state.covers {
                continue;
            }
            let last = state.streams.get(stream).and_then(|events| events.last());
            if version <= last.map_or(Version::NONE, |last| last.version) {
                return;
            }
            let event = StreamHead { version, position };
            state.streams.entry(stream.to_owned()).or_default().push(event);
            if let Some(id) = id {
                state.ids.entry(id).or_default().push(position);
            }
            state.covers = position;
        }
    }

    fn head(&self, stream: &str, up_to: Position) -> Option<StreamHead> {
        self.state.lock().head(stream, up_to)
    }

    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) {
        let state = self.state.lock();
        let events = state.streams.get(stream).into_iter().flatten();
        let wanted = events.filter(|event| event.version >= from && event.position <= up_to);
        out.extend(wanted.map(|event| event.position).take(limit));
    }

    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) {
        let state = self.state.lock();
        let events = state.streams.get(stream).into_iter().flatten().rev();
        let wanted = events.filter(|event| event.version <= from && event.position <= up_to);
        out.extend(wanted.map(|event| event.position).take(limit));
    }

    fn find_id(&self, id: EventId, out: &mut Vec<Position>) {
        out.extend(self.state.lock().ids.get(&id).into_iter().flatten());
    }

    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) {
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
    }

    fn memory_bytes(&self) -> u64 {
        0
    }

    fn stream_count(&self) -> u64 {
        self.state.lock().streams.len() as u64
    }
}

impl State {
    fn head(&self, stream: &str, up_to: Position) -> Option<StreamHead> {
        let events = self.streams.get(stream)?;
        events.iter().rfind(|event| event.position <= up_to).copied()
    }
}
