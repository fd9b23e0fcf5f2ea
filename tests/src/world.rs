//! A simulated machine: a disk, a clock that stands still, seeded randomness, and background steps
//! that run when the test says so. Two worlds made alike behave alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals::{Durability, IndexKind, Options, ReadOnlyStore, Result, Store, Timestamp};
use annals_env::{
    Clock, Env, Faults, FaultyFs, Fs, ManualClock, ManualScheduler, Random, SeededRandom,
};

/// The folder of the store on a simulated disk.
pub const STORE: &str = "/data/store";

/// What the clock of a new world shows: 2026-01-01T00:00:00Z.
pub const BEGINNING: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A new simulated disk on which the folder above the store's is durably there, as on any machine
/// that has run for a while. Two operations are behind it.
#[must_use]
pub fn new_disk(faults: Faults) -> FaultyFs {
    let disk = FaultyFs::new(faults);
    let above = Path::new(STORE).parent().unwrap_or(Path::new("/"));
    let made = disk.create_dir_all(above);
    made.and_then(|()| disk.sync_dir(Path::new("/"))).unwrap_or_default();
    disk
}

/// A machine with one store on it.
#[derive(Debug)]
pub struct World {
    disk: Arc<dyn Fs>,
    root: PathBuf,
    index: IndexKind,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Who runs its background steps.
    pub scheduler: ManualScheduler,
    random: Arc<dyn Random>,
    segment_bytes: u64,
}

impl World {
    /// A machine with this disk, just started, whose clock shows [`BEGINNING`].
    #[must_use]
    pub fn new(disk: impl Fs + 'static, seed: u64) -> Self {
        Self::at(disk, seed, BEGINNING)
    }

    /// A machine with this disk, just started, whose clock shows `now`.
    #[must_use]
    pub fn at(disk: impl Fs + 'static, seed: u64, now: Timestamp) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let scheduler = ManualScheduler::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let random = Arc::new(SeededRandom::new(seed));
        let segment_bytes = Options::SEGMENT_BYTES_MIN;
        let (disk, root) = (Arc::new(disk), PathBuf::from(STORE));
        let index = IndexKind::Memory;
        Self { disk, root, index, clock, scheduler, random, segment_bytes }
    }

    /// The same with the store in another folder.
    #[must_use]
    pub fn with_root(self, root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ..self }
    }

    /// The same with another index than the one in memory.
    #[must_use]
    pub fn with_index(self, index: IndexKind) -> Self {
        Self { index, ..self }
    }

    /// The same with segments of another size than the least.
    #[must_use]
    pub fn with_segments(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }

    /// What the engine sees of it.
    #[must_use]
    pub fn env(&self) -> Env {
        Env {
            fs: Arc::clone(&self.disk),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::clone(&self.random),
            scheduler: Arc::new(self.scheduler.clone()),
        }
    }

    /// Options with its index and its segment size: the least, where nothing else was said, so that a short
    /// history fills several.
    #[must_use]
    pub fn options(&self) -> Options {
        Store::options().env(self.env()).segment_bytes(self.segment_bytes).index(self.index)
    }

    /// Opens the store for writing.
    ///
    /// # Errors
    /// Those of the store.
    pub fn open(&self, durability: Durability) -> Result<Store> {
        self.options().durability(durability).open(&self.root)
    }

    /// Opens the store for reading only.
    ///
    /// # Errors
    /// Those of the store.
    pub fn open_read_only(&self) -> Result<ReadOnlyStore> {
        ReadOnlyStore::open_in(&self.env(), &self.root)
    }

    /// What the wall clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
