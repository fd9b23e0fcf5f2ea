//! The reference store behind the traits of the real one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals::{
    AsOf, Checkpoint, Commit, Epoch, Error, ErrorKind, Event, EventReader, EventStore, Events,
    Invalid, KeptState, NewState, Place, Position, Read, Receipt, Result, StateKey, StoreId,
    StreamInfo, StreamReceipt, Timestamp, Version, limits,
};

use super::{Filter, Model, Recorded, Written};

/// A [`Model`] that is appended to and read as the real store is.
///
/// What only the real store can know it is told before each commit ([`ReferenceStore::expect`]).
#[derive(Clone, Debug)]
pub struct ReferenceStore {
    shared: Arc<Mutex<State>>,
}

/// A reference store at a position.
#[derive(Clone, Debug)]
pub struct ReferenceView {
    shared: Arc<Mutex<State>>,
    head: Position,
}

#[derive(Debug)]
struct State {
    model: Model,
    store: StoreId,
    now: Timestamp,
    recorded_at: Timestamp,
    epoch: Epoch,
    kept: Vec<KeptState>,
}

impl ReferenceStore {
    /// An empty one with this identity.
    #[must_use]
    pub fn new(store: StoreId) -> Self {
        let (now, recorded_at) = (Timestamp::MIN, Timestamp::MIN);
        let (epoch, kept) = (Epoch::default(), Vec::new());
        let state = State { model: Model::new(), store, now, recorded_at, epoch, kept };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// It is opened in this epoch.
    pub fn begin_epoch(&self, epoch: Epoch) {
        let mut state = lock(&self.shared);
        state.model.begin_epoch(epoch);
        state.epoch = epoch;
    }

    /// It is looked at as of a moment.
    pub fn tell(&self, moment: Timestamp) {
        lock(&self.shared).model.tell(moment);
    }

    /// What the next commit meets: a clock that shows `now`, and the stamp that it gets where it
    /// brings none.
    pub fn expect(&self, now: Timestamp, recorded_at: Timestamp) {
        let mut state = lock(&self.shared);
        state.now = now;
        state.recorded_at = recorded_at;
    }

    /// Looks at what is in it.
    pub fn with<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&lock(&self.shared).model)
    }

    /// Commits, as [`EventStore::commit`]; or all reasons that there are to refuse it.
    ///
    /// # Errors
    /// The reasons.
    pub fn decide(&self, commit: &Commit<'_>) -> Result<Receipt, Vec<ErrorKind>> {
        let mut state = lock(&self.shared);
        let refusals = state.model.refusals(commit, state.now);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        if let Some(written) = state.model.repeated(commit) {
            return Ok(receipt(written));
        }
        let recorded_at = commit.wanted_stamp().unwrap_or(state.recorded_at);
        let epoch = state.epoch;
        let written = state.model.accept(&owned(commit), Some(recorded_at), Some(epoch));
        // Ids that nobody set are ids too.
        for number in written.first_position.get()..=written.position.get() {
            let position = Position::new(number);
            let id = state.model.event(position).map(|event| compose(event, state.store).id());
            state.model.learn_derived_id(position, id.expect("it was just taken in"));
        }
        Ok(receipt(written))
    }

    /// The store as it was at a position.
    #[must_use]
    pub fn as_of(&self, head: Position) -> ReferenceView {
        ReferenceView { shared: Arc::clone(&self.shared), head }
    }
}

impl EventStore for ReferenceStore {
    fn commit(&self, commit: &Commit<'_>) -> Result<Receipt> {
        self.decide(commit).map_err(|refusals| refused(refusals[0].clone()))
    }

    fn keep_state(&self, new: &NewState, superseded: &[Place]) -> Result<Place> {
        let mut state = lock(&self.shared);
        state.kept.retain(|kept| kept.state.key != new.key || !superseded.contains(&kept.place));
        let position = state.model.head();
        let newest = state.kept.last().map(|kept| kept.place);
        let behind = newest.filter(|newest| newest.position == position);
        let place = Place { position, k: behind.map_or(0, |newest| newest.k) + 1 };
        let recorded_at = state.now;
        state.kept.push(KeptState { state: new.clone(), place, recorded_at });
        Ok(place)
    }

    fn head(&self) -> Box<dyn EventReader> {
        Box::new(self.as_of(EventReader::position(self)))
    }

    fn durable(&self) -> Box<dyn EventReader> {
        self.head()
    }
}

impl EventReader for ReferenceStore {
    fn position(&self) -> Position {
        lock(&self.shared).model.head()
    }

    fn as_of(&self, point: AsOf) -> Result<Box<dyn EventReader>> {
        self.head().as_of(point)
    }

    fn read(&self, read: Read) -> Events {
        self.head().read(read)
    }

    fn version(&self, stream: &str) -> Result<Version> {
        self.head().version(stream)
    }

    fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        self.head().last_event(stream)
    }

    fn kept_state(&self, key: &StateKey, before: Option<Place>) -> Result<Option<KeptState>> {
        self.head().kept_state(key, before)
    }

    fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send> {
        self.head().streams(prefix)
    }

    fn checkpoint_at(&self, position: Position) -> Checkpoint {
        self.head().checkpoint_at(position)
    }
}

impl EventReader for ReferenceView {
    fn position(&self) -> Position {
        self.head
    }

    fn as_of(&self, point: AsOf) -> Result<Box<dyn EventReader>> {
        let state = lock(&self.shared);
        let yet_to_come = || refused(ErrorKind::Invalid(Invalid::Other("yet to come".to_owned())));
        let head = match point {
            AsOf::Position(position) if position > self.head => return Err(yet_to_come()),
            AsOf::Position(position) => position,
            AsOf::Moment(moment) if moment >= state.now => return Err(yet_to_come()),
            AsOf::Moment(moment) => {
                let recorded = |position: &Position| {
                    let event = state.model.event(*position);
                    event.and_then(|event| event.recorded_at).is_some_and(|at| at <= moment)
                };
                let positions = (1..=self.head.get()).map(Position::new);
                positions.take_while(recorded).last().unwrap_or_default()
            }
        };
        drop(state);
        Ok(Box::new(Self { shared: Arc::clone(&self.shared), head }))
    }

    fn read(&self, read: Read) -> Events {
        let state = lock(&self.shared);
        let events: Vec<Result<Event>> = match state.model.read(&read, self.head) {
            Ok(found) => found.into_iter().map(|event| Ok(compose(event, state.store))).collect(),
            Err(kind) => vec![Err(refused(kind))],
        };
        Events::from_other(events.into_iter())
    }

    fn version(&self, stream: &str) -> Result<Version> {
        limits::check_stream_name(stream)?;
        Ok(lock(&self.shared).model.version(stream, self.head))
    }

    fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        limits::check_stream_name(stream)?;
        let state = lock(&self.shared);
        Ok(state.model.last_event(stream, self.head).map(|event| compose(event, state.store)))
    }

    fn kept_state(&self, key: &StateKey, before: Option<Place>) -> Result<Option<KeptState>> {
        let state = lock(&self.shared);
        let found = state.kept.iter().rev().find(|kept| {
            kept.state.key == *key
                && kept.state.checkpoint.position <= self.head
                && before.is_none_or(|before| kept.place < before)
        });
        Ok(found.cloned())
    }

    fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send> {
        let filter = Filter::Prefix(prefix.to_owned());
        let found = lock(&self.shared).model.streams(&filter, self.head);
        Box::new(
            found
                .into_iter()
                .map(|one| Ok(StreamInfo::from_other(one.name, one.version, one.position))),
        )
    }

    fn checkpoint_at(&self, position: Position) -> Checkpoint {
        lock(&self.shared).model.checkpoint(position).unwrap_or_default()
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(kind: ErrorKind) -> Error {
    let message = format!("refused: {kind:?}");
    Error::from_other(kind, message)
}

fn receipt(written: Written) -> Receipt {
    let Written { first_position, position, recorded_at, epoch, streams, repeated } = written;
    let streams = streams
        .iter()
        .map(|(name, first, last)| StreamReceipt::from_other(name, *first, *last))
        .collect();
    let (recorded_at, epoch) = (recorded_at.unwrap_or_default(), epoch.unwrap_or_default());
    let mut receipt = Receipt::from_other(first_position, position, recorded_at, epoch, streams);
    receipt.repeated = repeated;
    receipt
}

fn compose(event: &Recorded, store: StoreId) -> Event {
    let Recorded { position, version, stream, recorded_at, epoch, event, .. } = event;
    let (recorded_at, epoch) = (recorded_at.unwrap_or_default(), epoch.unwrap_or_default());
    Event::compose(*position, *version, stream, recorded_at, epoch, store, event)
}

/// The same events, for ever; what was expected of them is of no use later.
fn owned(commit: &Commit<'_>) -> Commit<'static> {
    commit.parts().iter().fold(Commit::new(), |owned, part| {
        owned.append(
            part.stream.clone().into_owned(),
            annals::ExpectedVersion::Any,
            part.events.clone().into_owned(),
        )
    })
}
