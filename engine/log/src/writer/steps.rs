//! The log's background work: reserving ahead, sealing and linking full segments, syncing buffered
//! commits.
//! Each has a thread of its own where threads run them: room must not wait for a segment's seal.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use annals_env::sync::atomic::Ordering;
use annals_env::sync::{Mutex, MutexGuard};
use annals_env::{Next, Step, Task};
use annals_types::Place;

use super::{Core, Publish, Shared, SyncMode};
use crate::error::Result;
use crate::link::Linker;

/// The steps that run; dropping them stops them.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) reserver: Box<dyn Task>,
    pub(super) sealer: Box<dyn Task>,
    pub(super) sync: Box<dyn Task>,
}

impl Tasks {
    pub(super) fn start<P: Publish>(shared: &Arc<Shared<P>>) -> io::Result<Self> {
        let log = Arc::downgrade(shared);
        let scheduler = &shared.env.scheduler;
        let reserver = scheduler.start(Arc::new(Reserver { log: Weak::clone(&log) }))?;
        let sealer = scheduler.start(Arc::new(Sealer {
            log: Weak::clone(&log),
            seen: Mutex::new(Place::START),
            linker: Mutex::new(Some(Linker::new(shared.reader.store()))),
        }))?;
        let sync = match shared.options.sync {
            SyncMode::EachCommit => scheduler.start(Arc::new(Leader { log }))?,
            SyncMode::Interval(interval) => scheduler.start(Arc::new(Syncer { log, interval }))?,
        };
        // The epoch's own record was appended before there was anyone to wake.
        [&reserver, &sealer, &sync].into_iter().for_each(|task| task.wake());
        Ok(Self { reserver, sealer, sync })
    }
}

/// Reserves space ahead of the writer.
struct Reserver<P> {
    log: Weak<Shared<P>>,
}

impl<P: Publish> Step for Reserver<P> {
    fn name(&self) -> &'static str {
        "log-reserver"
    }

    fn step(&self) -> Next {
        let Some(log) = self.log.upgrade() else { return Next::Done };
        let more = log.latch.check().is_ok() && (log.expect_appends() || log.reserve_ahead());
        if more { Next::Now } else { Next::Idle }
    }

    fn panicked(&self, message: &str) {
        trip(&self.log, "the log's reserver", message);
    }
}

/// Seals what is full, and links what is sealed. While buffered commits come fast it links nothing:
/// that reads and hashes a whole segment, and a burst should have the processor for itself.
struct Sealer<P> {
    log: Weak<Shared<P>>,
    /// The last place given when it looked last.
    seen: Mutex<Place>,
    /// `None` once a segment could not be linked.
    linker: Mutex<Option<Linker>>,
}

/// So many sealed segments may wait for an end of the appends.
const UNLINKED_MAX: usize = 16;
/// How long nothing must be appended for the appends to have ended.
const LINK_PAUSE: Duration = Duration::from_millis(20);

impl<P: Publish> Step for Sealer<P> {
    fn name(&self) -> &'static str {
        "log-sealer"
    }

    fn step(&self) -> Next {
        let Some(log) = self.log.upgrade() else { return Next::Done };
        if log.latch.check().is_err() {
            return Next::Idle;
        }
        match log.seal_next() {
            Ok(true) => return Next::Now,
            Ok(false) => {}
            // Tried again when more is full.
            Err(_) => return Next::Idle,
        }
        let assigned = log.core.lock().assigned;
        let busy = std::mem::replace(&mut *self.seen.lock(), assigned) != assigned;
        let may_wait = busy && matches!(log.options.sync, SyncMode::Interval(_));
        let mut linker = self.linker.lock();
        let Some(next) = linker.as_mut().and_then(|linker| linker.next(&log.reader).transpose())
        else {
            return Next::Idle;
        };
        if may_wait && next.as_ref().is_ok_and(|(_, waiting)| *waiting <= UNLINKED_MAX) {
            return Next::After(LINK_PAUSE);
        }
        let wanted = || !log.closing.load(Ordering::Relaxed);
        match next.and_then(|(next, _)| next.link(&log.reader, wanted)) {
            Ok(true) => Next::Now,
            Ok(false) => Next::Idle,
            Err(_) => {
                // Not again, nor those behind it, which are chained to it: the next opening may.
                *linker = None;
                log.core.lock().counters.seal_failures += 1;
                Next::Idle
            }
        }
    }

    fn panicked(&self, message: &str) {
        trip(&self.log, "the log's sealer", message);
    }
}

/// Leads the groups that nobody waits for.
struct Leader<P> {
    log: Weak<Shared<P>>,
}

impl<P: Publish> Step for Leader<P> {
    fn name(&self) -> &'static str {
        "log-leader"
    }

    fn step(&self) -> Next {
        let Some(log) = self.log.upgrade() else { return Next::Done };
        let mut core = log.core.lock();
        // Who leads now wakes this step where there is more to do.
        if log.latch.check().is_ok() && core.unattended && !core.leading {
            log.lead(&mut core);
        }
        log.wake_tasks(core);
        Next::Idle
    }

    fn panicked(&self, message: &str) {
        trip(&self.log, "the log's leader", message);
    }
}

/// Makes buffered commits durable.
struct Syncer<P> {
    log: Weak<Shared<P>>,
    interval: Duration,
}

impl<P: Publish> Step for Syncer<P> {
    fn name(&self) -> &'static str {
        "log-sync"
    }

    /// Woken by the first commit that is not durable; the interval runs from then.
    fn step(&self) -> Next {
        let Some(log) = self.log.upgrade() else { return Next::Done };
        let mut core = log.core.lock();
        if core.durable >= core.visible || log.latch.check().is_err() {
            core.dirty_since = None;
            core.sync_due = false;
            log.wake_tasks(core);
            return Next::Idle;
        }
        let now = log.env.clock.steady();
        let since = *core.dirty_since.get_or_insert(now);
        let due = since.saturating_add(self.interval);
        if now < due && !core.sync_early {
            return Next::After(due - now);
        }
        core.sync_early = false;
        core.dirty_since = None;
        let target = core.assigned;
        // A failure trips the latch, which whoever appends next is told.
        log.wait_durable(&mut core, target).ok();
        if core.durable < core.visible {
            core.dirty_since = Some(log.env.clock.steady());
            return Next::After(self.interval);
        }
        core.sync_due = false;
        log.wake_tasks(core);
        Next::Idle
    }

    fn panicked(&self, message: &str) {
        trip(&self.log, "the log's background sync", message);
    }
}

fn trip<P: Publish>(log: &Weak<Shared<P>>, who: &str, message: &str) {
    if let Some(log) = log.upgrade() {
        // Under the lock: who has looked at the latch already must be waiting by now.
        let _core = log.core.lock();
        log.fail(format!("{who} panicked"), io::Error::other(message.to_owned()));
    }
}

impl<P: Publish> Shared<P> {
    /// Wakes the tasks that have nothing more to wait for.
    fn wake_tasks(&self, core: MutexGuard<'_, Core<P>>) {
        let durable = core.durable;
        drop(core);
        match self.latch.check() {
            Ok(()) => self.wakers.wake_up_to(durable),
            Err(_) => self.wakers.wake_all(),
        }
    }

    /// Seals the first segment that is full; `true` if there was one. One that cannot be sealed stays
    /// as it is, which is legal, and so do those behind it.
    pub(super) fn seal_next(&self) -> Result<bool> {
        let Some(full) = self.core.lock().full.front().map(Arc::clone) else { return Ok(false) };
        let sealed = full.seal();
        let mut core = self.core.lock();
        match &sealed {
            Ok(_) => {
                core.full.pop_front_if(|front| Arc::ptr_eq(front, &full));
                core.counters.segments_sealed += 1;
            }
            Err(_) => core.counters.seal_failures += 1,
        }
        drop(core);
        let sealed = sealed?;
        self.map_reads(&sealed);
        self.reader.replace_segment(&Arc::new(sealed));
        Ok(true)
    }
}
