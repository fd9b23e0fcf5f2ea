//! States that folds came to, kept in the log: snapshots of aggregates, and projections with their
//! checkpoints. Each can be made again from the events; nothing relies on one further than that.

use annals_env::sync::atomic::Ordering;
use annals_index::{Term, Terms};
use annals_log::{Draft, LogError};
use annals_types::{
    Checkpoint, Invalid, KeptState, NewState, Place, Position, StateKey, StateRole, limits,
};

use crate::append::beyond_head;
use crate::error::Result;
use crate::store::Engine;
use crate::{Store, View};

/// The key under which the index finds it.
pub(crate) fn term(terms: &Terms, key: &StateKey) -> Term {
    let role = match key.role {
        StateRole::Projection => 2,
        _ => 1,
    };
    terms.state(role, &key.name, &key.fold)
}

impl View {
    /// The newest state kept under `key`, of those that stood in the log before any event that the
    /// view does not show and, where a place is given, before that.
    ///
    /// # Errors
    /// I/O errors. A state that is damaged is passed over: an older one, or the events, will do.
    pub fn kept_state(&self, key: &StateKey, before: Option<Place>) -> Result<Option<KeptState>> {
        let source = &*self.source;
        let end = Place::event(self.position.plus(1));
        #[cfg(annals_canary)]
        let end = match annals_env::canary::is("a view finds a later state") {
            true => Place::event(Position::MAX),
            false => end,
        };
        let mut before = before.map_or(end, |before| before.min(end));
        let term = term(&source.terms, key);
        while let Some(place) = source.index.kept(term, before)? {
            let record = source.reader.kept_at(place)?.map(|record| record.kept);
            let is_it = record.as_ref().is_some_and(|kept| kept.state.key == *key);
            if is_it {
                return Ok(record);
            }
            before = place;
        }
        Ok(None)
    }
}

impl Store {
    /// Keeps a state in the log, in the place of those kept under the same key at `superseded`, and
    /// tells its own place. When it returns, the state has survived what the store's
    /// [`Durability`](crate::Durability) says. After a crash it is there whole or not at all, and
    /// what it supersedes is there until it is.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) outside the [`limits`](crate::limits), for a checkpoint
    /// beyond the newest event, for a snapshot whose checkpoint is not the event with its version,
    /// and for a place behind the end of the log; [`HistoryLost`](crate::ErrorKind::HistoryLost) for
    /// a checkpoint that is not in the store's history; and as [`Store::commit`] where writing fails.
    pub fn keep_state(&self, state: &NewState, superseded: &[Place]) -> Result<Place> {
        self.engine.keep_state(state, superseded)
    }
}

impl Engine {
    fn keep_state(&self, state: &NewState, superseded: &[Place]) -> Result<Place> {
        let mut superseded = superseded.to_vec();
        superseded.sort_unstable();
        superseded.dedup();
        limits::check_state(state, &superseded)?;
        let (position, head) = (state.checkpoint.position, self.source.head().position());
        if position > head {
            return Err(beyond_head("a kept state", position, head).into());
        }
        self.source.check(state.checkpoint)?;
        self.check_snapshot(state)?;
        // Nothing was folded in before the first event: no epoch belongs to it.
        let mut state = state.clone();
        if position == Position::START {
            state.checkpoint = Checkpoint::START;
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(LogError::Closed.into());
        }
        let mut draft = Draft::kept(&state, &superseded);
        let key = term(&self.terms, &state.key);
        let mut guard = self.log.lock();
        guard.make_room(&draft)?;
        if superseded.last().is_some_and(|last| *last > guard.last()) {
            let message = "a state that is not in the store cannot be superseded".to_owned();
            return Err(Invalid::Other(message).into());
        }
        let appended = guard.append(&mut draft, None)?;
        guard.publisher().keep(appended.last, key, superseded);
        #[cfg(annals_canary)]
        if annals_env::canary::is("a kept state is told before it is durable") {
            guard.submit()?;
            return Ok(appended.last);
        }
        guard.finish(&appended, false)?;
        self.kept_unsaved.store(true, Ordering::Relaxed);
        Ok(appended.last)
    }

    /// A snapshot's checkpoint is the event with its version; of one that is gone for good nobody
    /// can tell.
    fn check_snapshot(&self, state: &NewState) -> Result<()> {
        let (key, version, position) = (&state.key, state.version, state.checkpoint.position);
        if key.role != StateRole::Snapshot {
            return Ok(());
        }
        let is_it = match position {
            Position::START => false,
            position => self
                .log
                .reader()
                .event(position)?
                .is_none_or(|event| event.stream() == key.name && event.version() == version),
        };
        if is_it {
            return Ok(());
        }
        let message =
            format!("a snapshot says that event {position} is version {version} of {}", key.name);
        Err(Invalid::Other(message + ": it is not").into())
    }
}
