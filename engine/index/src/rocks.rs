//! The index that lives in RocksDB, for stores of any size.
//!
//! The newest events are in memory ([`window`]): those not saved yet, and those of the last save,
//! so that what is asked most is not looked up in files. A save writes what is new as one batch,
//! without a write-ahead log, together with a row that says how far it goes, and flushes it. After
//! a crash RocksDB gives back a whole prefix of the batches; the rest is in the log.

mod chunk;
mod db;
mod found;
mod keys;
mod list;
mod listing;
mod open;
mod row;
mod save;
#[cfg(test)]
mod tests;
mod window;
mod write;

use std::path::{Path, PathBuf};

use annals_env::sync::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};
use annals_types::{EventId, Place, Position, StoreId, Version};

use self::db::Db;
use self::found::Found;
use self::keys::List;
use self::list::Damaged;
pub use self::open::Opened;
use self::row::{Saved, Stream};
use self::save::Saving;
use self::window::Windows;
use crate::kept::KeptStates;
use crate::keyed::Keyed;
use crate::{
    Covers, ENTRIES_AT_ONCE, Entry, Index, IndexError, Result, StreamFilter, StreamHead, Term,
};

/// So many events are some megabytes, written in a fraction of a second, and read again from the
/// log as fast.
const SAVE_EVENTS: u64 = 65_536;

/// An [`Index`] in a folder of its own, kept by RocksDB.
///
/// An opening is for look-ups only, and cheap; files are made and synced by the first save that has
/// something to write. Until then nothing in the folder changes.
///
/// In memory are at most the events of two saves and those that came since, RocksDB's cache of
/// 32 MiB and its two write buffers of 16 MiB. Where saving fails, what came since grows.
pub struct RocksIndex {
    store: StoreId,
    ids: Keyed,
    dir: PathBuf,
    /// Open for look-ups until something is saved. Nothing once it is closed.
    db: RwLock<Option<Db>>,
    found: Found,
    read_only: bool,
    windows: RwLock<Windows>,
    /// What changed of the kept states and is not saved.
    kept: Mutex<KeptStates>,
    /// Held by who takes in entries: they all go to one window.
    applying: Mutex<()>,
    /// Held by who saves.
    saving: Mutex<Saving>,
}

impl RocksIndex {
    fn new(store: StoreId, dir: &Path, db: Db, saved: Option<Saved>, read_only: bool) -> Self {
        let position = saved.map_or(0, |saved| saved.covers.place.position.get());
        let windows = Windows::new(store, position, saved.map_or(0, |saved| saved.streams));
        Self {
            store,
            ids: Keyed::new(store),
            dir: dir.to_owned(),
            db: RwLock::new(Some(db)),
            found: Found::new(store),
            read_only,
            windows: RwLock::new(windows),
            kept: Mutex::default(),
            applying: Mutex::new(()),
            saving: Mutex::new(Saving::new(saved)),
        }
    }

    fn windows(&self) -> Windows {
        self.windows.read().clone()
    }

    fn db(&self) -> Result<MappedRwLockReadGuard<'_, Db>> {
        RwLockReadGuard::try_map(self.db.read(), Option::as_ref).map_err(|_| IndexError::closed())
    }

    /// A stream as the database has it, which may be newer than what its reader wants of it, but
    /// has everything up to [`Windows::after`]. Who calls it took the windows before.
    fn saved_stream(&self, windows: &Windows, name: &str) -> Result<Option<Stream>> {
        let db = self.db()?;
        if let Some(found) = self.found.get(name, windows.after) {
            return Ok(found);
        }
        let stream = match db.get(&keys::stream(name))? {
            Some(value) => Some(Stream::read(&value).ok_or(Damaged)?),
            None => None,
        };
        self.found.put(name, stream, windows.after);
        Ok(stream)
    }

    /// The newest place behind `after` and before `before` that the database has under the key, and
    /// that nothing took since.
    fn saved_kept(&self, key: Term, after: Option<Place>, before: Place) -> Result<Option<Place>> {
        let db = self.db()?;
        let mut rows = db.of_prefix();
        rows.seek_back(&keys::kept(key, before));
        while let Some((row, _)) = rows.row()? {
            let (found, place) = keys::kept_parts(row).ok_or(Damaged)?;
            if found != key || after.is_some_and(|after| place <= after) {
                break;
            }
            if place < before && !self.kept.lock().is_superseded(key, place) {
                return Ok(Some(place));
            }
            rows.back();
        }
        Ok(None)
    }

    /// A stream as the database has it, and its list, where it has an event up to `cut`.
    fn saved_list(
        &self,
        windows: &Windows,
        name: &str,
        cut: u64,
    ) -> Result<Option<(Stream, List)>> {
        if cut == 0 {
            return Ok(None);
        }
        let stream = self.saved_stream(windows, name)?;
        Ok(stream.filter(|stream| stream.first.position.get() <= cut).zip(List::of_stream(name)))
    }
}

impl Index for RocksIndex {
    fn covers(&self) -> Position {
        Position::new(self.windows.read().covers())
    }

    fn take_in(&self, entries: &[Entry<'_>]) {
        for entries in entries.chunks(ENTRIES_AT_ONCE) {
            let _applying = self.applying.lock();
            let windows = self.windows();
            let before = |name: &str| match windows.stream_before_newest(name)? {
                Some(stream) => Ok(Some(stream)),
                None if windows.after == 0 => Ok(None),
                None => self.saved_stream(&windows, name),
            };
            let taken = windows.newest().map(|newest| newest.take(entries, &before));
            if !matches!(taken, Some(Ok(true))) {
                return;
            }
        }
    }

    fn head(&self, stream: &str, after: Position, up_to: Position) -> Result<Option<StreamHead>> {
        // Mostly there, and found while nobody puts another window in its place.
        if let Some(newest) = self.windows.read().newest()
            && let Some(head) = newest.index.head(stream, after, up_to)?
        {
            return Ok(Some(head));
        }
        let windows = self.windows();
        for window in windows.iter().rev() {
            if let Some(head) = window.index.head(stream, after, up_to)? {
                return Ok(Some(head));
            }
            if window.after <= after.get() {
                return Ok(None);
            }
        }
        let cut = up_to.get().min(windows.after);
        if after.get() >= cut || begins_behind(&windows, stream) {
            return Ok(None);
        }
        match self.saved_list(&windows, stream, cut)? {
            Some((row, list)) => {
                let head = list::head(&*self.db()?, &list, &row, cut)?;
                Ok(head.filter(|head| head.position > after))
            }
            None => Ok(None),
        }
    }

    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        let end = out.len().saturating_add(limit);
        let windows = self.windows();
        let cut = up_to.get().min(windows.after);
        // Whether the oldest window that has the stream has this version of it too.
        let oldest = windows.iter().find_map(|window| window.oldest(stream));
        let here = oldest.is_some_and(|oldest| oldest <= from) || begins_behind(&windows, stream);
        if !here && let Some((row, list)) = self.saved_list(&windows, stream, cut)? {
            list::versions(&*self.db()?, &list, &row, from.get(), cut, end, out)?;
        }
        for window in windows.iter() {
            let limit = end.saturating_sub(out.len());
            if limit == 0 || window.after >= up_to.get() {
                break;
            }
            window.index.positions(stream, from, up_to, limit, out)?;
        }
        Ok(())
    }

    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        let end = out.len().saturating_add(limit);
        let windows = self.windows();
        for window in windows.iter().rev() {
            let limit = end.saturating_sub(out.len());
            if window.after < up_to.get() && limit > 0 {
                window.index.positions_back(stream, from, up_to, limit, out)?;
            }
        }
        if out.len() < end && !begins_behind(&windows, stream) {
            let cut = up_to.get().min(windows.after);
            if let Some((row, list)) = self.saved_list(&windows, stream, cut)? {
                list::versions_back(&*self.db()?, &list, &row, from.get(), cut, end, out)?;
            }
        }
        Ok(())
    }

    fn postings(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        let end = out.len().saturating_add(list::PAGE);
        let windows = self.windows();
        let cut = to.get().min(windows.after);
        if from.get() <= cut {
            list::postings(&*self.db()?, &List::of_term(term), from.get(), cut, out)?;
        }
        for window in windows.iter() {
            if out.len() < end && window.after < to.get() {
                window.index.postings(term, from, to, out)?;
            }
        }
        Ok(())
    }

    fn postings_back(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        let end = out.len().saturating_add(list::PAGE);
        let windows = self.windows();
        for window in windows.iter().rev() {
            if out.len() < end && window.after < to.get() {
                window.index.postings_back(term, from, to, out)?;
            }
        }
        let cut = to.get().min(windows.after);
        if out.len() < end && from.get() <= cut {
            list::postings_back(&*self.db()?, &List::of_term(term), from.get(), cut, out)?;
        }
        Ok(())
    }

    fn estimate(&self, term: Term, from: Position, to: Position) -> Result<u64> {
        let windows = self.windows();
        let mut count: u64 = 0;
        for window in windows.iter() {
            count = count.saturating_add(window.index.estimate(term, from, to)?);
        }
        let cut = to.get().min(windows.after);
        if from.get() <= cut {
            let saved = list::estimate(&*self.db()?, &List::of_term(term), from.get(), cut)?;
            count = count.saturating_add(saved);
        }
        Ok(count)
    }

    fn find_id(&self, id: EventId, after: Position, out: &mut Vec<Position>) -> Result<()> {
        let windows = self.windows();
        if after.get() < windows.after {
            let hash = self.ids.of(&id.to_bytes());
            let db = self.db()?;
            let mut rows = db.of_prefix();
            rows.seek(&keys::id(hash, after.get() + 1));
            while let Some((key, _)) = rows.row()? {
                let (_, position) = keys::id_parts(key).ok_or(Damaged)?;
                if position > windows.after {
                    break;
                }
                out.push(Position::new(position));
                rows.next();
            }
        }
        for window in windows.iter() {
            window.index.find_id(id, after, out)?;
        }
        Ok(())
    }

    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) -> Result<()> {
        listing::list(&*self.db()?, &self.windows(), filter, after, up_to, limit, out)
    }

    fn stream_count(&self, up_to: Position) -> Result<u64> {
        let windows = self.windows();
        if up_to.get() >= windows.after {
            return Ok(windows.streams_at(up_to.get()));
        }
        list::count(&*self.db()?, &List::of_begins(), up_to.get())
    }

    fn keep(&self, key: Term, place: Place, superseded: &[Place]) {
        self.kept.lock().keep(key, place, superseded);
    }

    fn kept(&self, key: Term, before: Place) -> Result<Option<Place>> {
        // First what is in memory: it leaves that only for the database.
        let newest = self.kept.lock().standing(key, before);
        Ok(newest.max(self.saved_kept(key, newest, before)?))
    }

    fn memory_bytes(&self) -> u64 {
        let windows = self.windows();
        let windows: u64 = windows.iter().map(|window| window.memory_bytes()).sum();
        let kept = self.kept.lock().memory_bytes();
        let db = self.db().map_or(0, |db| db.memory_bytes());
        windows + kept + self.found.memory_bytes() + db
    }

    fn disk_bytes(&self) -> u64 {
        self.db().map_or(0, |db| db.disk_bytes())
    }

    fn save(&self, covers: Covers) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        self.saving.lock().save(self, covers)
    }

    fn save_events(&self) -> u64 {
        SAVE_EVENTS
    }

    fn close(&self) {
        // Waits for those who read or write it now.
        *self.db.write() = None;
    }
}

/// Whether a stream is known to have nothing but what is in the windows.
fn begins_behind(windows: &Windows, stream: &str) -> bool {
    windows.first(stream).is_some_and(|first| first.position.get() > windows.after)
}
