//! A store in memory whose files may hold anything, opened in every way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals::{
    Damage, Durability, ErrorKind, ExpectedVersion, NewEvent, Options, Position, Read,
    ReadOnlyStore, Store, Timestamp,
};
use annals_env::{Clock, Env, ManualClock, ManualScheduler, MemoryFs, SeededRandom};
use annals_tests::folder;

/// The store's folder.
pub const ROOT: &str = annals_tests::world::STORE;
/// More than any input here can hold.
const EVENTS_MAX: usize = 100_000;

/// A machine with this disk, just started.
#[must_use]
pub fn env(fs: &MemoryFs) -> Env {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
    let scheduler = ManualScheduler::new(Arc::clone(&clock) as Arc<dyn Clock>);
    Env {
        fs: Arc::new(fs.clone()),
        clock,
        random: Arc::new(SeededRandom::new(7)),
        scheduler: Arc::new(scheduler),
    }
}

/// Options to open the store of such a machine.
#[must_use]
pub fn options(fs: &MemoryFs) -> Options {
    let options = Store::options().env(env(fs)).durability(Durability::Sync);
    options.segment_bytes(Options::SEGMENT_BYTES_MIN)
}

/// All files, but for the one that is only there to be locked, and segments that were never finished:
/// they are removed before an index that has to be made anew meets damage.
fn files(fs: &MemoryFs) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = fs.files();
    files.retain(|path| !path.ends_with("lock") && path.extension().is_none_or(|it| it != "tmp"));
    files.into_iter().map(|path| (path.clone(), fs.read_file(&path).unwrap())).collect()
}

fn changed<'a>(
    before: &'a BTreeMap<PathBuf, Vec<u8>>,
    after: &'a BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<&'a PathBuf> {
    let all = before.keys().chain(after.keys());
    all.filter(|path| match (before.get(*path), after.get(*path)) {
        // A segment that a crash cut in its header has its length again, in zeros.
        (Some(old), Some(new)) if new.len() > old.len() => {
            let (same, grown) = new.split_at(old.len());
            same != old || grown.iter().any(|&byte| byte != 0)
        }
        (old, new) => old != new,
    })
    .collect()
}

/// Positions and data of the events that can be read.
pub type Readable = Vec<(Position, Vec<u8>)>;

fn events(store: &ReadOnlyStore) -> Readable {
    let forward = store.read_all();
    let mut events = Vec::new();
    for (count, event) in forward.into_iter().enumerate() {
        assert!(count < EVENTS_MAX, "reading does not end");
        if let Ok(event) = event {
            events.push((event.position(), event.data().to_vec()));
        }
    }
    assert!(events.array_windows().all(|[a, b]| a.0 < b.0));
    events
}

/// What reading shows.
pub struct Shown {
    /// What can be read.
    pub events: Readable,
    /// What is damaged as far as opening looks.
    pub damage: Vec<Damage>,
    /// Every byte is right.
    pub is_clean: bool,
    /// An append was interrupted.
    pub is_torn: bool,
}

impl Shown {
    /// Whether opening for writing has to refuse. What can be made again is told of, and no reason.
    fn is_lossy(&self) -> bool {
        self.damage.iter().any(|damage| damage.positions.is_some())
    }
}

/// Opens the store for reading, and reads all of it.
///
/// # Errors
/// Where it does not open.
///
/// # Panics
/// Where it reads events out of order, or without end.
pub fn show(fs: &MemoryFs, streams: &[&str]) -> annals::Result<Shown> {
    let store = ReadOnlyStore::open_in(&env(fs), Path::new(ROOT))?;
    Ok(show_opened(&store, streams))
}

fn show_opened(store: &ReadOnlyStore, streams: &[&str]) -> Shown {
    let report = store.verify_deep(&mut |_, _| {}).unwrap();
    let events = events(store);
    // One error for each lost event here, so not to the end.
    let backward = store.read(Read::all().backward()).take(1_000);
    backward.for_each(drop);
    for stream in streams {
        store.read_stream(stream).take(1_000).for_each(drop);
        store.last_event(stream).ok();
        store.version(stream).ok();
    }
    store.streams().take(1_000).for_each(drop);
    store.stats().ok();
    Shown {
        events,
        damage: store.damage().to_vec(),
        is_clean: report.is_clean(),
        is_torn: store.torn_tail().is_some(),
    }
}

/// Opens the store for reading and for writing, and reads all of it. Gives what could be read.
///
/// # Panics
/// Where the store breaks its word: a read that changes something or does not end, events out of
/// order, an opening over damage, a refusal without a reason or one that changes something, a loss
/// that nothing told of.
pub fn check(fs: &MemoryFs, streams: &[&str]) -> Readable {
    let before = files(fs);
    let root = Path::new(ROOT);
    let shown = show(fs, streams);
    assert!(before == files(fs), "reading changed something");

    let opened = options(fs).open(root);
    match (&shown, opened) {
        (Ok(shown), Ok(store)) if !shown.is_lossy() => {
            let event = NewEvent::json("Added", "{}");
            let added = store.append("added", ExpectedVersion::Any, &[event]);
            store.close().unwrap();
            let again = ReadOnlyStore::open_in(&env(fs), root).unwrap();
            let kept = events(&again);
            assert_eq!(kept.len(), shown.events.len() + usize::from(added.is_ok()));
            assert_eq!(&kept[..shown.events.len()], &shown.events[..]);
            if shown.is_clean {
                added.unwrap();
                assert!(again.verify_deep(&mut |_, _| {}).unwrap().is_clean());
            }
            assert!(again.torn_tail().is_none());
        }
        (Ok(shown), Err(error)) if shown.damage.is_empty() => {
            panic!("no damage, and yet: {error}")
        }
        (Ok(shown), Ok(_)) => panic!("opened over damage: {:?}", shown.damage),
        // Without a segment and without a page that knows of one a new store begins.
        (Err(error), Ok(_)) if *error.kind() == ErrorKind::NotAStore => {
            assert!(!before.keys().any(|path| path.extension().is_some_and(|it| it == "seg")));
        }
        (Err(error), Ok(_)) => panic!("opened for writing, and not for reading: {error}"),
        (_, Err(error)) => {
            let kind = error.kind();
            let known = matches!(
                kind,
                ErrorKind::Damaged(_)
                    | ErrorKind::Unsupported
                    | ErrorKind::Io
                    | ErrorKind::NotAStore
            );
            assert!(known, "{error}");
            // So is a torn tail.
            let is_torn = shown.as_ref().is_ok_and(|shown| shown.is_torn);
            let after = files(fs);
            let changed = changed(&before, &after);
            assert!(is_torn || changed.is_empty(), "{changed:?} changed in spite of {error}");
        }
    }
    shown.map(|shown| shown.events).unwrap_or_default()
}

/// A healthy store to be spoilt: some sealed segments and an active one, a saved index.
#[derive(Debug)]
pub struct Sample {
    /// Its disk.
    pub fs: MemoryFs,
    /// Its segments, oldest first.
    pub segments: Vec<PathBuf>,
    /// Its events.
    pub events: Readable,
}

impl Sample {
    /// A store of which so many segments are sealed. With fewer of them it is the same one, younger.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn new(sealed: u64) -> Self {
        Self::of_seed(sealed, 1)
    }

    /// Another store for each seed.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn of_seed(sealed: u64, seed: u64) -> Self {
        let sample = folder::Sample::new(sealed, seed);
        let fs = MemoryFs::new();
        for (path, bytes) in sample.folder.contents() {
            fs.write_file(&Path::new(ROOT).join(path), &bytes).unwrap();
        }
        let segments = sample.folder.segments().into_iter().map(|path| Path::new(ROOT).join(path));
        let events = sample.model.events(Position::MAX).iter();
        let events = events.map(|event| (event.position, event.event.data.to_vec()));
        Self { segments: segments.collect(), events: events.collect(), fs }
    }

    /// Whether all of these are events of the store, each at its position.
    #[must_use]
    pub fn has(&self, events: &Readable) -> bool {
        let own = |position: &Position| self.events.get(position.get() as usize - 1);
        events.iter().all(|event| own(&event.0) == Some(event))
    }
}
