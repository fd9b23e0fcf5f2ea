//! The outside world as the engine sees it: files, clock, randomness, background steps, locks.
//!
//! This is the only crate of the engine that names `std::fs`, `std::thread` or the clock. Each part
//! is a small trait with a real implementation and one that tests control:
//!
//! | part | real | for tests |
//! | --- | --- | --- |
//! | [`Fs`], [`File`] | [`RealFs`] | [`MemoryFs`], and [`FaultyFs`], which crashes and misbehaves |
//! | [`Clock`] | [`SystemClock`] | [`ManualClock`] |
//! | [`Random`] | [`SystemRandom`] | [`SeededRandom`] |
//! | [`Scheduler`] | [`ThreadScheduler`] | [`ManualScheduler`] |
//!
//! All file systems pass the same [`conformance`] suite. What several threads do together while
//! their caller waits is run by [`threads`].

#[cfg(not(unix))]
compile_error!(
    "annals-env needs a Unix system: file modes, O_NOFOLLOW, positional reads and writes"
);

#[cfg(annals_canary)]
pub mod canary;
mod clock;
pub mod conformance;
mod faulty;
mod fs;
mod latch;
mod memory;
mod names;
mod pages;
mod random;
mod real;
mod scheduler;
pub mod sync;
pub mod threads;

use std::sync::Arc;

pub use clock::{Clock, ManualClock, SystemClock};
pub use faulty::{
    AllChoices, Choices, Faults, FaultyFs, FirstChoices, LastChoices, Operation, OperationKind,
    PowerCuts, SECTOR_BYTES, SeededChoices,
};
pub use fs::{Access, Entry, EntryKind, File, FileLock, Fs};
pub use latch::{Failure, Latch};
pub use memory::MemoryFs;
pub use random::{Random, SeededRandom, SystemRandom};
pub use real::{RealFs, prefetch};
pub use scheduler::{ManualScheduler, Next, Scheduler, Step, Task, ThreadScheduler};

/// Everything that the engine takes from outside.
#[derive(Clone, Debug)]
pub struct Env {
    /// Files and folders.
    pub fs: Arc<dyn Fs>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// Who runs background steps.
    pub scheduler: Arc<dyn Scheduler>,
}

impl Env {
    /// The machine that the process runs on.
    #[must_use]
    pub fn real() -> Self {
        Self {
            fs: Arc::new(RealFs),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            scheduler: Arc::new(ThreadScheduler),
        }
    }

    /// Like [`Env::real`], with files that live in memory and end with the value.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { fs: Arc::new(MemoryFs::new()), ..Self::real() }
    }
}
