//! Settings of an opened store, each with its default and what it costs.

use std::path::Path;
use std::time::Duration;

use crate::{Result, Store};
use annals_env::Env;
use annals_log::ReadMode;

/// What an acknowledged append has survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Power loss: the append returns once the disk has it, and nothing else is visible.
    #[default]
    Sync,
    /// The death of the process: the append returns once the operating system has it; the disk
    /// follows within [`Options::sync_interval`]. A power cut can take what was not synced yet.
    Buffered,
}

/// Where the index lives. It is made from the log, so that it can be another one at each opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexKind {
    /// In memory, saved in one piece at a clean close and now and then: for up to about ten million
    /// events. Opening reads all of it.
    Memory,
    /// In RocksDB, with the newest events in memory: for any number of events, in bounded memory.
    #[cfg(feature = "rocksdb")]
    RocksDb,
}

impl Default for IndexKind {
    /// RocksDB, where this build has it.
    fn default() -> Self {
        #[cfg(feature = "rocksdb")]
        return Self::RocksDb;
        #[cfg(not(feature = "rocksdb"))]
        return Self::Memory;
    }
}

/// How a store is opened.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("annals-doc-options-{}", std::process::id()));
/// use annals::{Durability, Store};
///
/// let store = Store::options().durability(Durability::Buffered).open(&dir)?;
/// store.close()?;
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) durability: Durability,
    pub(crate) create: bool,
    pub(crate) segment_bytes: u64,
    pub(crate) sync_interval: Duration,
    pub(crate) index: IndexKind,
    pub(crate) read_mode: ReadMode,
    pub(crate) env: Env,
}

impl Options {
    /// Default of [`Options::segment_bytes`]: 64 MiB.
    pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;
    /// Least of [`Options::segment_bytes`]: 16 KiB.
    pub const SEGMENT_BYTES_MIN: u64 = 16 << 10;
    /// Most of [`Options::segment_bytes`]: 1 GiB.
    pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
    /// Default of [`Options::sync_interval`]: 100 ms.
    pub const SYNC_INTERVAL_DEFAULT: Duration = Duration::from_millis(100);

    pub(crate) fn new() -> Self {
        Self {
            durability: Durability::default(),
            create: true,
            segment_bytes: Self::SEGMENT_BYTES_DEFAULT,
            sync_interval: Self::SYNC_INTERVAL_DEFAULT,
            index: IndexKind::default(),
            read_mode: ReadMode::default(),
            env: Env::real(),
        }
    }

    /// What an acknowledged append has survived. Default: [`Durability::Sync`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether a missing or empty folder becomes a new store. Default: true.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Size in bytes at which a segment is full and the next one begins; taken into the bounds
    /// [`Options::SEGMENT_BYTES_MIN`] and [`Options::SEGMENT_BYTES_MAX`]. Default: 64 MiB. A commit
    /// larger than a segment gets one of its own.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.clamp(Self::SEGMENT_BYTES_MIN, Self::SEGMENT_BYTES_MAX);
        self
    }

    /// The longest that a [`Durability::Buffered`] append waits for the background sync. Default:
    /// 100 ms.
    #[must_use]
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval;
        self
    }

    /// Where the index lives. Default: RocksDB where this build has it, else in memory, as always in
    /// [`Store::in_memory`].
    #[must_use]
    pub fn index(mut self, index: IndexKind) -> Self {
        self.index = index;
        self
    }

    /// How the log is read. Default: [`ReadMode::Map`]. [`ReadOnlyStore`](crate::ReadOnlyStore)
    /// and the `annals` command always use [`ReadMode::Read`].
    #[must_use]
    pub fn read_mode(mut self, mode: ReadMode) -> Self {
        self.read_mode = mode;
        self
    }

    /// Files, clock, randomness and scheduler other than the machine's own; for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn env(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// Opens the store in the folder `path` for writing.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store> {
        Store::open_with(path.as_ref(), self)
    }
}
