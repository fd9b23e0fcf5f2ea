//! The RocksDB backend answers as every backend must, and takes what it finds in its folder for
//! what it is.
#![cfg(feature = "rocksdb")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests, of real files"
)]

use std::path::Path;

use annals_index::{
    Covers, Entry, Index, Opened, Result, RocksIndex, StreamFilter, StreamHead, Term, conformance,
};
use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};
use tempfile::TempDir;

const STORE: StoreId = StoreId([7; 16]);

fn open(dir: &Path) -> RocksIndex {
    let opened = RocksIndex::open(dir, STORE).unwrap();
    assert!(opened.replaced.is_none(), "{:?}", opened.replaced);
    opened.index
}

/// An index in a folder that ends with it.
struct InTemp {
    index: RocksIndex,
    _dir: TempDir,
}

impl Index for InTemp {
    fn covers(&self) -> Position {
        self.index.covers()
    }

    fn take_in(&self, entries: &[Entry<'_>]) {
        self.index.take_in(entries)
    }

    fn head(&self, stream: &str, after: Position, up_to: Position) -> Result<Option<StreamHead>> {
        self.index.head(stream, after, up_to)
    }

    fn positions(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.index.positions(stream, from, up_to, limit, out)
    }

    fn positions_back(
        &self,
        stream: &str,
        from: Version,
        up_to: Position,
        limit: usize,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.index.positions_back(stream, from, up_to, limit, out)
    }

    fn postings(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.index.postings(term, from, to, out)
    }

    fn postings_back(
        &self,
        term: Term,
        from: Position,
        to: Position,
        out: &mut Vec<Position>,
    ) -> Result<()> {
        self.index.postings_back(term, from, to, out)
    }

    fn estimate(&self, term: Term, from: Position, to: Position) -> Result<u64> {
        self.index.estimate(term, from, to)
    }

    fn find_id(&self, id: EventId, after: Position, out: &mut Vec<Position>) -> Result<()> {
        self.index.find_id(id, after, out)
    }

    fn streams(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: Position,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) -> Result<()> {
        self.index.streams(filter, after, up_to, limit, out)
    }

    fn stream_count(&self, up_to: Position) -> Result<u64> {
        self.index.stream_count(up_to)
    }

    fn keep(&self, key: Term, place: Place, superseded: &[Place]) {
        self.index.keep(key, place, superseded)
    }

    fn kept(&self, key: Term, before: Place) -> Result<Option<Place>> {
        self.index.kept(key, before)
    }

    fn memory_bytes(&self) -> u64 {
        self.index.memory_bytes()
    }

    fn disk_bytes(&self) -> u64 {
        self.index.disk_bytes()
    }

    fn save(&self, covers: Covers) -> Result<()> {
        self.index.save(covers)
    }

    fn save_events(&self) -> u64 {
        self.index.save_events()
    }
}

#[test]
fn as_every_backend() {
    conformance::check(&|| {
        let dir = TempDir::new().unwrap();
        Box::new(InTemp { index: open(dir.path()), _dir: dir })
    });
}

#[test]
fn as_every_backend_that_saves() {
    conformance::check_saved(STORE, &|| {
        let dir = TempDir::new().unwrap();
        Box::new(move || Box::new(open(dir.path())))
    });
}

/// Events 1 to `events`, each fifth of a stream, with two terms.
fn tell(index: &RocksIndex, events: u64) {
    for position in 1..=events {
        let terms = [Term::new(1), Term::new(100 + position % 7)];
        let entry = Entry {
            position: Position::new(position),
            stream: &format!("s-{}", position % 5),
            version: Version::new(1 + (position - 1) / 5),
            id: Some(EventId::from_u128(position.into())),
            terms: &terms,
        };
        index.apply(&mut std::iter::once(entry));
    }
}

fn covers(store: StoreId, position: u64) -> Covers {
    let place = Place::event(Position::new(position));
    Covers { store, epoch: Epoch { number: 1, id: 1 }, place }
}

/// Whether all that can be asked is answered rightly; `None`: not answered.
fn is_right(index: &RocksIndex, events: u64) -> Option<()> {
    let mut all = Vec::new();
    for stream in 0..5_u64 {
        let name = format!("s-{stream}");
        let mut out = Vec::new();
        index.positions(&name, Version::NONE, Position::MAX, usize::MAX, &mut out).ok()?;
        let there = (1..=events).filter(|position| position % 5 == stream);
        assert!(out.iter().map(|position| position.get()).eq(there));
        let head = index.head(&name, Position::START, Position::MAX).ok()?;
        assert_eq!(head.map(|head| head.position), out.last().copied());
        all.extend(out);
    }
    let mut out = Vec::new();
    while index.covers().get() > out.len() as u64 {
        let from = Position::new(out.len() as u64 + 1);
        let before = out.len();
        index.postings(Term::new(1), from, Position::MAX, &mut out).ok()?;
        assert!(out.len() > before);
    }
    assert!(out.iter().map(|position| position.get()).eq(1..=events));
    for position in (1..=events).step_by(97) {
        out.clear();
        index.find_id(EventId::from_u128(position.into()), Position::START, &mut out).ok()?;
        assert_eq!(out, [Position::new(position)]);
    }
    let mut streams = Vec::new();
    index.streams(&StreamFilter::All, None, Position::MAX, 100, &mut streams).ok()?;
    assert_eq!(streams.len(), 5);
    assert_eq!(index.stream_count(Position::new(3)).ok()?, 3);
    Some(())
}

const SAVED: u64 = 4000;

fn saved() -> TempDir {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    for part in 1..=4 {
        tell(&index, SAVED / 4 * part);
        index.save(covers(STORE, SAVED / 4 * part)).unwrap();
    }
    drop(index);
    dir
}

/// Opens what is in the folder: it must be all there, or refused, or replaced by an empty one.
fn open_damaged(dir: &Path, what: &str) {
    if let Ok(Some((reader, covers))) = RocksIndex::open_read_only(dir, STORE) {
        let _unreadable = is_right(&reader, covers.place.position.get());
    }
    match RocksIndex::open(dir, STORE) {
        Err(_) => {}
        Ok(Opened { index, covers: Some(covers), replaced }) => {
            assert!(replaced.is_none());
            let _unreadable = is_right(&index, covers.place.position.get());
        }
        Ok(Opened { index, covers: None, replaced }) => {
            assert!(replaced.is_some(), "{what}");
            tell(&index, SAVED);
            index.save(self::covers(STORE, SAVED)).unwrap();
            drop(index);
            is_right(&open(dir), SAVED).unwrap();
        }
    }
}

fn copy(from: &Path) -> TempDir {
    let dir = TempDir::new().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

#[test]
fn what_was_saved_is_there_again() {
    let dir = saved();
    let opened = RocksIndex::open(dir.path(), STORE).unwrap();
    assert_eq!(opened.covers, Some(covers(STORE, SAVED)));
    is_right(&opened.index, SAVED).unwrap();
    assert!(opened.index.disk_bytes() > 0 && opened.index.memory_bytes() > 0);
    drop(opened);
    let index = RocksIndex::open_empty(dir.path(), STORE).unwrap();
    assert_eq!(index.covers(), Position::START);
    assert_eq!(index.stream_count(Position::MAX).unwrap(), 0);
}

#[test]
fn damaged_files_are_noticed() {
    let whole = saved();
    let mut names: Vec<_> = std::fs::read_dir(whole.path()).unwrap().collect();
    names.sort_by_key(|entry| entry.as_ref().unwrap().file_name());
    for entry in names {
        let name = entry.unwrap().file_name();
        let bytes = std::fs::read(whole.path().join(&name)).unwrap();
        let mut attempts = vec![None, Some(Vec::new()), Some(b"garbage".repeat(99))];
        for cut in [1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            attempts.push(Some(bytes[..cut.min(bytes.len())].to_vec()));
        }
        for part in 0..4 {
            let mut flipped = bytes.clone();
            let at = bytes.len() * part / 4;
            flipped.get_mut(at).into_iter().for_each(|byte| *byte ^= 0x10);
            attempts.push(Some(flipped));
        }
        for (n, attempt) in attempts.into_iter().enumerate() {
            let dir = copy(whole.path());
            let path = dir.path().join(&name);
            match attempt {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            open_damaged(dir.path(), &format!("attempt {n} on {}", name.display()));
        }
    }
}

#[test]
fn what_is_no_index_of_this_store_is_thrown_away() {
    // Another store's.
    let dir = saved();
    let other = StoreId([8; 16]);
    let opened = RocksIndex::open(dir.path(), other).unwrap();
    assert!(opened.covers.is_none() && opened.replaced.is_some());
    assert_eq!(opened.index.stream_count(Position::MAX).unwrap(), 0);
    drop(opened);
    // Foreign files, and no RocksDB.
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    open_damaged(dir.path(), "foreign files");
    assert!(!dir.path().join("notes.txt").exists());
    // Foreign files beside it do no harm.
    let dir = saved();
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    is_right(&open(dir.path()), SAVED).unwrap();
    // A file, or a folder, where something else should be.
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("index"), "file").unwrap();
    assert!(RocksIndex::open(&dir.path().join("index"), STORE).is_err());
    assert!(RocksIndex::open_read_only(&dir.path().join("index"), STORE).is_err());
    assert_eq!(std::fs::read(dir.path().join("index")).unwrap(), b"file");
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("CURRENT")).unwrap();
    assert!(RocksIndex::open(dir.path(), STORE).is_err());
}
