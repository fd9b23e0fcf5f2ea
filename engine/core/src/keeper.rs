//! Saving the index now and then, so that an opening after a crash has little to read again.

use std::sync::{Arc, Weak};

use annals_env::{Next, Step};
use annals_index::Covers;
use annals_types::{Place, Position};

use crate::error::{Error, ErrorKind, Result};
use crate::folder::{index_path, io_error};
use crate::store::Engine;

/// The index is saved after so many events, at the least.
const SAVE_EVENTS: u64 = 1_000_000;

struct Keeper {
    engine: Weak<Engine>,
}

impl Step for Keeper {
    fn name(&self) -> &'static str {
        "index-keeper"
    }

    fn step(&self) -> Next {
        let Some(engine) = self.engine.upgrade() else { return Next::Done };
        // A failure costs time at the next opening, nothing else.
        engine.save_index().ok();
        Next::Idle
    }

    fn panicked(&self, _message: &str) {}
}

/// Starts the background step.
pub(crate) fn start(engine: &Arc<Engine>) -> Result<()> {
    let step = Arc::new(Keeper { engine: Arc::downgrade(engine) });
    let task = engine.env.scheduler.start(step);
    let task = task.map_err(|error| io_error("starting the index's background work", error))?;
    *engine.keeper.lock() = Some(task);
    Ok(())
}

impl Engine {
    /// Called behind each append: wakes the keeper when much is not saved.
    pub(crate) fn appended(&self, position: Position) {
        let saved = self.index_saved.load();
        if position.get().saturating_sub(saved) >= SAVE_EVENTS
            && self.index_saved.claim(saved, position)
            && let Some(keeper) = &*self.keeper.lock()
        {
            keeper.wake();
        }
    }

    /// Saves the index up to what is durable.
    pub(crate) fn save_index(&self) -> Result<()> {
        let reader = self.log.reader();
        let durable = reader.durable();
        if durable == Position::START {
            return Ok(());
        }
        let dir = index_path(&self.root);
        let fs = &*self.env.fs;
        let fail = |error| io_error(&format!("saving the index in {}", dir.display()), error);
        fs.create_dir_all(&dir).map_err(fail)?;
        let covers =
            Covers { store: reader.store(), epoch: reader.epoch(), place: Place::event(durable) };
        self.index.save(fs, &dir, covers).map_err(|error| {
            let message = format!("saving the index in {}: {error}", dir.display());
            Error::with_source(ErrorKind::Io, message, error)
        })?;
        self.index_saved.store(durable);
        Ok(())
    }
}
