//! The index that lives in memory, made from the log or loaded from an image.

mod blocks;
mod directory;
mod ids;
mod image;
mod listing;
mod lists;
mod names;
mod postings;
mod recent;
mod state;
mod table;
pub(crate) mod varint;
#[cfg(feature = "rocksdb")]
mod window;

use std::path::PathBuf;
use std::sync::Arc;

use annals_env::Fs;
use annals_env::sync::atomic::{AtomicU64, Ordering};
use annals_env::sync::{Mutex, RwLock};
use annals_types::{EventId, Place, Position, StoreId, Version};

pub use self::image::{IMAGE_NAME, IMAGE_VERSION, ImageError};
use self::listing::Listing;
#[cfg(feature = "rocksdb")]
pub(crate) use self::listing::Span;
use self::state::State;
use crate::{
    Covers, ENTRIES_AT_ONCE, Entry, Index, IndexError, Result, StreamFilter, StreamHead, Term,
};

/// So many events are read again in a few hundredths of a second.
const SAVE_EVENTS_MIN: u64 = 1 << 16;
/// One save for this share of all events.
const SAVE_SHARE: u64 = 4;

/// An [`Index`] in memory, with nothing on disk but the image that [`Index::save`] writes.
/// Meant for up to about ten million events.
///
/// Readers share one lock with the thread that applies. Whoever holds it does a small, bounded
/// piece of work: long answers let go of it in between, which changes nothing, because what is
/// written below a position never moves.
pub struct MemoryIndex {
    store: StoreId,
    state: RwLock<State>,
    /// As in the state, for who need not lock it.
    covers: AtomicU64,
    listing: Listing,
    folder: Option<Folder>,
    image_bytes: AtomicU64,
    /// Held by who writes the image.
    saving: Mutex<()>,
}

/// Where the image is kept.
struct Folder {
    fs: Arc<dyn Fs>,
    path: PathBuf,
}

impl MemoryIndex {
    /// An empty index of the store, which is never saved. The store's id is the key of its hashes,
    /// so that nobody who does not know it can choose names or ids that meet in one place.
    #[must_use]
    pub fn new(store: StoreId) -> Self {
        Self::from_state(store, State::new(store), None, 0)
    }

    /// An empty index of the store, whose image will be in the folder `dir`. One that is there is
    /// not looked at ([`MemoryIndex::load`] does), and replaced by the first save.
    #[must_use]
    pub fn in_folder(fs: Arc<dyn Fs>, dir: impl Into<PathBuf>, store: StoreId) -> Self {
        let folder = Folder { fs, path: dir.into() };
        Self::from_state(store, State::new(store), Some(folder), 0)
    }

    fn from_state(store: StoreId, state: State, folder: Option<Folder>, image_bytes: u64) -> Self {
        Self {
            store,
            covers: AtomicU64::new(state.covers),
            state: RwLock::new(state),
            listing: Listing::new(),
            folder,
            image_bytes: AtomicU64::new(image_bytes),
            saving: Mutex::new(()),
        }
    }
}

impl Index for MemoryIndex {
    fn covers(&self) -> Position {
        Position::new(self.covers.load(Ordering::Acquire))
    }

    fn take_in(&self, entries: &[Entry<'_>]) {
        for entries in entries.chunks(ENTRIES_AT_ONCE) {
            let mut state = self.state.write();
            let taken = state.take(entries);
            // Still under the lock: who sees it finds what it covers.
            self.covers.store(state.covers, Ordering::Release);
            drop(state);
            if taken.is_none() {
                return;
            }
        }
    }

    fn head(&self, stream: &str, after: Position, up_to: Position) -> Result<Option<StreamHead>> {
        let state = self.state.read();
        let number = state.directory.find(stream);
        let head = number.and_then(|number| state.head(number, up_to.get()));
        Ok(head.filter(|head| head.position > after))
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
        let mut state = self.state.read();
        let Some(number) = state.directory.find(stream) else {
            return Ok(());
        };
        let mut part = state.part_from(number, from.get());
        while let Some(at) = part {
            part = state.read_forward(number, at, from.get(), up_to.get(), end, out);
            if part.is_some() {
                drop(state);
                state = self.state.read();
            }
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
        let mut state = self.state.read();
        let Some(number) = state.directory.find(stream) else {
            return Ok(());
        };
        let Some(head) = state.head(number, up_to.get()) else {
            return Ok(());
        };
        let from = from.min(head.version).get();
        let mut part = state.part_from(number, from);
        while let Some(at) = part {
            part = state.read_back(number, at, from, end, out);
            if part.is_some() {
                drop(state);
                state = self.state.read();
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
        self.state.read().postings(term, from.get(), to.get(), out);
        Ok(())
    }

    fn postings_back(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.state.read().postings_back(term, from.get(), to.get(), out);
        Ok(())
    }

    fn estimate(&self, term: Term, from: Position, to: Position) -> Result<u64> {
        Ok(self.state.read().count(term, from.get(), to.get()))
    }

    fn find_id(&self, id: EventId, after: Position, out: &mut Vec<Position>) -> Result<()> {
        let state = self.state.read();
        let all = state.ids.find(id).map(Position::new);
        out.extend(all.filter(|position| *position > after));
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
        self.listing.list(&self.state, filter, after, up_to.get(), limit, out);
        Ok(())
    }

    fn stream_count(&self, up_to: Position) -> Result<u64> {
        Ok(self.state.read().directory.count_at(up_to.get()).into())
    }

    fn keep(&self, key: Term, place: Place, superseded: &[Place]) {
        self.state.write().kept.keep(key, place, superseded);
    }

    fn kept(&self, key: Term, before: Place) -> Result<Option<Place>> {
        Ok(self.state.read().kept.standing(key, before))
    }

    fn memory_bytes(&self) -> u64 {
        (self.state.read().memory_bytes() + self.listing.memory_bytes()) as u64
    }

    fn disk_bytes(&self) -> u64 {
        self.image_bytes.load(Ordering::Relaxed)
    }

    fn save(&self, covers: Covers) -> Result<()> {
        self.save_image(covers).map_err(|error| IndexError::new("saving the index", error))
    }

    fn save_events(&self) -> u64 {
        // An image is written whole: the larger it is, the more rarely, so that all images together
        // cost a few times the last one.
        SAVE_EVENTS_MIN.max(self.covers().get() / SAVE_SHARE)
    }
}
