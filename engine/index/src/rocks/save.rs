//! Saving, one at a time.

use annals_types::{Place, Position};

use super::db::Failure;
use super::row::Saved;
use super::{RocksIndex, write};
use crate::{Covers, Index, IndexError, Result};

/// How saving stands.
pub(super) struct Saving {
    /// What is safe on the disk. `None`: nothing was saved.
    saved: Option<Saved>,
    /// What was written, but may not be on the disk: the flush failed.
    written: Option<Saved>,
    /// Whether the last attempt failed.
    failed: bool,
}

impl Saving {
    pub(super) const fn new(saved: Option<Saved>) -> Self {
        Self { saved, written: None, failed: false }
    }

    /// See [`Index::save`].
    pub(super) fn save(&mut self, index: &RocksIndex, covers: Covers) -> Result<()> {
        let done = self.try_save(index, covers);
        self.failed = done.is_err();
        done
    }

    fn try_save(&mut self, index: &RocksIndex, covers: Covers) -> Result<()> {
        // What was written must not be written again: lists would have it twice.
        self.flush(index)?;
        if self.failed {
            // First what waits for it, so that many attempts do not make many windows.
            let windows = index.windows();
            let waits = Place::event(Position::new(windows.newest().map_or(0, |it| it.after)));
            let place = waits.min(covers.place);
            if self.place() < place {
                self.save_up_to(index, Covers { place, ..covers })?;
            }
        }
        let place = covers.place.min(Place { position: index.covers(), k: u32::MAX });
        let covers = Covers { place, ..covers };
        if self.saved.is_some_and(|saved| saved.covers == covers) || place < self.place() {
            return Ok(());
        }
        freeze(index, place);
        self.save_up_to(index, covers)
    }

    /// Makes what was applied up to `covers` part of what is saved.
    fn save_up_to(&mut self, index: &RocksIndex, covers: Covers) -> Result<()> {
        let windows = index.windows();
        let streams = windows.streams_at(covers.place.position.get());
        let saved = Saved { covers, streams };
        index.open_for_writing(self.saved)?;
        let after = self.place().position.get();
        // Let go of before the rows are made: who appends waits for it.
        let kept: Vec<_> = index.kept.lock().at(covers.place).collect();
        let rows = write::rows(&windows, &kept, after, &saved);
        index.db()?.write(rows).map_err(failed)?;
        self.written = Some(saved);
        self.flush(index)
    }

    /// Makes what was written safe on the disk, and then lets go of the windows that the save
    /// before made safe.
    fn flush(&mut self, index: &RocksIndex) -> Result<()> {
        if let Some(written) = self.written {
            index.db()?.flush().map_err(failed)?;
            let before = self.place().position.get();
            self.written = None;
            self.saved = Some(written);
            index.kept.lock().forget_saved(written.covers.place);
            let kept = index.windows().without(before);
            *index.windows.write() = kept;
        }
        Ok(())
    }

    /// The place up to which it is saved.
    fn place(&self) -> Place {
        self.saved.map_or(Place::START, |saved| saved.covers.place)
    }
}

/// Begins a new window behind all that was applied, unless the newest has nothing up to `place`.
fn freeze(index: &RocksIndex, place: Place) {
    let _applying = index.applying.lock();
    let windows = index.windows();
    let has_some = |after: u64| after < windows.covers() && after < place.position.get();
    if windows.newest().is_some_and(|newest| has_some(newest.after)) {
        *index.windows.write() = windows.and_new(index.store);
    }
}

fn failed(failure: Failure) -> IndexError {
    IndexError::new("saving the index", failure)
}
