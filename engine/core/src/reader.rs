//! The verbs that everything above the engine is written against, as traits: another engine, or a
//! model in a test, can stand behind them.

use annals_types::{Commit, Position, Read, Version};

use crate::error::Result;
use crate::{Event, Events, ReadOnlyStore, Receipt, Store, StreamInfo, View};

/// What reads events. Not yet stable: it may change until a second engine stands behind it.
pub trait EventReader: Send + Sync {
    /// The newest position that it shows.
    fn position(&self) -> Position;

    /// The events that a [`Read`] names, lazily.
    fn read(&self, read: Read) -> Events;

    /// The stream's version; 0 where it was never written.
    ///
    /// # Errors
    /// As [`View::version`].
    fn version(&self, stream: &str) -> Result<Version>;

    /// The newest event of a stream.
    ///
    /// # Errors
    /// As [`View::last_event`].
    fn last_event(&self, stream: &str) -> Result<Option<Event>>;

    /// The streams whose name begins with `prefix`, ordered by name.
    fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send>;
}

/// What also appends. Not yet stable: it may change until a second engine stands behind it.
pub trait EventStore: EventReader {
    /// Appends a commit, all or nothing.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn commit(&self, commit: &Commit<'_>) -> Result<Receipt>;

    /// What is there now, unchanged by later appends.
    fn head(&self) -> Box<dyn EventReader>;
}

impl EventReader for View {
    fn position(&self) -> Position {
        Self::position(self)
    }

    fn read(&self, read: Read) -> Events {
        Self::read(self, read)
    }

    fn version(&self, stream: &str) -> Result<Version> {
        Self::version(self, stream)
    }

    fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        Self::last_event(self, stream)
    }

    fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send> {
        Box::new(Self::streams(self).prefix(prefix))
    }
}

/// Reads what is there now.
macro_rules! read_at_head {
    ($store:ty) => {
        impl EventReader for $store {
            fn position(&self) -> Position {
                self.head().position()
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

            fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send> {
                Box::new(self.head().streams().prefix(prefix))
            }
        }
    };
}

read_at_head!(Store);
read_at_head!(ReadOnlyStore);

impl EventStore for Store {
    fn commit(&self, commit: &Commit<'_>) -> Result<Receipt> {
        Self::commit(self, commit)
    }

    fn head(&self) -> Box<dyn EventReader> {
        Box::new(Self::head(self))
    }
}
