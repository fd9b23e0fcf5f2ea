//! The derived indexes of a store: which streams there are, where their events stand, which ids are
//! taken. Everything here can be deleted and is made again from the log to the same answers.
//!
//! # Writing
//!
//! One thread hands over each event once it is visible, in the order of the positions: [`Index::apply`].
//! Now and then, and at a clean close, the index is saved, never beyond what is durable in the log.
//! At the next open the log behind [`Covers::place`] is applied again, or all of it.
//!
//! # Reading
//!
//! Any thread asks at any time, and says up to which position it looks.
//! The stream's name leads to its number, the number to the positions of its events.
//! The caller reads the events there, in the log.
//!
//! # What always holds
//!
//! - An answer up to a position at or below [`Index::covers`] never changes, whatever is applied
//!   later and whether the index was applied, saved and loaded, or made again.
//! - An index holds positions and places, never a segment or an offset, and cannot read the log:
//!   what it says of a caller's id is a candidate that its caller verifies there.
//! - Applying what was applied before changes nothing.
//! - Nothing saved is trusted before its checksum, and whatever is wrong with it, the log can
//!   replace it.
//! - All backends give the same answers: [`conformance`].

#![forbid(unsafe_code)]

pub mod conformance;
mod memory;

use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};

pub use memory::{IMAGE_NAME, IMAGE_VERSION, ImageError, MemoryIndex};

/// One visible event, as the index takes it in.
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

/// What every index backend answers. One thread applies; any number reads meanwhile. Every read
/// takes the position up to which it looks, so that what is applied later does not change it.
pub trait Index: Send + Sync {
    /// The last position that was applied.
    fn covers(&self) -> Position;

    /// Takes in the events that follow [`Index::covers`], in order. Entries at or below it change
    /// nothing. An entry whose version is not above its stream's, or that a backend has no room
    /// for, ends the call: [`Index::covers`] stays before it.
    fn apply(&self, entries: &mut dyn Iterator<Item = Entry<'_>>);

    /// The stream's newest event at or below `up_to`.
    fn head(&self, stream: &str, up_to: Position) -> Option<StreamHead>;

    /// Appends to `out` the positions of at most `limit` events of the stream with versions
    /// `from`, `from` + 1, …, none above `up_to`. What the log lost is not there: an event's version
    /// is what the log says.
    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    );

    /// Appends to `out` the positions of at most `limit` events of the stream with versions
    /// `from`, `from` − 1, …; those above `up_to`, or lost, are not there.
    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    );

    /// Appends to `out`, in ascending order, the positions at which an event with this caller-set
    /// id may stand: all where one does, and seldom others.
    fn find_id(&self, id: EventId, out: &mut Vec<Position>);

    /// Appends to `out`, ordered by name (bytewise), at most `limit` streams that the filter names
    /// and that have an event at or below `up_to`, beginning behind the name `after`.
    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    );

    /// How many streams have an event.
    fn stream_count(&self) -> u64;

    /// Bytes of memory that it takes.
    fn memory_bytes(&self) -> u64;
}

/// What a saved index says of itself; it is believed only where the log agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covers {
    /// The store that it was made from.
    pub store: StoreId,
    /// The epoch in which it was saved.
    pub epoch: Epoch,
    /// Everything up to here is in it; durable in the log before the image was written.
    pub place: Place,
}
