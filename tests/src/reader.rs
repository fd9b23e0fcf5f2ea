//! The reading verbs that a store, a view and a read-only store share.

use annals::{Event, Position, Read, ReadOnlyStore, Result, Store, Streams, Version, View};

/// Whoever answers reads.
pub trait Reader {
    /// Events of one stream.
    fn read_stream(&self, stream: &str) -> Read;

    /// All events.
    fn read_all(&self) -> Read;

    /// The newest event of a stream.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn last_event(&self, stream: &str) -> Result<Option<Event>>;

    /// The version of a stream.
    ///
    /// # Errors
    /// Where it cannot be known.
    fn version(&self, stream: &str) -> Result<Version>;

    /// Streams by name.
    fn streams(&self) -> Streams;

    /// The newest visible position.
    fn position(&self) -> Position;
}

macro_rules! reader {
    ($($type:ty),*) => {$(
        impl Reader for $type {
            fn read_stream(&self, stream: &str) -> Read {
                self.read_stream(stream)
            }

            fn read_all(&self) -> Read {
                self.read_all()
            }

            fn last_event(&self, stream: &str) -> Result<Option<Event>> {
                self.last_event(stream)
            }

            fn version(&self, stream: &str) -> Result<Version> {
                self.version(stream)
            }

            fn streams(&self) -> Streams {
                self.streams()
            }

            fn position(&self) -> Position {
                self.position()
            }
        }
    )*};
}

reader!(Store, View, ReadOnlyStore);

/// Collects a reading whose events are all readable.
///
/// # Errors
/// The first error of the reading.
pub fn collect(read: Read) -> Result<Vec<Event>> {
    read.into_iter().collect()
}
