//! A picture of the store at one position, and the verbs that read it.

use std::sync::Arc;

use annals_env::Env;
use annals_env::sync::atomic::{AtomicU64, Ordering};
use annals_index::{Index, Terms};
use annals_log::LogReader;
use annals_types::{Checkpoint, Invalid, Place, Position, Read, Timestamp, Version, limits};

use crate::append::beyond_head;
use crate::error::{Error, ErrorKind, Result};
use crate::{Event, Events, Plan, Stats, Streams, events};

/// Where a view reads from.
pub(crate) struct Source {
    pub(crate) env: Env,
    pub(crate) reader: LogReader,
    pub(crate) index: Arc<dyn Index>,
    pub(crate) terms: Terms,
    /// The index knows of every event: nothing was lost when it was made.
    pub(crate) whole: bool,
    pub(crate) seen: Seen,
}

/// How far views look.
pub(crate) struct Seen(Option<AtomicU64>);

impl Seen {
    /// Up to what the log shows: the index is always there before it.
    pub(crate) const fn visible() -> Self {
        Self(None)
    }

    /// Up to here, until told otherwise.
    pub(crate) const fn up_to(position: Position) -> Self {
        Self(Some(AtomicU64::new(position.get())))
    }

    /// The index has come so far.
    pub(crate) fn store(&self, position: Position) {
        if let Some(seen) = &self.0 {
            seen.store(position.get(), Ordering::Release);
        }
    }

    pub(crate) fn load(&self, reader: &LogReader) -> Position {
        match &self.0 {
            Some(seen) => Position::new(seen.load(Ordering::Acquire)),
            None => reader.visible(),
        }
    }
}

/// A read-only picture of a store at one position: what is read from it does not change, whatever
/// is appended meanwhile. Cheap to make and to clone; holds nobody up.
#[derive(Clone)]
pub struct View {
    pub(crate) source: Arc<Source>,
    pub(crate) position: Position,
}

/// A point in a store's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Behind the event at this position.
    Position(Position),
    /// Behind all events recorded up to this moment, itself included. It must be past.
    Moment(Timestamp),
}

impl From<Position> for AsOf {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl From<Timestamp> for AsOf {
    fn from(moment: Timestamp) -> Self {
        Self::Moment(moment)
    }
}

impl Source {
    /// The store as it is now.
    pub(crate) fn head(self: &Arc<Self>) -> View {
        View { position: self.seen.load(&self.reader), source: Arc::clone(self) }
    }

    /// Whether the log's history has this checkpoint.
    pub(crate) fn check(&self, checkpoint: Checkpoint) -> Result<()> {
        let place = Place::event(checkpoint.position);
        if checkpoint.position == Position::START || self.reader.knows(checkpoint.epoch, place) {
            return Ok(());
        }
        let message = format!(
            "the checkpoint {checkpoint} is not in this store's history: events were taken away \
             behind it by a crash or by restoring a copy, or it is another store's; begin again \
             from the start, or from a checkpoint that the history has"
        );
        Err(Error::new(ErrorKind::HistoryLost { checkpoint }, message))
    }

    /// How far who has dealt with everything up to `position` has come.
    pub(crate) fn checkpoint(&self, position: Position) -> Checkpoint {
        Checkpoint { epoch: self.reader.epoch_at(position).unwrap_or_default(), position }
    }
}

impl View {
    /// The newest position that it shows.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How far who has read all of it has come.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.source.checkpoint(self.position)
    }

    /// The picture at an earlier point of the history. A moment is looked up once: the view stays
    /// as it is.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a position beyond the view's own and for a moment that is
    /// not yet past, and what reading gives.
    ///
    /// # Examples
    /// ```
    /// use annals::{ExpectedVersion, NewEvent, Position, Store};
    ///
    /// let store = Store::in_memory()?;
    /// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Placed", "{}")])?;
    /// let before = store.head();
    /// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Paid", "{}")])?;
    /// assert_eq!(before.version("order-1")?.get(), 1);
    /// assert_eq!(store.as_of(Position::new(1))?.version("order-1")?.get(), 1);
    /// assert_eq!(store.head().version("order-1")?.get(), 2);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn as_of(&self, point: impl Into<AsOf>) -> Result<Self> {
        self.as_of_at(point.into(), self.source.env.clock.now())
    }

    /// The same, asked at the moment `now`.
    pub(crate) fn as_of_at(&self, point: AsOf, now: Timestamp) -> Result<Self> {
        let position = match point {
            AsOf::Position(position) if position > self.position => {
                return Err(beyond_head("the view", position, self.position).into());
            }
            AsOf::Position(position) => position,
            AsOf::Moment(moment) => {
                if moment >= now {
                    let message = format!("the moment {moment} is not yet past; it is {now}");
                    return Err(Invalid::Other(message).into());
                }
                let behind = Timestamp::from_micros(moment.as_micros().saturating_add(1));
                self.source.reader.first_since(behind, self.position)?.minus(1)
            }
        };
        Ok(Self { source: Arc::clone(&self.source), position })
    }

    /// The events that a [`Read`] names.
    ///
    /// ```
    /// use annals::{ExpectedVersion, NewEvent, QueryItem, Read, Store};
    ///
    /// let store = Store::in_memory()?;
    /// let events = ["a", "b", "c"].map(|letter| {
    ///     NewEvent::binary("Typed", letter).tag(format!("letter:{letter}"))
    /// });
    /// store.append("text-1", ExpectedVersion::Any, &events)?;
    ///
    /// let view = store.head();
    /// let mut newest = view.read(Read::stream("text-1").backward().limit(2));
    /// assert_eq!(newest.next().unwrap()?.data(), b"c");
    /// assert_eq!(newest.next().unwrap()?.data(), b"b");
    /// assert!(newest.next().is_none());
    ///
    /// let mut tagged = view.read(Read::all().matching(QueryItem::new().tag("letter:b")));
    /// assert_eq!(tagged.next().unwrap()?.position().get(), 2);
    /// # Ok::<(), annals::Error>(())
    /// ```
    #[must_use]
    pub fn read(&self, read: Read) -> Events {
        Events::new(self.clone(), read)
    }

    /// The events of a stream, oldest first; none where it was never written.
    #[must_use]
    pub fn read_stream(&self, stream: &str) -> Events {
        self.read(Read::stream(stream))
    }

    /// All events, in the order of their positions.
    #[must_use]
    pub fn read_all(&self) -> Events {
        self.read(Read::all())
    }

    /// How [`View::read`] would find the events, and why.
    ///
    /// # Errors
    /// As the first event of the reading.
    pub fn explain(&self, read: &Read) -> Result<Plan> {
        events::plan(self, read)
    }

    /// The newest event of a stream.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a name that no stream can have,
    /// [`Damaged`](ErrorKind::Damaged), and I/O errors.
    pub fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        limits::check_stream_name(stream)?;
        let Some(head) = self.source.index.head(stream, Position::START, self.position)? else {
            return Ok(None);
        };
        match self.source.reader.event(head.position)? {
            Some(event) => Ok(Some(event)),
            // It is gone for good.
            None => self.read(Read::stream(stream).backward().limit(1)).next().transpose(),
        }
    }

    /// The stream's version: how many events it ever had; 0 where it was never written.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a name that no stream can have, and I/O errors.
    pub fn version(&self, stream: &str) -> Result<Version> {
        limits::check_stream_name(stream)?;
        let head = self.source.index.head(stream, Position::START, self.position)?;
        Ok(head.map(|head| head.version).unwrap_or_default())
    }

    /// The event at a position; `None` behind the view's end, and where it is gone for good
    /// ([`Loss`](crate::Loss)).
    ///
    /// # Errors
    /// [`Damaged`](ErrorKind::Damaged), and I/O errors.
    pub fn event(&self, position: Position) -> Result<Option<Event>> {
        if position == Position::START || position > self.position {
            return Ok(None);
        }
        Ok(self.source.reader.event(position)?)
    }

    /// The streams that have an event, ordered by name.
    #[must_use]
    pub fn streams(&self) -> Streams {
        Streams::new(self.clone())
    }

    /// Figures about the store at this position.
    ///
    /// # Errors
    /// I/O errors.
    pub fn stats(&self) -> Result<Stats> {
        Stats::of(self)
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("position", &self.position).finish_non_exhaustive()
    }
}
