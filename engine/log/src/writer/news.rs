//! Where followers wait for something new to see: not at the writer's lock, which very many of them
//! waking at once would keep from who appends.

use std::time::Duration;

use annals_env::Clock;
use annals_env::sync::{Condvar, Mutex};

/// What a follower waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// It is there.
    Reached,
    /// The time is over.
    TimedOut,
    /// It will not come: the log is closed.
    Closed,
}

#[derive(Debug, Default)]
pub(super) struct News {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl News {
    /// Has all who wait look again. Called once there is something to see.
    pub(super) fn tell(&self) {
        // Who found nothing and still holds the lock is waiting by the time it is had here.
        drop(self.ended.lock());
        self.changed.notify_all();
    }

    /// Nothing new comes any more.
    pub(super) fn end(&self) {
        *self.ended.lock() = true;
        self.changed.notify_all();
    }

    /// Waits until it is `there`, at most for `timeout`.
    pub(super) fn wait(
        &self,
        clock: &dyn Clock,
        timeout: Duration,
        there: impl Fn() -> bool,
    ) -> Awaited {
        let deadline = clock.steady().saturating_add(timeout);
        let mut ended = self.ended.lock();
        let mut timed_out = false;
        loop {
            if there() {
                return Awaited::Reached;
            }
            if *ended {
                return Awaited::Closed;
            }
            if timed_out {
                return Awaited::TimedOut;
            }
            // Others wait for other things at the same place, so a wake-up may be for them.
            let left = deadline.saturating_sub(clock.steady());
            timed_out = left.is_zero() || self.changed.wait_for(&mut ended, left).timed_out();
        }
    }
}
