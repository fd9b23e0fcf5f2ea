//! The log's background work: reserving ahead, sealing full segments, syncing buffered commits.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use annals_env::sync::MutexGuard;
use annals_env::{Next, Step, Task};

use super::{Core, Publish, Shared, SyncMode};
use crate::error::Result;
use crate::seal;

/// The steps that run; dropping them stops them.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) keeper: Box<dyn Task>,
    pub(super) sync: Box<dyn Task>,
}

impl Tasks {
    pub(super) fn start<P: Publish>(shared: &Arc<Shared<P>>) -> io::Result<Self> {
        let log = Arc::downgrade(shared);
        let scheduler = &shared.env.scheduler;
        let keeper = scheduler.start(Arc::new(Keeper { log: Weak::clone(&log) }))?;
        let sync = match shared.options.sync {
            SyncMode::EachCommit => scheduler.start(Arc::new(Leader { log }))?,
            SyncMode::Interval(interval) => scheduler.start(Arc::new(Syncer { log, interval }))?,
        };
        keeper.wake();
        // The epoch's own record was appended before there was anyone to wake.
        sync.wake();
        Ok(Self { keeper, sync })
    }
}

/// Reserves space ahead of the writer and seals what is full.
struct Keeper<P> {
    log: Weak<Shared<P>>,
}

impl<P: Publish> Step for Keeper<P> {
    fn name(&self) -> &'static str {
        "log-keeper"
    }

    fn step(&self) -> Next {
        let Some(log) = self.log.upgrade() else { return Next::Done };
        if log.latch.check().is_err() {
            return Next::Idle;
        }
        if log.reserve_ahead() || log.seal_one() {
            return Next::Now;
        }
        Next::Idle
    }

    fn panicked(&self, message: &str) {
        trip(&self.log, "the log's keeper", message);
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
        if now < due {
            return Next::After(due - now);
        }
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

    /// Seals the first segment that is full; `true` if there was one.
    fn seal_one(&self) -> bool {
        // A segment that cannot be sealed stays as it is, which is legal: reading and verifying it
        // says what is wrong with it.
        let sealed = self.try_seal();
        let counters = &mut self.core.lock().counters;
        match sealed {
            Ok(sealed) => counters.segments_sealed += u64::from(sealed),
            Err(_) => counters.seal_failures += 1,
        }
        sealed.unwrap_or_default()
    }

    fn try_seal(&self) -> Result<bool> {
        let segments = self.reader.shared.segments.load_full();
        let Some((_, full)) = segments.split_last() else { return Ok(false) };
        let Some(index) = full.iter().position(|segment| segment.summary.is_none()) else {
            return Ok(false);
        };
        let before = index.checked_sub(1).and_then(|before| full.get(before));
        let Some((segment, next)) = full.get(index).zip(segments.get(index + 1)) else {
            return Ok(false);
        };
        let previous = before.and_then(|before| before.summary.as_deref());
        let sealed = seal::seal(&self.reader, segment, previous, next.header.first)?;
        self.map_reads(&sealed);
        self.reader.replace_segment(&Arc::new(sealed));
        Ok(true)
    }
}
