//! The locks, atomics and threads of the engine, in one place so that a model checker can stand in
//! for them: built with `--cfg shuttle`, all of it is [shuttle]'s. That runs the threads of a test
//! one at a time and chooses, at each lock, wait and atomic access, who goes on.
//!
//! What the engine takes from elsewhere stays as it is: `Arc`, `OnceLock`, `arc-swap`, and the cache
//! of offset tables. None of it waits for another thread, so no choice is hidden by it but that of
//! the moment, and each of its uses stands beside a lock or an atomic access that has one. (Where the
//! cache would make a thread wait, the log asks for its two halves instead.) Every choice is
//! sequentially consistent: what the weaker orderings allow a processor is not tried.
//!
//! [shuttle]: https://docs.rs/shuttle

#[cfg(shuttle)]
mod checked;

#[cfg(shuttle)]
pub use self::checked::{
    Condvar, MappedRwLockReadGuard, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic,
};
#[cfg(shuttle)]
pub(crate) use shuttle::thread;

#[cfg(not(shuttle))]
pub use parking_lot::{
    Condvar, MappedRwLockReadGuard, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
#[cfg(not(shuttle))]
pub(crate) use std::thread;

/// Atomic integers, and what orders them.
#[cfg(not(shuttle))]
pub mod atomic {
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
}
