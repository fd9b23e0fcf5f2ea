//! A store, or a reader of one, that does not do all of what it should.

use std::sync::Arc;

use annals::{
    AsOf, Checkpoint, Commit, Event, EventReader, EventStore, Events, KeptState, NewState, Place,
    Position, Read, Receipt, Result, StateKey, StreamInfo, Version,
};

/// What it does otherwise; all else it hands on.
pub trait Rig: Send + Sync + 'static {
    /// An event is read.
    ///
    /// # Errors
    /// In place of the event.
    fn event(&self, event: Result<Event>) -> Result<Event> {
        event
    }

    /// A kept state is found.
    fn found(&self, kept: Option<KeptState>) -> Option<KeptState> {
        kept
    }

    /// A state is to be kept.
    ///
    /// # Errors
    /// Where it is not.
    fn keep(&self) -> Result<()> {
        Ok(())
    }
}

/// A reader or a store, rigged.
#[derive(Debug)]
pub struct Rigged<R, T>(R, Arc<T>);

impl<R, T> Rigged<R, T> {
    /// This one, rigged so.
    pub fn new(inner: R, rig: T) -> Self {
        Self(inner, Arc::new(rig))
    }

    /// How it is rigged.
    #[must_use]
    pub fn rig(&self) -> &T {
        &self.1
    }
}

impl<R: Clone, T> Clone for Rigged<R, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), Arc::clone(&self.1))
    }
}

impl<T: Rig> Rigged<Box<dyn EventReader>, T> {
    fn boxed(inner: Box<dyn EventReader>, rig: &Arc<T>) -> Box<dyn EventReader> {
        Box::new(Self(inner, Arc::clone(rig)))
    }
}

impl<R: EventReader, T: Rig> EventReader for Rigged<R, T> {
    fn position(&self) -> Position {
        self.0.position()
    }

    fn checkpoint_at(&self, position: Position) -> Checkpoint {
        self.0.checkpoint_at(position)
    }

    fn as_of(&self, point: AsOf) -> Result<Box<dyn EventReader>> {
        Ok(Rigged::boxed(self.0.as_of(point)?, &self.1))
    }

    fn read(&self, read: Read) -> Events {
        let rig = Arc::clone(&self.1);
        Events::from_other(self.0.read(read).map(move |event| rig.event(event)))
    }

    fn version(&self, stream: &str) -> Result<Version> {
        self.0.version(stream)
    }

    fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        self.0.last_event(stream)
    }

    fn kept_state(&self, key: &StateKey, before: Option<Place>) -> Result<Option<KeptState>> {
        Ok(self.1.found(self.0.kept_state(key, before)?))
    }

    fn streams(&self, prefix: &str) -> Box<dyn Iterator<Item = Result<StreamInfo>> + Send> {
        self.0.streams(prefix)
    }
}

impl<R: EventStore, T: Rig> EventStore for Rigged<R, T> {
    fn commit(&self, commit: &Commit<'_>) -> Result<Receipt> {
        self.0.commit(commit)
    }

    fn keep_state(&self, state: &NewState, superseded: &[Place]) -> Result<Place> {
        self.1.keep()?;
        self.0.keep_state(state, superseded)
    }

    fn head(&self) -> Box<dyn EventReader> {
        Rigged::boxed(self.0.head(), &self.1)
    }

    fn durable(&self) -> Box<dyn EventReader> {
        Rigged::boxed(self.0.durable(), &self.1)
    }
}
