//! An index that is saved while it is told a story.

use annals_env::sync::RwLock;
use annals_types::{EventId, Place, Position, StoreId, Version};

use super::saved::covers;
use super::{Folder, Model, ok};
use crate::{Covers, Entry, Index, Result, StreamFilter, StreamHead, Term};

/// An index that is saved behind the first calls that tell it something, and then now and then:
/// each time would take too long.
pub(super) struct Kept {
    store: StoreId,
    open: Folder,
    /// Whether all of it is saved, and then what was saved takes its place. Otherwise only the
    /// older half of what is new is saved.
    reopens: bool,
    now: RwLock<Now>,
}

struct Now {
    index: Box<dyn Index>,
    saved: Position,
    /// How often it was told something.
    calls: u64,
}

impl Kept {
    /// One of which a part is saved, and the rest not.
    pub(super) fn half(store: StoreId, open: Folder) -> Self {
        Self::new(store, open, false)
    }

    /// One that is never the same for long.
    pub(super) fn reopened(store: StoreId, open: Folder) -> Self {
        Self::new(store, open, true)
    }

    fn new(store: StoreId, open: Folder, reopens: bool) -> Self {
        let now = Now { index: open(), saved: Position::START, calls: 0 };
        Self { store, open, reopens, now: RwLock::new(now) }
    }
}

impl Index for Kept {
    fn covers(&self) -> Position {
        self.now.read().index.covers()
    }

    fn take_in(&self, entries: &[Entry<'_>]) {
        let mut now = self.now.write();
        now.index.take_in(entries);
        now.calls += 1;
        if now.calls > 5 && !now.calls.is_multiple_of(211) {
            return;
        }
        let applied = now.index.covers();
        let new = applied.get() - now.saved.get();
        now.saved = if self.reopens { applied } else { applied.minus(new / 2) };
        ok(now.index.save(covers(self.store, now.saved)));
        if self.reopens {
            // The folder can be opened once the index that has it open is gone.
            now.index = Box::new(Model::new());
            now.index = (self.open)();
            assert_eq!(now.index.covers(), applied);
        }
    }

    fn head(&self, stream: &str, after: Position, up_to: Position) -> Result<Option<StreamHead>> {
        self.now.read().index.head(stream, after, up_to)
    }

    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.now.read().index.positions(stream, from, up_to, limit, out)
    }

    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.now.read().index.positions_back(stream, from, up_to, limit, out)
    }

    fn postings(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.now.read().index.postings(term, from, to, out)
    }

    fn postings_back(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.now.read().index.postings_back(term, from, to, out)
    }

    fn estimate(&self, term: Term, from: Position, to: Position) -> Result<u64> {
        self.now.read().index.estimate(term, from, to)
    }

    fn find_id(&self, id: EventId, after: Position, out: &mut Vec<Position>) -> Result<()> {
        self.now.read().index.find_id(id, after, out)
    }

    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) -> Result<()> {
        self.now.read().index.streams(filter, after, up_to, limit, out)
    }

    fn stream_count(&self, up_to: Position) -> Result<u64> {
        self.now.read().index.stream_count(up_to)
    }

    fn keep(&self, key: Term, place: Place, superseded: &[Place]) {
        self.now.read().index.keep(key, place, superseded);
    }

    fn kept(&self, key: Term, before: Place) -> Result<Option<Place>> {
        self.now.read().index.kept(key, before)
    }

    fn memory_bytes(&self) -> u64 {
        self.now.read().index.memory_bytes()
    }

    fn disk_bytes(&self) -> u64 {
        self.now.read().index.disk_bytes()
    }

    fn save(&self, covers: Covers) -> Result<()> {
        self.now.read().index.save(covers)
    }

    fn save_events(&self) -> u64 {
        self.now.read().index.save_events()
    }
}
