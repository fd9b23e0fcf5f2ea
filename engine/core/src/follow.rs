//! Following a store: what is there, then what comes.

use std::sync::Arc;
use std::time::Duration;

use annals_log::Awaited;
use annals_types::{Checkpoint, Position, Query, Read};

use crate::error::Result;
use crate::store::{Engine, Store};
use crate::{Event, Events, ReadOnlyStore};

/// Where to follow a store from, and which events.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("annals-doc-follow-{}", std::process::id()));
/// use annals::{ExpectedVersion, NewEvent, Store};
///
/// let store = Store::open(&dir)?;
/// let mut follower = store.follow().start()?;
/// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Placed", "{}")])?;
/// let event = follower.next().unwrap()?;
/// assert_eq!(event.event_type(), "Placed");
///
/// // Kept somewhere, this goes on behind the event, in another process too.
/// let checkpoint = follower.checkpoint();
/// let mut follower = store.follow().resume(checkpoint).start()?;
/// store.close()?;
/// assert!(follower.next().is_none());
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "following begins with `start`"]
pub struct Follow {
    source: Source,
    after: Position,
    checkpoint: Option<Checkpoint>,
    query: Option<Query>,
    visible: bool,
}

#[derive(Clone, Debug)]
enum Source {
    /// Does not keep the store open.
    Writing(Arc<Engine>),
    Reading(ReadOnlyStore),
}

/// The events of a store in order, those to come included: [`Iterator::next`] waits for them. It
/// ends when the store is closed, which a follower does not keep it from.
///
/// It holds one batch of events at a time, and nobody waits for it.
///
/// Damage gives an error of the kind [`Damaged`](crate::ErrorKind::Damaged) that names the place,
/// and the following goes on behind it; any other error ends it.
#[derive(Debug)]
pub struct Follower {
    follow: Follow,
    /// The events up to `to`.
    events: Events,
    /// Everything up to here was given, or passed over.
    at: Position,
    to: Position,
    ended: bool,
}

/// What a [`Follower`] has within some time.
#[derive(Debug)]
pub enum Followed {
    /// The next event.
    Event(Event),
    /// Nothing came in that time.
    Nothing,
    /// The store was closed; nothing will come.
    Ended,
}

impl Store {
    /// Follows the store: all events, then those to come, as they become durable.
    pub fn follow(&self) -> Follow {
        Follow::new(Source::Writing(Arc::clone(&self.engine)))
    }
}

impl ReadOnlyStore {
    /// Follows the store beside the process that writes it. New events are seen within
    /// [`ReadOnlyStore::REFRESH_INTERVAL`].
    pub fn follow(&self) -> Follow {
        Follow::new(Source::Reading(self.clone()))
    }
}

impl Follow {
    fn new(source: Source) -> Self {
        Self { source, after: Position::START, checkpoint: None, query: None, visible: false }
    }

    /// Only events behind this position.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Only events behind this checkpoint, which must be one of the store's history.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Only events that the query names.
    pub fn matching(mut self, query: impl Into<Query>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// Also events of a buffered store that a power cut could still take away. There are no
    /// checkpoints then.
    pub fn visible(mut self) -> Self {
        self.visible = true;
        self
    }

    /// Begins.
    ///
    /// # Errors
    /// [`HistoryLost`](crate::ErrorKind::HistoryLost) for a checkpoint that the store's history does
    /// not have, [`Invalid`](crate::ErrorKind::Invalid) for a query outside the limits.
    pub fn start(self) -> Result<Follower> {
        if let Some(query) = &self.query {
            query.check()?;
        }
        let mut at = self.after;
        if let Some(checkpoint) = self.checkpoint {
            self.source.view_source().check(checkpoint)?;
            at = at.max(checkpoint.position);
        }
        let events = Events::from_other(std::iter::empty());
        Ok(Follower { follow: self, events, at, to: at, ended: false })
    }
}

impl Source {
    fn view_source(&self) -> Arc<crate::view::Source> {
        match self {
            Self::Writing(engine) => Arc::clone(&engine.source),
            Self::Reading(store) => store.head().source,
        }
    }

    /// Waits until there is something behind `position`.
    fn wait(&self, position: Position, durable: bool, timeout: Duration) -> Result<Awaited> {
        match self {
            Self::Writing(engine) => Ok(engine.log.wait_behind(position, durable, timeout)),
            Self::Reading(store) => store.wait_behind(position, durable, timeout),
        }
    }
}

impl Follower {
    /// How far it has come: kept by who follows, it says where to go on.
    /// [`Checkpoint::START`] before the first event, and where it was told to give events that are
    /// not durable.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        if self.follow.visible {
            return Checkpoint::START;
        }
        self.follow.source.view_source().checkpoint(self.at)
    }

    /// The position up to which every event was given, or passed over as not wanted.
    #[must_use]
    pub fn reached(&self) -> Position {
        self.at
    }

    /// The next event, if it comes within `timeout`.
    ///
    /// # Errors
    /// As those of the iteration.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Followed> {
        let clock = Arc::clone(&self.follow.source.view_source().env.clock);
        let deadline = clock.steady().saturating_add(timeout);
        loop {
            if self.ended {
                return Ok(Followed::Ended);
            }
            match self.events.next() {
                Some(Ok(event)) => {
                    self.at = event.position();
                    return Ok(Followed::Event(event));
                }
                Some(Err(error)) => {
                    self.ended = error.damage().is_none();
                    return Err(error);
                }
                None => {}
            }
            self.at = self.at.max(self.to);
            let durable = !self.follow.visible;
            let left = deadline.saturating_sub(clock.steady());
            match self.follow.source.wait(self.at, durable, left) {
                Ok(Awaited::Reached) => self.turn_page(durable),
                Ok(Awaited::TimedOut) => return Ok(Followed::Nothing),
                Ok(Awaited::Closed) => self.ended = true,
                Err(error) => {
                    self.ended = error.damage().is_none();
                    return Err(error);
                }
            }
        }
    }

    /// Goes on with everything that is there now.
    fn turn_page(&mut self, durable: bool) {
        let source = self.follow.source.view_source();
        let visible = source.head().position();
        let newest = if durable { visible.min(source.reader.durable()) } else { visible };
        let view = crate::View { source, position: newest };
        let mut read = Read::all().after(self.at);
        #[cfg(annals_canary)]
        if annals_env::canary::is("a follower skips an event") && newest.get().is_multiple_of(7) {
            read = read.after(self.at.plus(1));
        }
        read.query.clone_from(&self.follow.query);
        self.to = newest;
        self.events = view.read(read);
    }
}

impl Iterator for Follower {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        const LONG: Duration = Duration::from_secs(3600);
        loop {
            match self.next_within(LONG) {
                Ok(Followed::Event(event)) => return Some(Ok(event)),
                Ok(Followed::Nothing) => {}
                Ok(Followed::Ended) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
