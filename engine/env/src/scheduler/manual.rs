//! The test runs the steps.

use crate::sync::thread::{self, ThreadId};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Next, Scheduler, Step, Task, run_once};
use crate::clock::Clock;
use crate::sync::{Condvar, Mutex};

/// Runs a step only when the test says so, on the test's thread. Clones share the steps.
///
/// A step is due when it was woken, when it said [`Next::Now`], or when the time that it named with
/// [`Next::After`] has come by the steady side of the clock given here.
#[derive(Clone)]
pub struct ManualScheduler {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    slots: Mutex<Slots>,
    /// A step has returned.
    returned: Condvar,
}

/// The started steps in the order of their start. Never locked while a step runs: a step may wake,
/// start and drop tasks.
#[derive(Default)]
struct Slots {
    next_id: u64,
    by_id: BTreeMap<u64, Slot>,
}

struct Slot {
    /// `None`: it is done.
    step: Option<Arc<dyn Step>>,
    name: &'static str,
    woken: bool,
    /// When it is due without being woken.
    due: Option<Duration>,
    running: Option<ThreadId>,
}

impl Slot {
    fn is_due(&self, now: Duration) -> bool {
        let due = self.woken || self.due.is_some_and(|due| due <= now);
        due && self.running.is_none() && self.step.is_some()
    }
}

impl ManualScheduler {
    /// How many steps [`ManualScheduler::run_until_idle`] takes for an endless loop.
    pub const STEPS_MAX: u64 = 10_000_000;

    /// A scheduler without steps, with the clock that says when a pause is over.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { clock, slots: Mutex::default(), returned: Condvar::new() };
        Self { inner: Arc::new(inner) }
    }

    /// The names of the steps that are not done, in the order of their start.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let slots = self.inner.slots.lock();
        slots.by_id.values().filter(|slot| slot.step.is_some()).map(|slot| slot.name).collect()
    }

    /// The names of the steps that are due, in the order of their start.
    #[must_use]
    pub fn due(&self) -> Vec<&'static str> {
        let now = self.inner.clock.steady();
        let slots = self.inner.slots.lock();
        slots.by_id.values().filter(|slot| slot.is_due(now)).map(|slot| slot.name).collect()
    }

    /// The earliest steady time at which a step is due without being woken.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let slots = self.inner.slots.lock();
        slots.by_id.values().filter_map(|slot| slot.due).min()
    }

    /// Runs the first due step of this name once. False: none is due.
    pub fn run_one(&self, name: &str) -> bool {
        let now = self.inner.clock.steady();
        let found = {
            let slots = self.inner.slots.lock();
            let mut named = slots.by_id.iter().filter(|(_, slot)| slot.name == name);
            named.find(|(_, slot)| slot.is_due(now)).map(|(id, _)| *id)
        };
        found.is_some_and(|id| self.run(id))
    }

    /// Runs one of the due steps once: number `choice` of them, counted round and round. The same
    /// choices run the same steps. False: none is due.
    pub fn run_any(&self, choice: u64) -> bool {
        let due = self.due_ids();
        let index =
            choice.checked_rem(due.len() as u64).and_then(|rest| usize::try_from(rest).ok());
        index.and_then(|index| due.get(index)).is_some_and(|id| self.run(*id))
    }

    /// Runs due steps in turn until none is due, and says how many were run. The clock is left
    /// alone.
    ///
    /// # Panics
    /// After [`ManualScheduler::STEPS_MAX`] steps.
    pub fn run_until_idle(&self) -> u64 {
        let mut runs = 0;
        loop {
            let due = self.due_ids();
            if due.is_empty() {
                return runs;
            }
            for id in due {
                runs += u64::from(self.run(id));
                assert!(runs < Self::STEPS_MAX, "the steps {:?} do not come to rest", self.due());
            }
        }
    }

    fn due_ids(&self) -> Vec<u64> {
        let now = self.inner.clock.steady();
        let slots = self.inner.slots.lock();
        slots.by_id.iter().filter(|(_, slot)| slot.is_due(now)).map(|(id, _)| *id).collect()
    }

    /// Runs a step once if it is still due.
    fn run(&self, id: u64) -> bool {
        let now = self.inner.clock.steady();
        let step = {
            let mut slots = self.inner.slots.lock();
            let due = slots.by_id.get_mut(&id).filter(|slot| slot.is_due(now));
            let Some((slot, step)) =
                due.and_then(|slot| slot.step.clone().map(|step| (slot, step)))
            else {
                return false;
            };
            slot.woken = false;
            slot.due = None;
            slot.running = Some(thread::current().id());
            step
        };
        let next = run_once(step.as_ref());
        // Before anyone learns that it has returned: who stops a step may rely on its being gone.
        drop(step);
        let now = self.inner.clock.steady();
        let mut done = None;
        let mut slots = self.inner.slots.lock();
        // It is gone where the step dropped its own task.
        if let Some(slot) = slots.by_id.get_mut(&id) {
            slot.running = None;
            slot.due = match next {
                Next::Now => Some(now),
                Next::After(pause) => now.checked_add(pause),
                Next::Idle | Next::Done => None,
            };
            if next == Next::Done {
                done = slot.step.take();
            }
        }
        drop(slots);
        self.inner.returned.notify_all();
        // Outside the lock: the step may own other tasks.
        drop(done);
        true
    }
}

impl fmt::Debug for ManualScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualScheduler").field("names", &self.names()).finish_non_exhaustive()
    }
}

impl Scheduler for ManualScheduler {
    fn start(&self, step: Arc<dyn Step>) -> io::Result<Box<dyn Task>> {
        let name = step.name();
        let slot = Slot { step: Some(step), name, woken: false, due: None, running: None };
        let mut slots = self.inner.slots.lock();
        let id = slots.next_id;
        slots.next_id += 1;
        slots.by_id.insert(id, slot);
        Ok(Box::new(ManualTask { inner: Arc::downgrade(&self.inner), id, name }))
    }
}

struct ManualTask {
    /// Weak, because a step often owns what owns its task.
    inner: Weak<Inner>,
    id: u64,
    name: &'static str,
}

impl fmt::Debug for ManualTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualTask").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Task for ManualTask {
    fn wake(&self) {
        if let Some(inner) = self.inner.upgrade()
            && let Some(slot) = inner.slots.lock().by_id.get_mut(&self.id)
        {
            slot.woken = true;
        }
    }
}

impl Drop for ManualTask {
    fn drop(&mut self) {
        let Some(inner) = self.inner.upgrade() else {
            return;
        };
        let mut slots = inner.slots.lock();
        let this_thread = thread::current().id();
        while let Some(slot) = slots.by_id.get_mut(&self.id)
            && slot.running.is_some_and(|runner| runner != this_thread)
        {
            inner.returned.wait(&mut slots);
        }
        let removed = slots.by_id.remove(&self.id);
        drop(slots);
        // Outside the lock: the step may own other tasks.
        drop(removed);
    }
}
