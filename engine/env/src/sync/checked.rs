//! What `shuttle` puts in the place of `parking_lot` and the standard library.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

pub use shuttle_parking_lot::{
    MappedRwLockReadGuard, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

/// Atomic integers, and what orders them.
pub mod atomic {
    pub use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
    /// The machine's own: it stands in tables of thousands, whose entries are written under a lock
    /// and read behind an [`AtomicU64`] that says how far they are there.
    pub use std::sync::atomic::AtomicU32;
}

/// A condition variable for a [`Mutex`].
///
/// Its waits know no time. One of a minute or more ends only when somebody wakes it, so that a
/// wake-up that was forgotten shows as a deadlock; a shorter one is over as soon as the others have
/// had a turn.
#[derive(Debug, Default)]
pub struct Condvar {
    /// Held from before a waiter gives its mutex away until it waits.
    gate: shuttle::sync::Mutex<()>,
    woken: shuttle::sync::Condvar,
}

/// From here on a time is too long to be waited for.
const LONG: Duration = Duration::from_secs(60);

/// How a wait with a time ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over.
    #[must_use]
    pub fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the mutex away until somebody wakes this thread.
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard::unlocked(guard, || {
            drop(self.woken.wait(gate).unwrap_or_else(PoisonError::into_inner));
        });
    }

    /// The same, at most for `timeout`.
    pub fn wait_for<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        let long = timeout >= LONG;
        if long {
            self.wait(guard);
        } else {
            MutexGuard::unlocked(guard, shuttle::thread::yield_now);
        }
        WaitTimeoutResult(!long)
    }

    /// The same, at most until `deadline`.
    pub fn wait_until<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        self.wait_for(guard, deadline.saturating_duration_since(Instant::now()))
    }

    /// Wakes one that waits.
    pub fn notify_one(&self) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.woken.notify_one();
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.woken.notify_all();
    }
}
