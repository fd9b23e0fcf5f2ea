//! The derived indexes of a store: which streams there are, where their events stand, which events
//! carry a term, which ids are taken, which states of folds are kept. Everything here can be
//! deleted and is made again from the log to the same answers.
//!
//! # Writing
//!
//! One thread at a time hands over the events, in the order of the positions, each just before
//! readers may see it: [`Index::take_in`]. Now and then, and at a clean close, the index is saved
//! ([`Index::save`]), never beyond what is durable in the log. At the next open the log behind
//! [`Covers::place`] is applied again, or all of it.
//!
//! # Reading
//!
//! Any thread asks at any time, and says between which positions it looks. A name leads to the
//! positions of a stream's events, a [`Term`] to those of all events that carry it.
//! The caller reads the events there, in the log.
//!
//! # What always holds
//!
//! - An answer up to a position at or below [`Index::covers`] never changes, whatever is applied
//!   later and whether the index was applied, saved and loaded, or made again.
//! - An index holds positions and places, never a segment or an offset, and cannot read the log:
//!   what it says of a caller's id or of a term is a candidate that its caller verifies there.
//! - Applying what was applied before changes nothing.
//! - Nothing saved is trusted before its checksum, and whatever is wrong with it, the log can
//!   replace it.
//! - Questions about the newest events are answered from memory, by every backend.
//! - All backends give the same answers: [`conformance`].

#![forbid(unsafe_code)]

pub mod conformance;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod kept;
mod keyed;
mod memory;
#[cfg(feature = "rocksdb")]
mod rocks;
mod term;

use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};

pub use error::{IndexError, Result};
pub use memory::{IMAGE_NAME, IMAGE_VERSION, ImageError, MemoryIndex};
#[cfg(feature = "rocksdb")]
pub use rocks::{Opened, RocksIndex};
pub use term::{Term, Terms};

/// Most entries that are taken in under one lock.
const ENTRIES_AT_ONCE: usize = 256;

/// One event, as the index takes it in.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its position: one above that of the entry before, or more where the log lost events.
    pub position: Position,
    /// Its stream.
    pub stream: &'a str,
    /// Its version: one above that of the stream's entry before, or more where the log lost events.
    pub version: Version,
    /// Its id, where the caller set one.
    pub id: Option<EventId>,
    /// Its terms, each once.
    pub terms: &'a [Term],
}

impl Entry<'_> {
    /// Whether its event is of the same stream as the other's and stands right behind that, in the
    /// stream and in the store.
    #[inline]
    fn is_next_of(&self, other: &Self) -> bool {
        self.position.get().checked_sub(1) == Some(other.position.get())
            && self.version.get().checked_sub(1) == Some(other.version.get())
            // The entries of a commit have the very same text.
            && (std::ptr::eq(self.stream, other.stream) || self.stream == other.stream)
    }
}

/// A stream's newest event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// The stream's version.
    pub version: Version,
    /// The position of its newest event.
    pub position: Position,
}

/// Which streams a listing names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StreamFilter {
    /// All.
    #[default]
    All,
    /// Those whose category is this.
    Category(String),
    /// Those whose name begins so.
    Prefix(String),
}

/// What every index backend answers. One thread at a time applies; any number reads meanwhile. Every
/// read takes the positions between which it looks, so that what is applied later does not change it.
pub trait Index: Send + Sync {
    /// The last position that was applied.
    fn covers(&self) -> Position;

    /// Takes in the events that follow [`Index::covers`], in order. Entries at or below it change
    /// nothing. An entry whose version is not above its stream's, or that a backend has no room
    /// for, ends the call: [`Index::covers`] stays before it.
    fn take_in(&self, entries: &[Entry<'_>]);

    /// The same with entries that come one by one.
    fn apply(&self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        let mut batch = Vec::new();
        loop {
            // They may be read from a disk as they come: not while others wait for a lock.
            batch.extend(entries.take(ENTRIES_AT_ONCE));
            let Some(last) = batch.last() else { return };
            self.take_in(&batch);
            if self.covers() < last.position {
                return;
            }
            batch.clear();
        }
    }

    /// The stream's newest event behind `after` and not behind `up_to`.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn head(&self, stream: &str, after: Position, up_to: Position) -> Result<Option<StreamHead>>;

    /// Appends to `out` the positions of at most `limit` events of the stream with versions
    /// `from`, `from` + 1, …, none above `up_to`. What the log lost is not there: an event's version
    /// is what the log says.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()>;

    /// Appends to `out` the positions of at most `limit` events of the stream with versions
    /// `from`, `from` − 1, …; those above `up_to`, or lost, are not there.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()>;

    /// Appends to `out`, ascending, the first positions between `from` and `to`, both included, at
    /// which an event carries the term: as many as are cheap to give at once, a few thousand at the
    /// most, and none only where there is none.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn postings(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()>;

    /// The same from the other end: appends to `out`, descending, the last positions between `from`
    /// and `to`, both included.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn postings_back(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()>;

    /// About how many events between `from` and `to`, both included, carry the term. Cheap, and
    /// never 0 where there is one.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn estimate(&self, term: Term, from: Position, to: Position) -> Result<u64>;

    /// Appends to `out`, in ascending order, the positions behind `after` at which an event with
    /// this caller-set id may stand: all where one does, and seldom others.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn find_id(&self, id: EventId, after: Position, out: &mut Vec<Position>) -> Result<()>;

    /// Appends to `out`, ordered by name (bytewise), at most `limit` streams that the filter names
    /// and that have an event at or below `up_to`, beginning behind the name `after`.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) -> Result<()>;

    /// How many streams have an event at or below `up_to`.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn stream_count(&self, up_to: Position) -> Result<u64>;

    /// Takes in that a state with this key is kept at `place`, in the place of those at `superseded`.
    /// It need not be applied up to there, and doing it again, with all that came behind it, changes
    /// nothing.
    fn keep(&self, key: Term, place: Place, superseded: &[Place]);

    /// The newest place before `before` at which a state with this key may be kept, and that no
    /// other took.
    ///
    /// # Errors
    /// Where what was saved cannot be read.
    fn kept(&self, key: Term, before: Place) -> Result<Option<Place>>;

    /// Bytes of memory that it takes.
    fn memory_bytes(&self) -> u64;

    /// Bytes of files that it takes.
    fn disk_bytes(&self) -> u64;

    /// Keeps what it holds up to [`Covers::place`], kept states included, which must be applied, and durable in the log:
    /// after this an opening finds it, or after a crash perhaps an older state. Applying goes on
    /// meanwhile; another save waits.
    ///
    /// # Errors
    /// Where it cannot be written. What was saved before stays.
    fn save(&self, covers: Covers) -> Result<()>;

    /// A save is due once so many events were applied since the last.
    fn save_events(&self) -> u64;

    /// Lets go of files that only one index may have open. What needs them fails from then on.
    fn close(&self) {}
}

/// What a saved index says of itself; it is believed only where the log agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covers {
    /// The store that it was made from.
    pub store: StoreId,
    /// The epoch in which it was saved.
    pub epoch: Epoch,
    /// Everything up to here is in it; durable in the log before it was saved.
    pub place: Place,
}
