//! The index that lives in memory, made from the log or loaded from an image.

mod blocks;
mod directory;
mod ids;
mod image;
mod listing;
mod names;
mod postings;
mod state;
mod table;
mod varint;

use annals_env::sync::{Mutex, RwLock};
use annals_types::{EventId, Position, StoreId, Version};

pub use self::image::{IMAGE_NAME, IMAGE_VERSION, ImageError};
use self::listing::Listing;
use self::state::State;
use crate::{Entry, Index, StreamFilter, StreamHead};

/// Most entries that are taken in under one lock.
const ENTRIES_PER_LOCK: usize = 256;

/// An [`Index`] in memory, with nothing on disk but the image that [`MemoryIndex::save`] writes.
/// Meant for up to about ten million events.
///
/// Readers share one lock with the thread that applies. Whoever holds it does a small, bounded
/// piece of work: long answers let go of it in between, which changes nothing, because what is
/// written below a position never moves.
pub struct MemoryIndex {
    store: StoreId,
    state: RwLock<State>,
    listing: Listing,
    /// Held by who writes the image.
    saving: Mutex<()>,
}

impl MemoryIndex {
    /// An empty index of the store. The store's id is the key of its hashes, so that nobody who
    /// does not know it can choose names or ids that meet in one place.
    #[must_use]
    pub fn new(store: StoreId) -> Self {
        Self::from_state(store, State::new(store))
    }

    fn from_state(store: StoreId, state: State) -> Self {
        Self { store, state: RwLock::new(state), listing: Listing::new(), saving: Mutex::new(()) }
    }
}

impl Index for MemoryIndex {
    fn covers(&self) -> Position {
        Position::new(self.state.read().covers)
    }

    fn apply(&self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        // The entries may be read from a disk as they come: not while others wait for the lock.
        let mut batch = Vec::with_capacity(entries.size_hint().0.min(ENTRIES_PER_LOCK));
        loop {
            batch.extend(entries.take(ENTRIES_PER_LOCK));
            let ended = batch.len() < ENTRIES_PER_LOCK;
            if self.state.write().take(&batch).is_none() || ended {
                return;
            }
            batch.clear();
        }
    }

    fn head(&self, stream: &str, up_to: Position) -> Option<StreamHead> {
        let state = self.state.read();
        let number = state.directory.find(stream)?;
        state.head(number, up_to.get())
    }

    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) {
        let end = out.len().saturating_add(limit);
        let mut state = self.state.read();
        let Some(number) = state.directory.find(stream) else {
            return;
        };
        let mut part = state.part_from(number, from.get());
        while let Some(at) = part {
            part = state.read_forward(number, at, from.get(), up_to.get(), end, out);
            if part.is_some() {
                drop(state);
                state = self.state.read();
            }
        }
    }

    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) {
        let end = out.len().saturating_add(limit);
        let mut state = self.state.read();
        let Some(number) = state.directory.find(stream) else {
            return;
        };
        let Some(head) = state.head(number, up_to.get()) else {
            return;
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
    }

    fn find_id(&self, id: EventId, out: &mut Vec<Position>) {
        out.extend(self.state.read().ids.find(id).map(Position::new));
    }

    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) {
        self.listing.list(&self.state, filter, after, up_to.get(), limit, out);
    }

    fn memory_bytes(&self) -> u64 {
        (self.state.read().memory_bytes() + self.listing.memory_bytes()) as u64
    }

    fn stream_count(&self) -> u64 {
        self.state.read().directory.count().into()
    }
}
