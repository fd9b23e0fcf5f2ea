//! A projection in a store, kept up to date.

use std::fmt;

use annals_types::{Checkpoint, Invalid, Place, Position, Query};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keeping::check;
use super::pass::{Passed, pass};
use crate::error::{Error, ErrorKind, Result};
use crate::{Event, EventReader, EventStore, Fold, Projection, Store};

/// A projection of a store: its state, and the checkpoint up to which events are folded in.
///
/// Both are kept together in the log, so they agree after any crash: each event counts once.
/// Between two saves the state is in memory only, and what was folded in since is folded in again
/// by who opens the projection next. One projector at a time should work on a name; two do not
/// harm each other's states, but do the work twice.
///
/// Only durable events are folded in: in a [`Buffered`](crate::Durability::Buffered) store the
/// state lags behind what is visible until [`Store::sync`] or the background's.
///
/// # In a database of your own
/// Who keeps the state in a database of his own follows the store instead ([`Store::follow`]), and
/// writes what the events come to and the follower's checkpoint in one transaction there:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::time::Duration;
///
/// use annals::{Checkpoint, ErrorKind, ExpectedVersion, Followed, NewEvent, Store};
///
/// /// Stands for a database: what it holds changes as one.
/// #[derive(Clone, Default)]
/// struct Tables {
///     events_by_stream: BTreeMap<String, u64>,
///     checkpoint: Checkpoint,
/// }
///
/// fn catch_up(store: &Store, database: &mut Tables) -> annals::Result<()> {
///     let mut follower = store.follow().resume(database.checkpoint).start()?;
///     let mut transaction = database.clone();
///     while let Followed::Event(event) = follower.next_within(Duration::ZERO)? {
///         *transaction.events_by_stream.entry(event.stream().to_owned()).or_default() += 1;
///     }
///     transaction.checkpoint = follower.checkpoint();
///     *database = transaction; // the commit
///     Ok(())
/// }
///
/// let store = Store::in_memory()?;
/// let mut database = Tables::default();
/// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Placed", "{}")])?;
/// catch_up(&store, &mut database)?;
/// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Paid", "{}")])?;
/// catch_up(&store, &mut database)?;
/// assert_eq!(database.events_by_stream["order-1"], 2);
///
/// // A store that does not have the checkpoint in its history is told from one that does.
/// let refused = catch_up(&Store::in_memory()?, &mut database).unwrap_err();
/// assert!(matches!(refused.kind(), ErrorKind::HistoryLost { .. }));
/// # Ok::<(), annals::Error>(())
/// ```
pub struct Projector<S, E = Store> {
    pub(super) store: E,
    pub(super) fold: Fold<S>,
    pub(super) state: S,
    /// Everything up to here is folded in.
    pub(super) at: Position,
    /// The same, as of the last save or the end of the last pass.
    pub(super) checkpoint: Checkpoint,
    pub(super) started: Started,
    /// The kept state that this one goes back to; none where it began at the first event.
    pub(super) base: Option<Place>,
    /// Kept states that the next one takes the place of.
    pub(super) superseded: Vec<Place>,
    /// Events between two saves; none where only the caller saves.
    pub(super) save_every: Option<u64>,
    /// Folded in since the last save.
    pub(super) unsaved: Unsaved,
    /// What the last kept state took, in bytes.
    pub(super) kept_bytes: usize,
    pub(super) stopped: Option<Error>,
}

/// Where a [`Projector`] began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Started {
    /// From the first event on: nothing was kept.
    New,
    /// From the kept state at this checkpoint.
    Resumed(Checkpoint),
    /// From the first event on: what is kept has this schema, which is another one.
    OtherSchema(u32),
    /// From the first event on: what is kept does not decode, for this reason.
    Undecodable(String),
    /// From the first event on: the store's history no longer has the checkpoint of what is kept,
    /// since a crash or a restored copy took events away.
    HistoryLost(Checkpoint),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsaved {
    pub(super) events: u64,
    pub(super) bytes: usize,
    pub(super) positions: u64,
}

impl<P: Projection, E: EventStore> Projector<P, E> {
    /// Opens the projection in a store, as [`Projector::with`].
    ///
    /// # Errors
    /// As [`Projector::with`].
    pub fn open(store: E) -> Result<Self> {
        Self::with(store, Fold::of())
    }
}

impl<S, E> Projector<S, E>
where
    S: Default + Serialize + DeserializeOwned,
    E: EventStore,
{
    /// Events between two saves of a long catching up, unless told otherwise.
    pub const SAVE_EVERY: u64 = 10_000;

    /// Opens the projection that `fold` is in a store: with the newest state that is kept of it,
    /// or, where none is of use, before the first event. [`Projector::started`] tells which.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a name or a query outside the limits, and what reading
    /// gives.
    pub fn with(store: E, fold: Fold<S>) -> Result<Self> {
        fold.check()?;
        let mut projector = Self {
            store,
            fold,
            state: S::default(),
            at: Position::START,
            checkpoint: Checkpoint::START,
            started: Started::New,
            base: None,
            superseded: Vec::new(),
            save_every: Some(Self::SAVE_EVERY),
            unsaved: Unsaved::default(),
            kept_bytes: 0,
            stopped: None,
        };
        projector.resume()?;
        Ok(projector)
    }

    /// Saves after so many events in a long catching up, instead of
    /// [`SAVE_EVERY`](Self::SAVE_EVERY): but only once as many bytes of data were read as the last
    /// state took, so that saving costs no more than reading. At the end it saves in any case, if
    /// an event was folded in or the checkpoint moved so far over events of others.
    #[must_use]
    pub fn save_every(mut self, events: u64) -> Self {
        self.save_every = Some(events.max(1));
        self
    }

    /// Saves only at [`Projector::save`].
    #[must_use]
    pub fn save_by_hand(mut self) -> Self {
        self.save_every = None;
        self
    }

    /// Folds in everything that is durable and not folded in yet, and keeps the state.
    ///
    /// # Errors
    /// - [`Replay`](ErrorKind::Replay) for an event that could not be folded in. The state is then
    ///   that of all events in front of it, or, where even those do not fold in again, the one kept
    ///   last; the next time begins there.
    /// - [`Invalid`](ErrorKind::Invalid) for a state that is too large to keep: it goes on in
    ///   memory.
    /// - [`HistoryLost`](ErrorKind::HistoryLost), what reading gives ([`Damaged`](ErrorKind::Damaged)
    ///   too: nothing is left out), and as [`Store::commit`] where keeping the state fails.
    pub fn catch_up(&mut self) -> Result<()> {
        pass(&mut [self])
    }

    /// Begins again from the first event. What is kept stays until the new state is first saved.
    ///
    /// # Errors
    /// As [`Projector::catch_up`].
    pub fn rebuild(&mut self) -> Result<()> {
        self.begin_again();
        self.base = None;
        self.catch_up()
    }

    /// Keeps state and checkpoint now, in the place of what was kept before. When it returns, they
    /// have survived what the store's [`Durability`](crate::Durability) says; until then a crash
    /// leaves what was kept before.
    ///
    /// # Errors
    /// As [`Store::keep_state`]; [`Invalid`](ErrorKind::Invalid) also for a state that cannot be
    /// written as JSON.
    pub fn save(&mut self) -> Result<()> {
        self.keep(self.store.checkpoint_at(self.at))
    }

    /// The state that everything up to [`Projector::checkpoint`] comes to.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The state, kept or not.
    pub fn into_state(self) -> S {
        self.state
    }

    /// How far the state has come.
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// Where it began.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// Why the last catching up ended early, if it did.
    pub fn failure(&self) -> Option<&Error> {
        self.stopped.as_ref()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.fold.name()
    }
}

impl Unsaved {
    pub(super) fn add(&mut self, event: &Event) {
        self.events += 1;
        self.bytes = self.bytes.saturating_add(event.data().len());
    }
}

impl<S, E> Passed for Projector<S, E>
where
    S: Default + Serialize + DeserializeOwned,
    E: EventStore,
{
    fn durable(&self) -> Box<dyn EventReader> {
        self.store.durable()
    }

    fn begin(&mut self, reader: &dyn EventReader) -> Result<()> {
        self.stopped = None;
        let head = reader.position();
        if self.store.checkpoint_at(head) != reader.checkpoint_at(head) {
            let message = "projections of different stores cannot share a pass: \
                           catch up those of each store by themselves";
            return Err(Invalid::Other(message.to_owned()).into());
        }
        if self.at > head {
            let message = format!(
                "the projection {} stands at {}, and the store comes only to {head}",
                self.fold.name(),
                self.at
            );
            return Err(Invalid::Other(message).into());
        }
        check(reader, self.checkpoint)
    }

    fn at(&self) -> Position {
        self.at
    }

    fn query(&self) -> &Query {
        self.fold.query()
    }

    fn give(&mut self, reader: &dyn EventReader, event: &Event) {
        if let Err(fault) = self.fold.apply(&mut self.state, event) {
            let recovered = self.recover(reader, event.position());
            self.stopped = Some(recovered.err().unwrap_or_else(|| fault.into()));
            return;
        }
        self.reach(event.position());
        self.unsaved.add(event);
        if self.is_due() {
            #[cfg(annals_canary)]
            if annals_env::canary::is("a projection's checkpoint is ahead of its state") {
                _ = self.keep(reader.checkpoint());
                return;
            }
            match self.keep(reader.checkpoint_at(self.at)) {
                Ok(()) => {}
                // It is too large, and will not be smaller soon: the end of the pass tries again.
                Err(error) if matches!(error.kind(), ErrorKind::Invalid(_)) => {
                    self.kept_bytes = usize::MAX;
                }
                Err(error) => self.stopped = Some(error),
            }
        }
    }

    fn reach(&mut self, position: Position) {
        let passed = position.get().saturating_sub(self.at.get());
        self.unsaved.positions = self.unsaved.positions.saturating_add(passed);
        self.at = self.at.max(position);
    }

    fn stop(&mut self, why: Error) {
        self.stopped = Some(why);
    }

    fn stopped(&self) -> Option<&Error> {
        self.stopped.as_ref()
    }

    fn finish(&mut self, reader: &dyn EventReader) {
        self.checkpoint = reader.checkpoint_at(self.at);
        let Some(every) = self.save_every else { return };
        // A checkpoint that only moved over events of others is kept now and then.
        let is_worth = self.unsaved.events > 0 || self.unsaved.positions >= every.max(1);
        if is_worth && let Err(error) = self.keep(self.checkpoint) {
            self.stopped.get_or_insert(error);
        }
    }
}

impl<S: fmt::Debug, E> fmt::Debug for Projector<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Projector");
        shown.field("fold", &self.fold).field("state", &self.state).field("at", &self.at);
        shown.finish_non_exhaustive()
    }
}
