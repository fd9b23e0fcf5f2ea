//! The reference store: a vector of events and two maps, with the verbs and the meaning of the real
//! one. Slow and plain, so that it can be seen to be right.

use std::collections::{BTreeMap, HashMap, HashSet};

use annals::{EventId, ExpectedVersion, NewEvent, Position, Timestamp, Version, category, limits};

use crate::query::Query;

/// One append, as a caller asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: String,
    /// What the caller expects of it.
    pub expected: ExpectedVersion,
    /// The events.
    pub events: Vec<NewEvent>,
    /// The caller's stamp, where it brings one.
    pub recorded_at: Option<Timestamp>,
    /// Whether it waits for the disk in a buffered store too.
    pub durable: bool,
}

impl Append {
    /// An append to a stream in any state.
    #[must_use]
    pub fn any(stream: impl Into<String>, events: Vec<NewEvent>) -> Self {
        Self {
            stream: stream.into(),
            expected: ExpectedVersion::Any,
            events,
            recorded_at: None,
            durable: false,
        }
    }
}

/// Why the store must refuse an append. Several reasons may hold; the store names one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stream is at another version.
    Conflict(Version),
    /// An earlier event has the id.
    IdReused(EventId, Position),
    /// Something about the arguments.
    Invalid,
}

/// What an accepted append was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Version of its first event.
    pub first_version: Version,
    /// Version of its last event.
    pub version: Version,
    /// Position of its first event.
    pub first_position: Position,
    /// Position of its last event.
    pub position: Position,
}

/// An event of the model.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its position.
    pub position: Position,
    /// Its version.
    pub version: Version,
    /// Its stream.
    pub stream: String,
    /// Its stamp, where the model knows it.
    pub recorded_at: Option<Timestamp>,
    /// The number of the epoch it was written in, where the model knows it.
    pub epoch: Option<u32>,
    /// The id that the store derived for it, where it is known.
    pub derived_id: Option<EventId>,
    /// What was appended.
    pub event: NewEvent,
}

/// A stream of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// The position of its newest event.
    pub position: Position,
}

/// Which streams to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All.
    All,
    /// Those of a category.
    Category(String),
    /// Those whose name begins so.
    Prefix(String),
}

/// The reference store. Every reading verb takes the position up to which it looks, so that one
/// model answers for each state that the store was in.
#[derive(Clone, Debug, Default)]
pub struct Model {
    events: Vec<Recorded>,
    streams: BTreeMap<String, Vec<usize>>,
    ids: HashMap<EventId, Position>,
    commit_ends: Vec<Position>,
}

impl Model {
    /// A store without events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All reasons for which the store must refuse `append` when its clock shows `now`.
    #[must_use]
    pub fn refusals(&self, append: &Append, now: Timestamp) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if limits::check_commit(&append.stream, &append.events).is_err() {
            refusals.push(Refusal::Invalid);
        }
        let actual = self.version(&append.stream, Position::MAX);
        if !append.expected.holds(actual) {
            refusals.push(Refusal::Conflict(actual));
        }
        let mut seen = HashSet::new();
        for id in append.events.iter().filter_map(|event| event.id) {
            if let Some(&position) = self.ids.get(&id) {
                refusals.push(Refusal::IdReused(id, position));
            }
            if !seen.insert(id) {
                refusals.push(Refusal::Invalid);
            }
        }
        if let Some(moment) = append.recorded_at
            && (moment > now || moment < self.newest_stamp().unwrap_or(Timestamp::MIN))
        {
            refusals.push(Refusal::Invalid);
        }
        refusals
    }

    /// Takes the events in, whatever speaks against them.
    pub fn accept(
        &mut self,
        append: &Append,
        recorded_at: Option<Timestamp>,
        epoch: Option<u32>,
    ) -> Written {
        let before = self.version(&append.stream, Position::MAX);
        let head = self.head();
        for (index, event) in (1..).zip(&append.events) {
            let position = head.plus(index);
            if let Some(id) = event.id {
                self.ids.insert(id, position);
            }
            let stream = self.streams.entry(append.stream.clone()).or_default();
            stream.push(self.events.len());
            self.events.push(Recorded {
                position,
                version: before.plus(index),
                stream: append.stream.clone(),
                recorded_at,
                epoch,
                derived_id: None,
                event: event.clone(),
            });
        }
        self.commit_ends.push(self.head());
        Written {
            first_version: before.plus(1),
            version: self.version(&append.stream, Position::MAX),
            first_position: head.plus(1),
            position: self.head(),
        }
    }

    /// Remembers the id that the store derived for the event at `position`; it must never change.
    pub fn learn_derived_id(&mut self, position: Position, id: EventId) {
        if let Some(event) = self.index(position).and_then(|index| self.events.get_mut(index))
            && event.event.id.is_none()
        {
            event.derived_id = Some(id);
        }
    }

    /// Forgets the commits behind `position`, which must be the end of one: a crash took them.
    pub fn cut(&mut self, position: Position) {
        self.commit_ends.retain(|end| *end <= position);
        self.events.retain(|event| event.position <= position);
        self.ids.retain(|_, at| *at <= position);
        let left = self.events.len();
        self.streams.retain(|_, events| {
            events.retain(|index| *index < left);
            !events.is_empty()
        });
    }

    /// The newest position.
    #[must_use]
    pub fn head(&self) -> Position {
        Position::new(self.events.len() as u64)
    }

    /// The last position of each commit.
    #[must_use]
    pub fn commit_ends(&self) -> &[Position] {
        &self.commit_ends
    }

    /// The commit whose first event stands behind `head`, as it could be appended again.
    #[must_use]
    pub fn commit_behind(&self, head: Position) -> Option<Append> {
        let end = self.commit_ends.iter().find(|end| **end > head)?;
        let events = self.events(*end).iter().filter(|event| event.position > head);
        let stream = self.event(*end)?.stream.clone();
        Some(Append::any(stream, events.map(|event| event.event.clone()).collect()))
    }

    /// The newest event's stamp, where there is one and it is known.
    #[must_use]
    pub fn newest_stamp(&self) -> Option<Timestamp> {
        self.events.last().and_then(|event| event.recorded_at)
    }

    /// All events up to `head`.
    #[must_use]
    pub fn events(&self, head: Position) -> &[Recorded] {
        let count = usize::try_from(head.get()).unwrap_or(usize::MAX);
        &self.events[..count.min(self.events.len())]
    }

    /// The event at `position`.
    #[must_use]
    pub fn event(&self, position: Position) -> Option<&Recorded> {
        self.index(position).and_then(|index| self.events.get(index))
    }

    /// What `query` reads, up to `head`; `None` where the store must refuse it.
    #[must_use]
    pub fn read(&self, query: &Query, head: Position) -> Option<Vec<&Recorded>> {
        if query.is_invalid() {
            return None;
        }
        let stamp = |event: &Recorded| {
            event.recorded_at.expect("reading by time needs events whose stamp is known")
        };
        let mut found: Vec<&Recorded> = match &query.stream {
            Some(name) => self.stream(name, head),
            None => self.events(head).iter().collect(),
        };
        found.retain(|event| {
            query.from_version.is_none_or(|bound| event.version >= bound)
                && query.from.is_none_or(|bound| event.position >= bound)
                && query.after.is_none_or(|bound| event.position > bound)
                && query.since.is_none_or(|bound| stamp(event) >= bound)
                && query.until.is_none_or(|bound| stamp(event) < bound)
        });
        if query.backward {
            found.reverse();
        }
        let limit =
            query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        found.truncate(limit);
        Some(found)
    }

    /// The newest event of a stream, up to `head`.
    #[must_use]
    pub fn last_event(&self, stream: &str, head: Position) -> Option<&Recorded> {
        self.stream(stream, head).pop()
    }

    /// A stream's version, up to `head`.
    #[must_use]
    pub fn version(&self, stream: &str, head: Position) -> Version {
        self.last_event(stream, head).map_or(Version::NONE, |event| event.version)
    }

    /// The streams that `filter` names, up to `head`, ordered by the bytes of their names.
    #[must_use]
    pub fn streams(&self, filter: &Filter, head: Position) -> Vec<StreamState> {
        let named = |name: &str| match filter {
            Filter::All => true,
            Filter::Category(wanted) => category(name) == wanted,
            Filter::Prefix(prefix) => name.starts_with(prefix.as_str()),
        };
        let names = self.streams.keys().filter(|name| named(name));
        names
            .filter_map(|name| {
                let last = self.last_event(name, head)?;
                Some(StreamState {
                    name: name.clone(),
                    version: last.version,
                    position: last.position,
                })
            })
            .collect()
    }

    fn stream(&self, name: &str, head: Position) -> Vec<&Recorded> {
        let indexes = self.streams.get(name).map_or(&[][..], Vec::as_slice);
        let events = indexes.iter().map(|index| &self.events[*index]);
        events.take_while(|event| event.position <= head).collect()
    }

    fn index(&self, position: Position) -> Option<usize> {
        usize::try_from(position.get().checked_sub(1)?).ok()
    }
}
