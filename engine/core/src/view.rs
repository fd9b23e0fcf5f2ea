//! A picture of the store at one position, and the verbs that read it.

use std::sync::Arc;

use annals_index::Index;
use annals_log::LogReader;
use annals_types::{Position, Version, limits};

use crate::error::Result;
use crate::{Event, Read, Stats, Streams};

/// Where a view reads from.
pub(crate) struct Source {
    pub(crate) reader: LogReader,
    pub(crate) index: Arc<dyn Index>,
}

/// A read-only picture of a store at one position: what is read from it does not change, whatever
/// is appended meanwhile. Cheap to make and to clone; holds nobody up.
#[derive(Clone)]
pub struct View {
    pub(crate) source: Arc<Source>,
    pub(crate) position: Position,
}

impl View {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        let position = source.reader.visible();
        Self { source, position }
    }

    /// The newest position that it shows.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The events of a stream, oldest first unless told otherwise; none where it was never written.
    ///
    /// ```
    /// use annals::{ExpectedVersion, NewEvent, Store, Version};
    ///
    /// let store = Store::in_memory()?;
    /// let events = ["a", "b", "c"].map(|letter| NewEvent::binary("Typed", letter));
    /// store.append("text-1", ExpectedVersion::Any, &events)?;
    ///
    /// let mut newest = store.view().read_stream("text-1").backward().limit(2).into_iter();
    /// assert_eq!(newest.next().unwrap()?.data(), b"c");
    /// assert_eq!(newest.next().unwrap()?.data(), b"b");
    /// assert!(newest.next().is_none());
    /// # Ok::<(), annals::Error>(())
    /// ```
    #[must_use]
    pub fn read_stream(&self, stream: &str) -> Read {
        Read::new(self.clone(), Some(stream))
    }

    /// All events, in the order of their positions unless told otherwise.
    #[must_use]
    pub fn read_all(&self) -> Read {
        Read::new(self.clone(), None)
    }

    /// The newest event of a stream.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that no stream can have,
    /// [`Damaged`](crate::ErrorKind::Damaged), and I/O errors.
    pub fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        limits::check_stream_name(stream)?;
        match self.source.index.head(stream, self.position) {
            Some(head) => Ok(Some(self.source.reader.event(head.position)?)),
            None => Ok(None),
        }
    }

    /// The stream's version: how many events it ever had; 0 where it was never written.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that no stream can have.
    pub fn version(&self, stream: &str) -> Result<Version> {
        limits::check_stream_name(stream)?;
        let head = self.source.index.head(stream, self.position);
        Ok(head.map(|head| head.version).unwrap_or_default())
    }

    /// The streams that have an event, ordered by name.
    #[must_use]
    pub fn streams(&self) -> Streams {
        Streams::new(self.clone())
    }

    pub(crate) fn stats(&self) -> Result<Stats> {
        Stats::of(self)
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("position", &self.position).finish_non_exhaustive()
    }
}
