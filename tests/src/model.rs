//! The reference store: a vector of events and a few maps, with the verbs and the meaning of the
//! real one. Slow and plain, so that it can be seen to be right.
//!
//! [`Model`] is what is in a store; [`ReferenceStore`] puts it behind the traits of the real one.

mod reference;

use std::collections::{BTreeMap, HashMap};

use annals::{
    Checkpoint, Commit, Epoch, ErrorKind, EventId, ExpectedVersion, Facts, Invalid, NewEvent,
    Position, Query, Read, Timestamp, Version, category, limits,
};

pub use reference::{ReferenceStore, ReferenceView};

/// A commit to one stream in any state.
#[must_use]
pub fn any(stream: impl Into<String>, events: Vec<NewEvent>) -> Commit<'static> {
    expecting(stream, ExpectedVersion::Any, events)
}

/// A commit to one stream.
#[must_use]
pub fn expecting(
    stream: impl Into<String>,
    expected: impl Into<ExpectedVersion>,
    events: Vec<NewEvent>,
) -> Commit<'static> {
    Commit::new().append(stream.into(), expected, events)
}

/// What an accepted commit was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Position of its first event.
    pub first_position: Position,
    /// Position of its last event.
    pub position: Position,
    /// Its stamp, where the model knows it.
    pub recorded_at: Option<Timestamp>,
    /// Its epoch, where the model knows it.
    pub epoch: Option<Epoch>,
    /// Its streams in the order in which they were named, each with its first and its last version.
    pub streams: Vec<(String, Version, Version)>,
    /// It was there before.
    pub repeated: bool,
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
    /// The epoch it was written in, where the model knows it.
    pub epoch: Option<Epoch>,
    /// The id that the store derived for it, where it is known.
    pub derived_id: Option<EventId>,
    /// What was appended.
    pub event: NewEvent,
}

impl Facts for Recorded {
    fn stream(&self) -> &str {
        &self.stream
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

/// A commit of the model, and where it ends.
#[derive(Clone, Debug)]
struct Committed {
    commit: Commit<'static>,
    end: Position,
}

/// What is in a store. Every reading verb takes the position up to which it looks, so that one model
/// answers for each state that the store was in.
#[derive(Clone, Debug, Default)]
pub struct Model {
    events: Vec<Recorded>,
    streams: BTreeMap<String, Vec<usize>>,
    ids: HashMap<EventId, Position>,
    commits: Vec<Committed>,
    /// The epochs, each with the head behind which it began.
    epochs: Vec<(Epoch, Position)>,
    /// The latest moment as of which the opened store was looked at.
    told: Option<Timestamp>,
}

impl Model {
    /// A store without events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The store was opened for writing.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.epochs.push((epoch, self.head()));
        self.told = None;
    }

    /// The store is looked at as of a moment: what it held then does not change while it is open.
    pub fn tell(&mut self, moment: Timestamp) {
        self.told = self.told.max(Some(moment));
    }

    /// All reasons for which the store must refuse `commit` when its clock shows `now`; it names one
    /// of them. None where it takes the commit, or has it already.
    #[must_use]
    pub fn refusals(&self, commit: &Commit<'_>, now: Timestamp) -> Vec<ErrorKind> {
        if let Err(invalid) = commit.check() {
            return vec![ErrorKind::Invalid(invalid)];
        }
        // Before anything else: a retry meets what its first try has changed.
        if self.repeated(commit).is_some() {
            return Vec::new();
        }
        // Of several the store names any: those of commits in flight it meets later.
        let reused =
            self.known_ids(commit).map(|(id, position)| ErrorKind::IdReused { id, position });
        let reused: Vec<ErrorKind> = reused.collect();
        if !reused.is_empty() {
            return reused;
        }
        let mut refusals = Vec::new();
        for (stream, expected) in commit.expectations() {
            let actual = self.version(stream, Position::MAX);
            if !expected.holds(actual) {
                let stream = stream.clone().into_owned();
                refusals.push(ErrorKind::Conflict { stream, expected: *expected, actual });
            }
        }
        for condition in commit.conditions() {
            if let Some(position) = self.first_match(&condition.query, condition.after) {
                refusals.push(ErrorKind::ConditionFailed { position });
            }
            if condition.after > self.head() {
                refusals.push(invalid("a condition behind the head"));
            }
        }
        if let Some(moment) = commit.wanted_stamp()
            && (moment > now
                || moment < self.newest_stamp().unwrap_or(Timestamp::MIN)
                || self.told.is_some_and(|told| moment <= told))
        {
            refusals.push(invalid("a stamp out of order"));
        }
        refusals
    }

    /// What the commit was given when it came first, where the store has it already.
    #[must_use]
    pub fn repeated(&self, commit: &Commit<'_>) -> Option<Written> {
        let (_, position) = self.known_ids(commit).next()?;
        let number = self.commits.partition_point(|first| first.end < position);
        let first = self.commits.get(number)?;
        let same = first.commit.events().eq(commit.events());
        same.then(|| Written { repeated: true, ..self.written(number) })
    }

    /// Those of the commit's ids that the store has.
    fn known_ids(&self, commit: &Commit<'_>) -> impl Iterator<Item = (EventId, Position)> {
        commit.ids().filter_map(|id| Some((id, self.find_id(id)?)))
    }

    fn find_id(&self, id: EventId) -> Option<Position> {
        let derived = || self.events.iter().find(|event| event.derived_id == Some(id));
        self.ids.get(&id).copied().or_else(|| derived().map(|event| event.position))
    }

    fn first_match(&self, query: &Query, after: Position) -> Option<Position> {
        let behind = self.events.iter().filter(|event| event.position > after);
        behind.into_iter().find(|event| query.matches(*event)).map(|event| event.position)
    }

    /// Takes the events in, whatever speaks against them.
    pub fn accept(
        &mut self,
        commit: &Commit<'static>,
        recorded_at: Option<Timestamp>,
        epoch: Option<Epoch>,
    ) -> Written {
        for (name, event) in commit.events() {
            let position = self.head().plus(1);
            if let Some(id) = event.id {
                self.ids.insert(id, position);
            }
            let stream = self.streams.entry(name.to_owned()).or_default();
            stream.push(self.events.len());
            self.events.push(Recorded {
                position,
                version: Version::new(stream.len() as u64),
                stream: name.to_owned(),
                recorded_at,
                epoch,
                derived_id: None,
                event: event.clone(),
            });
        }
        self.commits.push(Committed { commit: commit.clone(), end: self.head() });
        self.written(self.commits.len() - 1)
    }

    fn written(&self, number: usize) -> Written {
        let Committed { commit, end } = &self.commits[number];
        let events = self.events(*end);
        let events = &events[events.len() - commit.events().count()..];
        let of_stream = |name: &str| {
            let mut versions = events.iter().filter(|event| event.stream == name);
            let first = versions.next().expect("a commit writes its streams").version;
            (name.to_owned(), first, versions.last().map_or(first, |event| event.version))
        };
        Written {
            first_position: events[0].position,
            position: *end,
            recorded_at: events[0].recorded_at,
            epoch: events[0].epoch,
            streams: commit.streams().iter().map(|(name, _)| of_stream(name)).collect(),
            repeated: false,
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

    /// Remembers the stamp of the event at `position`, where it was not known.
    pub fn learn_stamp(&mut self, position: Position, stamp: Timestamp) {
        if let Some(event) = self.index(position).and_then(|index| self.events.get_mut(index)) {
            event.recorded_at.get_or_insert(stamp);
        }
    }

    /// Forgets the commits behind `position`, which must be the end of one: a crash took them.
    pub fn cut(&mut self, position: Position) {
        self.commits.retain(|commit| commit.end <= position);
        self.events.retain(|event| event.position <= position);
        self.ids.retain(|_, at| *at <= position);
        let left = self.events.len();
        self.streams.retain(|_, events| {
            events.retain(|index| *index < left);
            !events.is_empty()
        });
        self.epochs.retain(|(_, head)| *head <= position);
    }

    /// The epochs of the history, each with the head behind which it began.
    pub fn epochs(&self) -> impl Iterator<Item = (Epoch, Position)> {
        self.epochs.iter().copied()
    }

    /// The newest position.
    #[must_use]
    pub fn head(&self) -> Position {
        Position::new(self.events.len() as u64)
    }

    /// The commits in order, each with the position of its last event.
    pub fn commits(&self) -> impl DoubleEndedIterator<Item = (&Commit<'static>, Position)> {
        self.commits.iter().map(|committed| (&committed.commit, committed.end))
    }

    /// Whether `position` is the end of a commit, or lies before the first.
    #[must_use]
    pub fn is_between_commits(&self, position: Position) -> bool {
        position == Position::START || self.commits.iter().any(|commit| commit.end == position)
    }

    /// The newest event's stamp, where there is one and it is known.
    #[must_use]
    pub fn newest_stamp(&self) -> Option<Timestamp> {
        self.events.last().and_then(|event| event.recorded_at)
    }

    /// The last position up to `head` that was stamped at `moment` or before.
    #[must_use]
    pub fn position_at(&self, moment: Timestamp, head: Position) -> Position {
        let past = self.events(head).iter().filter(|event| event.stamp() <= moment);
        past.last().map_or(Position::START, |event| event.position)
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

    /// The checkpoint behind `position`, where the model knows it.
    #[must_use]
    pub fn checkpoint(&self, position: Position) -> Option<Checkpoint> {
        match self.event(position) {
            Some(event) => Some(Checkpoint { epoch: event.epoch?, position }),
            None => (position == Position::START).then_some(Checkpoint::START),
        }
    }

    /// Whether the history has the checkpoint: its epoch is there, and no later one began before it.
    fn knows(&self, checkpoint: Checkpoint) -> bool {
        let Checkpoint { epoch, position } = checkpoint;
        let mut later = self.epochs.iter().skip_while(|(known, _)| *known != epoch);
        position == Position::START
            || (later.next().is_some() && later.all(|(_, head)| *head >= position))
    }

    /// What `read` gives, up to `head`.
    ///
    /// # Errors
    /// Why the store must refuse it.
    pub fn read(&self, read: &Read, head: Position) -> Result<Vec<&Recorded>, ErrorKind> {
        match &read.stream {
            Some(name) => limits::check_stream_name(name).map_err(ErrorKind::Invalid)?,
            None if read.from_version.is_some() => return Err(invalid("no stream's version")),
            None => {}
        }
        if let Some(query) = &read.query {
            query.check().map_err(ErrorKind::Invalid)?;
        }
        if let Some(checkpoint) = read.checkpoint
            && !self.knows(checkpoint)
        {
            return Err(ErrorKind::HistoryLost { checkpoint });
        }
        let mut found: Vec<&Recorded> = match &read.stream {
            Some(name) => self.stream(name, head),
            None => self.events(head).iter().collect(),
        };
        found.retain(|event| {
            read.query.as_ref().is_none_or(|query| query.matches(*event))
                && read.from_version.is_none_or(|bound| event.version >= bound)
                && event.position >= read.from
                && read.checkpoint.is_none_or(|bound| event.position > bound.position)
                && read.since.is_none_or(|bound| event.stamp() >= bound)
                && read.until.is_none_or(|bound| event.stamp() < bound)
        });
        if read.backward {
            found.reverse();
        }
        let limit =
            read.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        found.truncate(limit);
        Ok(found)
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

impl Recorded {
    fn stamp(&self) -> Timestamp {
        self.recorded_at.expect("reading by time needs events whose stamp is known")
    }
}

fn invalid(what: &str) -> ErrorKind {
    ErrorKind::Invalid(Invalid::Other(what.to_owned()))
}
