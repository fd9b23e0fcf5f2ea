//! What a store did since it was opened.

use annals_env::sync::atomic::{AtomicU64, Ordering};
use annals_log::LogCounters;

/// What a store did since it was opened, for whoever exports such figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// What the log did.
    pub log: LogCounters,
    /// Appends refused because a stream was not as expected or a condition did not hold.
    pub conflicts: u64,
    /// Appends that were in the store already and got their first receipt.
    pub repeated: u64,
    /// Appends refused because the disk was full. While this grows, the store is read-only.
    pub disk_full: u64,
    /// Times that the index was saved.
    pub index_saves: u64,
    /// Times that saving it failed. It is tried again; until then an opening has more to read.
    pub index_save_failures: u64,
}

/// Counts as it goes.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) conflicts: Counter,
    pub(crate) repeated: Counter,
    pub(crate) disk_full: Counter,
    pub(crate) index_saves: Counter,
    pub(crate) index_save_failures: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counting {
    pub(crate) fn read(&self, log: LogCounters) -> Counters {
        Counters {
            log,
            conflicts: self.conflicts.get(),
            repeated: self.repeated.get(),
            disk_full: self.disk_full.get(),
            index_saves: self.index_saves.get(),
            index_save_failures: self.index_save_failures.get(),
        }
    }
}
