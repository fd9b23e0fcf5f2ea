//! Aggregates of a store: their settings, and loading them.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::Arc;

use annals_types::{Invalid, Place, Version};

use super::aggregate::{Aggregate, Loaded};
use super::codec::Codec;
use super::fold::{Faults, Folding, Halt, UnknownTypes};
use super::payloads::Payloads;
use super::picture::{Point, after, picture};
use super::snapshots::Snapshots;
use super::upcast::Upcasters;
use crate::error::Result;
use crate::events::up_to;
use crate::{AsOf, EventReader, Events, Store};

/// The aggregates `A` of a store, of a view, or of anything else that reads events.
///
/// Cheap to make and to clone. The settings:
///
/// | setting | default |
/// | --- | --- |
/// | [`codec`](Self::codec) | [`Codec::Json`] |
/// | [`upcasters`](Self::upcasters) | none |
/// | [`unknown_types`](Self::unknown_types) | [`UnknownTypes::Fail`] |
/// | [`faults`](Self::faults) | [`Faults::Stop`] |
/// | [`snapshots`](Self::snapshots) | [`Snapshots::default`] |
/// | [`attempts`](Self::attempts) | [`Aggregates::ATTEMPTS_DEFAULT`] |
///
/// Two times can be asked for. *Recorded at* is when the store took an event in: what it knew at a
/// moment is [`load_as_of`](Self::load_as_of), and that answer never changes. *Occurred at* is when
/// it happened by the caller's clock: what was true at a moment, as is known now, is
/// [`load_occurred_by`](Self::load_occurred_by), and an event that comes in late changes it.
///
/// ```
/// use annals::{Aggregate, Aggregates, Applied, Codec, Event, OccurredAt, Store, TypedEvent};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Stock { pieces: i64 }
/// # #[derive(Serialize, Deserialize)]
/// # enum StockEvent { Counted(i64), Taken(i64) }
/// # impl Aggregate for Stock {
/// #     type Event = StockEvent;
/// #     const NAME: &'static str = "stock";
/// #     fn apply(&mut self, event: StockEvent, _: &Event) -> Applied {
/// #         match event {
/// #             StockEvent::Counted(pieces) => self.pieces = pieces,
/// #             StockEvent::Taken(pieces) => self.pieces -= pieces,
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// let stocks = Aggregates::<Stock>::new(Store::in_memory()?).codec(Codec::Postcard);
/// let monday: OccurredAt = "2026-03-02T18:00:00+01:00".parse()?;
/// let tuesday: OccurredAt = "2026-03-03T18:00:00+01:00".parse()?;
/// let on = |event, moment| Ok::<_, annals::Error>(vec![TypedEvent::new(event).occurred_at(moment)]);
/// stocks.execute("stock-1", |_| on(StockEvent::Counted(10), monday))?;
/// stocks.execute("stock-1", |_| on(StockEvent::Taken(4), tuesday))?;
/// let known_first = stocks.load("stock-1")?;
///
/// // What was taken on Monday evening is typed in on Wednesday.
/// stocks.execute("stock-1", |_| on(StockEvent::Taken(1), monday))?;
///
/// // What was true on Monday, as known now; and what was known before the correction.
/// assert_eq!(stocks.load_occurred_by("stock-1", monday)?.state.pieces, 9);
/// assert_eq!(stocks.load_as_of("stock-1", known_first.position)?.state.pieces, 6);
/// assert_eq!(stocks.load("stock-1")?.state.pieces, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Aggregates<A, R = Store> {
    pub(super) reader: R,
    pub(super) settings: Arc<Settings>,
    pub(super) aggregate: PhantomData<fn() -> A>,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) folding: Folding,
    pub(super) snapshots: Snapshots,
    pub(super) attempts: NonZeroU32,
}

impl<A: Aggregate, R: EventReader> Aggregates<A, R> {
    /// Default of [`Aggregates::attempts`].
    pub const ATTEMPTS_DEFAULT: NonZeroU32 = NonZeroU32::MIN.saturating_add(63);

    /// The aggregates of this store, or of this view.
    #[must_use]
    pub fn new(reader: R) -> Self {
        let (folding, snapshots) = (Folding::default(), Snapshots::default());
        let settings = Settings { folding, snapshots, attempts: Self::ATTEMPTS_DEFAULT };
        Self { reader, settings: Arc::new(settings), aggregate: PhantomData }
    }

    /// How events and snapshots are written.
    #[must_use]
    pub fn codec(self, codec: Codec) -> Self {
        self.set(|settings| settings.folding.payloads.codec = codec)
    }

    /// What leads from old schema versions to the current ones.
    #[must_use]
    pub fn upcasters(self, upcasters: Upcasters) -> Self {
        self.set(|settings| settings.folding.payloads.upcasters = upcasters)
    }

    /// What is done with events whose type no code knows. Who changes it, or teaches the code a
    /// type that was passed over, raises [`Aggregate::SCHEMA`].
    #[must_use]
    pub fn unknown_types(self, unknown: UnknownTypes) -> Self {
        self.set(|settings| settings.folding.unknown = unknown)
    }

    /// What is done with events that cannot be replayed. No snapshot is made of a state that lacks
    /// one.
    #[must_use]
    pub fn faults(self, faults: Faults) -> Self {
        self.set(|settings| settings.folding.faults = faults)
    }

    /// When snapshots are made, and which are kept.
    #[must_use]
    pub fn snapshots(self, snapshots: Snapshots) -> Self {
        self.set(|settings| settings.snapshots = snapshots)
    }

    /// How often a decision is made, at most, until nobody else was faster.
    #[must_use]
    pub fn attempts(self, attempts: NonZeroU32) -> Self {
        self.set(|settings| settings.attempts = attempts)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// How the events are written and read.
    #[must_use]
    pub fn payloads(&self) -> &Payloads {
        &self.settings.folding.payloads
    }

    /// The same aggregates as they were at a position or a moment; see
    /// [`View::as_of`](crate::View::as_of).
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a point that is yet to come, and I/O errors.
    pub fn as_of(&self, point: impl Into<AsOf>) -> Result<Aggregates<A, Box<dyn EventReader>>> {
        Ok(self.over(self.reader.as_of(point.into())?))
    }

    fn over<Q>(&self, reader: Q) -> Aggregates<A, Q> {
        Aggregates { reader, settings: Arc::clone(&self.settings), aggregate: PhantomData }
    }

    /// The stream's state now: from the newest snapshot that is any good and the events after it. A
    /// stream that was never written has version 0 and the default state. Writes nothing.
    ///
    /// # Errors
    /// [`Replay`](crate::ErrorKind::Replay) with the event that could not be replayed,
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that no stream can have,
    /// [`Damaged`](crate::ErrorKind::Damaged), and I/O errors.
    pub fn load(&self, stream: &str) -> Result<Loaded<A>> {
        self.load_now(&*picture(&self.reader)?, stream)
    }

    /// The stream's state behind the event with this version.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a version that the stream has not come to, and as
    /// [`Aggregates::load`].
    pub fn load_at(&self, stream: &str, version: Version) -> Result<Loaded<A>> {
        self.load_point(stream, version.into())
    }

    /// The stream's state at a position or a moment of the store: what it knew then. Before the
    /// stream's first event that is version 0 and the default state.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a point that is yet to come, and as
    /// [`Aggregates::load`].
    pub fn load_as_of(&self, stream: &str, point: impl Into<AsOf>) -> Result<Loaded<A>> {
        self.load_point(stream, Point::AsOf(point.into()))
    }

    pub(super) fn load_point(&self, stream: &str, point: Point) -> Result<Loaded<A>> {
        let version = match point {
            Point::AsOf(point) => self.reader.as_of(point)?.version(stream)?,
            Point::Version(version) => version,
        };
        let picture = &*picture(&self.reader)?;
        let last = picture.version(stream)?;
        if version > last {
            let message = format!(
                "the version {version} of the stream {stream} is asked for, and its last is \
                 {last}: ask for one up to that"
            );
            return Err(Invalid::Other(message).into());
        }
        // What was made before the stream's next event is of this version at the most.
        let next = match version < last {
            true => picture.read(after(stream, version).limit(1)).next(),
            false => None,
        };
        let before = next.and_then(|next| match next {
            Ok(event) => Some(event.position()),
            Err(error) => Some(error.damage()?.positions?.0),
        });
        let before = before.map(Place::event);
        #[cfg(annals_canary)]
        let before =
            before.filter(|_| !annals_env::canary::is("a snapshot of any version will do"));
        self.load_to(picture, stream, version, before)
    }

    /// The stream's state in a picture that stands still.
    pub(super) fn load_now(&self, picture: &dyn EventReader, stream: &str) -> Result<Loaded<A>> {
        let version = picture.version(stream)?;
        self.load_to(picture, stream, version, None)
    }

    /// Loads from a snapshot in front of `before`, or the newest.
    fn load_to(
        &self,
        picture: &dyn EventReader,
        stream: &str,
        version: Version,
        before: Option<Place>,
    ) -> Result<Loaded<A>> {
        let mut noted = Vec::new();
        loop {
            let (mut loaded, rest) = self.begin(picture, stream, version, before)?;
            loaded.faults = noted;
            match self.fold_to(&mut loaded, rest, version) {
                Ok(()) => return Ok(loaded),
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Again) => noted = loaded.faults,
            }
        }
    }

    /// What is loaded, brought up to a later picture.
    pub(super) fn load_on(
        &self,
        mut loaded: Loaded<A>,
        picture: &dyn EventReader,
    ) -> Result<Loaded<A>> {
        let version = picture.version(&loaded.stream)?;
        let rest = picture.read(after(&loaded.stream, loaded.version));
        match self.fold_to(&mut loaded, rest, version) {
            Ok(()) => Ok(loaded),
            Err(Halt::Error(error)) => Err(error),
            Err(Halt::Again) => self.load_to(picture, &loaded.stream, version, None),
        }
    }

    /// The same from the events alone.
    pub(super) fn replay_on(
        &self,
        mut loaded: Loaded<A>,
        picture: &dyn EventReader,
    ) -> Result<Loaded<A>> {
        let version = picture.version(&loaded.stream)?;
        loop {
            let rest = picture.read(after(&loaded.stream, loaded.version));
            match self.fold_to(&mut loaded, rest, version) {
                Ok(()) => return Ok(loaded),
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Again) => {
                    let faults = loaded.faults;
                    loaded = Loaded { faults, ..Loaded::empty(&loaded.stream) };
                }
            }
        }
    }

    fn fold_to(
        &self,
        loaded: &mut Loaded<A>,
        events: Events,
        version: Version,
    ) -> Result<(), Halt> {
        if version > loaded.version {
            self.settings.folding.fold(loaded, up_to(version, events))?;
            // The last ones may be gone for good: they count.
            loaded.version = version;
        }
        Ok(())
    }
}

impl<A, R: Clone> Clone for Aggregates<A, R> {
    fn clone(&self) -> Self {
        let settings = Arc::clone(&self.settings);
        Self { reader: self.reader.clone(), settings, aggregate: PhantomData }
    }
}

impl<A: Aggregate, R> fmt::Debug for Aggregates<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregates")
            .field("aggregate", &A::NAME)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
