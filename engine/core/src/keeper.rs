//! Saving the index now and then, so that its memory stays bounded and an opening after a crash has
//! little to read again.

use std::sync::{Arc, Weak};

use annals_env::sync::atomic::Ordering;
use annals_env::{Next, Step};
use annals_index::Covers;
use annals_types::{Place, Position};

use crate::error::Result;
use crate::folder::io_error;
use crate::store::{Engine, Store};

/// With so many times [`Index::save_events`](annals_index::Index::save_events) not saved, whoever
/// appends saves the index first: what is written faster than it can be saved must not fill memory.
const BEHIND_MAX: u64 = 8;

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

impl Store {
    /// Saves the index now instead of when much was appended; for tests.
    ///
    /// # Errors
    /// Where it cannot be written; what was saved before stays.
    #[doc(hidden)]
    pub fn save_index(&self) -> Result<()> {
        self.engine.save_index()
    }
}

impl Engine {
    /// Called behind each append: has the index saved when much is not.
    pub(crate) fn appended(&self, position: Position) {
        let due = self.index.save_events();
        let asked = self.index_asked.load();
        if position.get().saturating_sub(asked) < due {
            return;
        }
        if self.index_asked.claim(asked, position)
            && let Some(keeper) = &*self.keeper.lock()
        {
            keeper.wake();
        }
        // Where it fails, not again with each append.
        let tried = self.index_tried.load();
        let behind = position.get().saturating_sub(self.index_saved.load().max(tried));
        if behind >= due.saturating_mul(BEHIND_MAX) && self.index_tried.claim(tried, position) {
            // The log goes on without it. It is synced before the index is locked: a sync wakes
            // tasks, and what they do is not known.
            self.log.sync().ok();
            self.save_index().ok();
        }
    }

    /// Saves the index up to what is durable, where that is more than was saved: nothing of it may be
    /// what a power cut could take from the log.
    pub(crate) fn save_index(&self) -> Result<()> {
        let reader = self.log.reader();
        let _saving = self.saving.lock();
        let kept = self.kept_unsaved.swap(false, Ordering::Relaxed);
        if self.index_saved.load() >= reader.durable().get() && !kept {
            return Ok(());
        }
        let durable = reader.durable().min(reader.visible());
        #[cfg(annals_canary)]
        let durable = match annals_env::canary::is("the saved index is ahead of the disk") {
            true => reader.visible(),
            false => durable,
        };
        // The control records behind it, too, where nothing else is.
        let place = self.log.settled();
        let place = if place.position == durable { place } else { Place::event(durable) };
        let covers = Covers { store: reader.store(), epoch: reader.epoch(), place };
        match self.index.save(covers) {
            Ok(()) => {
                self.counters.index_saves.add(1);
                self.index_saved.store(durable);
                Ok(())
            }
            Err(error) => {
                self.counters.index_save_failures.add(1);
                self.kept_unsaved.fetch_or(kept, Ordering::Relaxed);
                Err(error.into())
            }
        }
    }
}
