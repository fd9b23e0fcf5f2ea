//! The memory backend answers as every backend must, also through its image.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;

use annals_env::MemoryFs;
use annals_env::sync::RwLock;
use annals_index::{Covers, Entry, Index, MemoryIndex, StreamFilter, StreamHead, conformance};
use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};

const STORE: StoreId = StoreId([7; 16]);

#[test]
fn in_memory() {
    conformance::check(&|| Box::new(MemoryIndex::new(STORE)));
}

#[test]
fn saved_and_loaded_after_every_call() {
    conformance::check(&|| Box::new(Reloaded::new()));
}

/// An index that is never the same for long.
struct Reloaded {
    fs: MemoryFs,
    now: RwLock<MemoryIndex>,
}

impl Reloaded {
    fn new() -> Self {
        Self { fs: MemoryFs::new(), now: RwLock::new(MemoryIndex::new(STORE)) }
    }
}

impl Index for Reloaded {
    fn covers(&self) -> Position {
        self.now.read().covers()
    }

    fn apply(&self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        let mut now = self.now.write();
        now.apply(entries);
        let place = Place::event(now.covers());
        let covers = Covers { store: STORE, epoch: Epoch { number: 3, id: 4 }, place };
        now.save(&self.fs, Path::new("index"), covers).unwrap();
        let (loaded, found) =
            MemoryIndex::load(&self.fs, Path::new("index"), STORE).unwrap().unwrap();
        assert_eq!(found, covers);
        *now = loaded;
    }

    fn head(&self, stream: &str, up_to: Position) -> Option<StreamHead> {
        self.now.read().head(stream, up_to)
    }

    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) {
        self.now.read().positions(stream, from, up_to, limit, out);
    }

    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) {
        self.now.read().positions_back(stream, from, up_to, limit, out);
    }

    fn find_id(&self, id: EventId, out: &mut Vec<Position>) {
        self.now.read().find_id(id, out);
    }

    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) {
        self.now.read().streams(filter, after, up_to, limit, out);
    }

    fn stream_count(&self) -> u64 {
        self.now.read().stream_count()
    }
    fn memory_bytes(&self) -> u64 {
        self.now.read().memory_bytes()
    }
}
