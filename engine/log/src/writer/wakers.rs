//! Tasks that await the durability of a frame, instead of threads that wait for it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use annals_env::sync::Mutex;
use annals_types::Place;

/// Who is to be woken once everything up to a place is durable: one task for each frame.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    waiting: Mutex<BTreeMap<Place, Waker>>,
}

impl Wakers {
    /// Has the waker called once `place` is durable, in place of one given before. Called under the
    /// writer's lock, so that the sync that makes it so comes later.
    pub(super) fn add(&self, place: Place, waker: &Waker) {
        let replaced = self.waiting.lock().insert(place, waker.clone());
        drop(replaced);
    }

    /// Wakes all that wait for `durable` or less. Not under a lock: a waker is foreign code.
    pub(super) fn wake_up_to(&self, durable: Place) {
        let due = {
            let mut waiting = self.waiting.lock();
            if waiting.is_empty() {
                return;
            }
            let later = waiting.split_off(&durable.next());
            std::mem::replace(&mut *waiting, later)
        };
        due.into_values().for_each(wake);
    }

    /// Wakes all: they are to look what became of the log.
    pub(super) fn wake_all(&self) {
        let due = std::mem::take(&mut *self.waiting.lock());
        due.into_values().for_each(wake);
    }
}

/// A waker that panics is its owner's trouble, not the log's nor that of the others.
fn wake(waker: Waker) {
    catch_unwind(AssertUnwindSafe(|| waker.wake())).ok();
}
