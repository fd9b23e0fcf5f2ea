//! The verbs that everything above the engine is written against, as traits: another engine, or a
//! model in a test, can stand behind them.

use std::sync::Arc;

use annals_types::{Checkpoint, Commit, Place, Position, Read, Version};

use crate::error::Result;
use crate::{
    AsOf, Event, Events, KeptState, NewState, ReadOnlyStore, Receipt, StateKey, Store, StreamInfo,
    View,
};

/// What reads events. Not yet stable: it may change until a second engine stands behind it.
pub trait EventReader: Send + Sync {
    /// The newest position that it shows.
    fn position(&self) -> Position;

    /// How far who has read all of it has come.
    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint_at(self.position())
    }

    /// How far who has dealt with everything up to `position` has come.
    fn checkpoint_at(&self, position: Position) -> Checkpoint;

    /// What it shows of an earlier point of the history, unchanged by later appends.
    ///
    /// # Errors
    /// As [`View::as_of`].
    fn as_of(&self, point: AsOf) -> Result<Box<dyn EventReader>>;

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

    /// The newest state that is kept under `key`, of those in front of the place `before` where
    /// one is given, and not made from anything that this reader does not show.
    ///
    /// # Errors
    /// As [`View::kept_state`].
    fn kept_state(&self, key: &StateKey, before: Option<Place>) -> Result<Option<KeptState>>;

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

    /// Keeps a state, in the place of those kept under the same key at `superseded`.
    ///
    /// # Errors
    /// As [`Store::keep_state`].
    fn keep_state(&self, state: &NewState, superseded: &[Place]) -> Result<Place>;

    /// What is there now, unchanged by later appends.
    fn head(&self) -> Box<dyn EventReader>;

    /// What of it survives power loss already, unchanged by later appends. Only from this may
    /// checkpoints be made.
    fn durable(&self) -> Box<dyn EventReader>;
}

impl EventReader for View {
    fn position(&self) -> Position {
        Self::position(self)
    }

    fn checkpoint_at(&self, position: Position) -> Checkpoint {
        self.source.checkpoint(position)
    }

    fn as_of(&self, point: AsOf) -> Result<Box<dyn EventReader>> {
        Ok(Box::new(Self::as_of(self, point)?))
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

    fn kept_state(&self, key: &StateKey, before: Option<Place>) -> Result<Option<KeptState>> {
        Self::kept_state(self, key, before)
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

            fn checkpoint_at(&self, position: Position) -> Checkpoint {
                self.head().source.checkpoint(position)
            }

            fn as_of(&self, point: AsOf) -> Result<Box<dyn EventReader>> {
                Ok(Box::new(Self::as_of(self, point)?))
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

            fn kept_state(
                &self,
                key: &StateKey,
                before: Option<Place>,
            ) -> Result<Option<KeptState>> {
                self.head().kept_state(key, before)
            }

            fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send> {
                Box::new(self.head().streams().prefix(prefix))
            }
        }
    };
}

read_at_head!(Store);
read_at_head!(ReadOnlyStore);

/// Reads through what points to a reader.
macro_rules! read_through {
    ($pointer:ty) => {
        impl<T: EventReader + ?Sized> EventReader for $pointer {
            fn position(&self) -> Position {
                (**self).position()
            }

            fn checkpoint_at(&self, position: Position) -> Checkpoint {
                (**self).checkpoint_at(position)
            }

            fn as_of(&self, point: AsOf) -> Result<Box<dyn EventReader>> {
                (**self).as_of(point)
            }

            fn read(&self, read: Read) -> Events {
                (**self).read(read)
            }

            fn version(&self, stream: &str) -> Result<Version> {
                (**self).version(stream)
            }

            fn last_event(&self, stream: &str) -> Result<Option<Event>> {
                (**self).last_event(stream)
            }

            fn kept_state(
                &self,
                key: &StateKey,
                before: Option<Place>,
            ) -> Result<Option<KeptState>> {
                (**self).kept_state(key, before)
            }

            fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send> {
                (**self).streams(prefix)
            }
        }
    };
}

read_through!(&T);
read_through!(Box<T>);
read_through!(Arc<T>);

/// Appends through what points to a store.
macro_rules! append_through {
    ($pointer:ty) => {
        impl<T: EventStore + ?Sized> EventStore for $pointer {
            fn commit(&self, commit: &Commit<'_>) -> Result<Receipt> {
                (**self).commit(commit)
            }

            fn keep_state(&self, state: &NewState, superseded: &[Place]) -> Result<Place> {
                (**self).keep_state(state, superseded)
            }

            fn head(&self) -> Box<dyn EventReader> {
                (**self).head()
            }

            fn durable(&self) -> Box<dyn EventReader> {
                (**self).durable()
            }
        }
    };
}

append_through!(&T);
append_through!(Box<T>);
append_through!(Arc<T>);

impl EventStore for Store {
    fn commit(&self, commit: &Commit<'_>) -> Result<Receipt> {
        Self::commit(self, commit)
    }

    fn keep_state(&self, state: &NewState, superseded: &[Place]) -> Result<Place> {
        Self::keep_state(self, state, superseded)
    }

    fn head(&self) -> Box<dyn EventReader> {
        Box::new(Self::head(self))
    }

    fn durable(&self) -> Box<dyn EventReader> {
        let head = Self::head(self);
        let position = head.position.min(head.source.reader.durable());
        #[cfg(annals_canary)]
        let position = match annals_env::canary::is("a projection folds what is not durable") {
            true => head.position,
            false => position,
        };
        Box::new(View { position, ..head })
    }
}
