//! The writing end of the log: one lock, under which positions are given and frames finished.
//!
//! Write path (`guard`): [`LogGuard::make_room`] → [`LogGuard::append`] → [`LogGuard::finish`], or
//! [`LogGuard::submit`] for who does not want to wait here.
//!
//! - Each commit is synced ([`SyncMode::EachCommit`]): `append` puts the frame behind the pending
//!   group; in `finish` whoever finds nobody leading writes the whole group in one piece, syncs
//!   once, publishes and wakes the others. The next group gathers meanwhile. What was submitted and
//!   nobody waits for is led by a background step.
//! - Synced in the background ([`SyncMode::Interval`]): `append` writes the frame, `finish`
//!   publishes it; a step syncs later.
//!
//! The first failure of a write or sync trips the latch, and what was not published never is.

mod group;
mod guard;
mod news;
mod open;
mod room;
mod steps;
mod wakers;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use annals_env::sync::atomic::{AtomicBool, Ordering};
use annals_env::sync::{Condvar, Mutex, RwLock};
use annals_env::{Env, Failure, Latch};
use annals_types::{Epoch, Place, Position, Timestamp};

use crate::error::{LogError, Result};
use crate::offsets::LiveOffsets;
use crate::reader::LogReader;
use crate::seal::Full;
use crate::segment::Segment;
use crate::state_page::StatePage;
use crate::tally::Tally;

pub use guard::LogGuard;
pub use news::Awaited;
use news::News;
pub(crate) use open::FIRST_RESERVE_BYTES;
pub use open::{Settled, create};
use steps::Tasks;
use wakers::Wakers;

/// A close seals the active segment where it has so many bytes: of fewer, an opening has but a few
/// milliseconds to walk through, and a store that is opened often does not fall into small segments.
const SEALED_AT_CLOSE_BYTES_MIN: u64 = 8 << 20;

/// When commits are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Each before it is visible.
    EachCommit,
    /// Visible at once, durable at the latest after this time.
    Interval(Duration),
}

/// How a store that is opened for writing reads its segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadMode {
    /// Through shared maps, without system calls. Where the disk cannot give back a page, or another
    /// process shortens a file, the process is killed with SIGBUS instead of getting an error.
    #[default]
    Map,
    /// By system calls: a failing disk is an error of the read.
    Read,
}

/// How the log is written and read.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Size at which a segment is full, in bytes.
    pub segment_bytes: u64,
    /// When commits are made durable.
    pub sync: SyncMode,
    /// How segments are read.
    pub reads: ReadMode,
}

/// Takes in what becomes visible, under the writer's lock and in the order of the log.
pub trait Publish: Send + 'static {
    /// Everything appended up to `visible` may now be shown to readers.
    ///
    /// # Errors
    /// Why it cannot be: the log shows nothing of it then, and takes no more writes.
    fn publish(&mut self, visible: Place) -> io::Result<()>;
}

/// The log, opened for writing.
#[derive(Debug)]
pub struct Log<P: Publish> {
    shared: Arc<Shared<P>>,
}

#[derive(Debug)]
pub(crate) struct Shared<P> {
    env: Env,
    root: PathBuf,
    options: LogOptions,
    reader: LogReader,
    latch: Latch,
    core: Mutex<Core<P>>,
    /// Where the members of a group wait for its sync: even groups at one, odd ones at the other,
    /// so that a finished group's wake-up leaves the next one asleep.
    turns: [Condvar; 2],
    /// Where a leader waits for more to come into its group.
    gathered: Condvar,
    /// Where all others wait for anything to change.
    changed: Condvar,
    news: News,
    wakers: Wakers,
    tasks: RwLock<Option<Tasks>>,
    /// A close waits for the steps to end.
    closing: AtomicBool,
}

/// What the lock protects.
#[derive(Debug)]
struct Core<P> {
    publish: P,
    active: Active,
    /// Those before it that are not sealed.
    full: VecDeque<Arc<Full>>,
    epoch: Epoch,
    /// The newest epoch that the log has a record of.
    recorded_epoch: Epoch,
    state: StatePage,
    /// The last place given.
    assigned: Place,
    /// Handed to the operating system, or about to be.
    attempted: Place,
    durable: Place,
    visible: Place,
    /// The stamp of the newest event.
    stamp: Timestamp,
    /// The clock's stamps lie behind this moment: somebody was told what was recorded up to it.
    told: Timestamp,
    counters: LogCounters,
    /// Frames that wait for the next group's write, and where they will lie.
    pending: Vec<u8>,
    pending_offset: u64,
    /// Where in `pending` each frame begins.
    pending_frames: Vec<usize>,
    /// An empty buffer, kept for the next group.
    spare: Vec<u8>,
    /// The number of the group that gathers now.
    group: u64,
    gathering: Gathering,
    /// Somebody writes or syncs outside the lock.
    leading: bool,
    /// Somebody reserves space outside the lock.
    reserving: bool,
    /// The background step that does was woken and has not gone to rest since.
    reserve_due: bool,
    /// A frame was submitted to the group that gathers, and perhaps nobody waits for it.
    unattended: bool,
    /// The background sync was woken and has not gone to rest since.
    sync_due: bool,
    /// The background sync is not to wait for its time.
    sync_early: bool,
    /// When the background sync saw the first commit that is not durable.
    dirty_since: Option<Duration>,
    /// No more appends.
    closed: bool,
}

/// What tells a leader whether to wait for more commits.
#[derive(Debug, Default)]
struct Gathering {
    /// How many wait for the even groups' syncs, and how many for the odd ones'.
    asleep: [usize; 2],
    /// How many the last sync has woken.
    woken: usize,
    /// How long it took.
    sync_took: Duration,
    /// The leader goes on once the group has so many frames; 0: nobody waits for any.
    wanted: usize,
    /// So many leaders do not wait: it was in vain.
    in_vain: u32,
}

/// The segment being written.
#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    offsets: Arc<LiveOffsets>,
    tally: Tally,
    /// Where the next frame goes.
    tail: u64,
    /// The zeroed space ends here.
    reserved: u64,
    /// Three quarters are full, and the background sync was told.
    syncs_early: bool,
    /// Up to here the file was told that appends come.
    expected: u64,
}

/// What a frame was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first event.
    pub first: Position,
    /// The place of the last thing in the frame.
    pub last: Place,
    /// The stamp.
    pub recorded_at: Timestamp,
    /// The epoch.
    pub epoch: Epoch,
    group: u64,
}

/// What the log did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// Frames given a place: commits and control records.
    pub frames: u64,
    /// Events given a position.
    pub events: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Syncs of the active segment that made frames durable: one for each group.
    pub syncs: u64,
    /// Segments begun.
    pub segments_begun: u64,
    /// Segments sealed.
    pub segments_sealed: u64,
    /// Failed attempts to seal a segment, or to link one. It stays readable; verification tells what
    /// is wrong.
    pub seal_failures: u64,
}

impl<P: Publish> Log<P> {
    /// Takes the writer's lock.
    #[must_use]
    pub fn lock(&self) -> LogGuard<'_, P> {
        LogGuard { shared: &self.shared, core: self.shared.core.lock() }
    }

    /// A reader of what is visible.
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.shared.reader
    }

    /// Makes everything appended so far durable and gives the position up to which the log is.
    ///
    /// # Errors
    /// [`LogError::Failed`] or [`LogError::OutcomeUnknown`] where the write path failed.
    pub fn sync(&self) -> Result<Position> {
        let mut core = self.shared.core.lock();
        let target = core.assigned;
        self.shared.wait_durable(&mut core, target)?;
        Ok(core.durable.position)
    }

    /// Waits until everything up to `position` survives power loss.
    ///
    /// # Errors
    /// As [`Log::sync`].
    pub fn wait_durable(&self, position: Position) -> Result<()> {
        let mut core = self.shared.core.lock();
        self.shared.wait_durable(&mut core, Place::event(position))
    }

    /// Returns once the submitted frame is visible, and durable where that is asked for.
    ///
    /// # Errors
    /// As [`LogGuard::finish`].
    pub fn wait(&self, appended: &Appended, durable: bool) -> Result<()> {
        let mut core = self.shared.core.lock();
        let place = appended.last;
        let done = |core: &Core<P>| core.is_finished(place, durable);
        let group = (self.shared.options.sync == SyncMode::EachCommit).then_some(appended.group);
        let waited = self.shared.wait(&mut core, group, done);
        waited.map_err(|failure| core.outcome(place, failure))
    }

    /// Like [`Log::wait`] for a task: where it is not yet so, the task is woken when to ask again.
    ///
    /// # Errors
    /// As [`LogGuard::finish`].
    pub fn poll(
        &self,
        appended: &Appended,
        durable: bool,
        task: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        let core = self.shared.core.lock();
        let place = appended.last;
        if core.is_finished(place, durable) {
            return Poll::Ready(Ok(()));
        }
        if let Err(failure) = self.shared.latch.check() {
            return Poll::Ready(Err(core.outcome(place, failure)));
        }
        self.shared.wakers.add(place, task.waker());
        Poll::Pending
    }

    /// Waits until something behind `position` is visible, or, where `durable`, survives power
    /// loss; at most for `timeout`.
    #[must_use]
    pub fn wait_behind(&self, position: Position, durable: bool, timeout: Duration) -> Awaited {
        let reader = &self.shared.reader;
        self.shared.news.wait(&*self.shared.env.clock, timeout, || {
            let visible = reader.visible();
            let newest = if durable { visible.min(reader.durable()) } else { visible };
            newest > position
        })
    }

    /// Sees to it that what readers see as recorded up to `moment` no longer changes: waits for what
    /// is in flight, and stamps by the clock lie behind it from now on.
    ///
    /// # Errors
    /// [`LogError::Failed`] where the write path failed before.
    pub fn settle_moment(&self, moment: Timestamp) -> Result<()> {
        let mut core = self.shared.core.lock();
        core.told = core.told.max(moment);
        #[cfg(annals_canary)]
        if annals_env::canary::is("a moment that was told is forgotten") {
            core.told = Timestamp::MIN;
        }
        let assigned = core.assigned;
        self.shared.wait(&mut core, None, |core| core.visible >= assigned).map_err(LogError::Failed)
    }

    /// What was done since the log was opened.
    #[must_use]
    pub fn counters(&self) -> LogCounters {
        self.shared.core.lock().counters
    }

    /// The place up to which everything is durable.
    #[must_use]
    pub fn durable(&self) -> Place {
        self.shared.core.lock().durable
    }

    /// The place up to which everything is durable and visible.
    #[must_use]
    pub fn settled(&self) -> Place {
        let core = self.shared.core.lock();
        core.durable.min(core.visible)
    }

    /// Makes everything durable, stops the background steps and takes no more appends. Seals what is
    /// full, and the active segment where it is long, so that the next opening need not read them.
    /// Closing it again does nothing.
    ///
    /// # Errors
    /// As [`Log::sync`]. The log is closed all the same.
    pub fn close(&self) -> Result<()> {
        // First, so that nothing is appended behind the last sync. Once: afterwards the log may be
        // another's to write.
        if std::mem::replace(&mut self.shared.core.lock().closed, true) {
            return Ok(());
        }
        self.shared.closing.store(true, Ordering::Relaxed);
        let synced = self.sync();
        // Where the write path failed, somebody may still be at it: not beyond this point.
        let mut core = self.shared.core.lock();
        while core.leading || core.reserving {
            self.shared.changed.wait(&mut core);
        }
        let long = core.active.tail >= SEALED_AT_CLOSE_BYTES_MIN;
        if long && synced.is_ok() {
            self.shared.rotate(&mut core, 0).ok();
        }
        drop(core);
        self.shared.news.end();
        // Ended outside the lock: a step in progress may want it.
        let tasks = self.shared.tasks.write().take();
        drop(tasks);
        self.shared.wakers.wake_all();
        // Best effort: what has no footer, the next opening walks through.
        while self.shared.latch.check().is_ok() && self.shared.seal_next().unwrap_or(false) {}
        synced.map(|_| ())
    }
}

impl<P: Publish> Drop for Log<P> {
    fn drop(&mut self) {
        // Best effort: who wants to know calls `close`.
        self.close().ok();
    }
}

impl<P> Core<P> {
    fn is_finished(&self, place: Place, durable: bool) -> bool {
        self.visible >= place && (!durable || self.durable >= place)
    }

    /// What a failure means for who waits for `place`.
    fn outcome(&self, place: Place, failure: Failure) -> LogError {
        if place <= self.attempted {
            LogError::OutcomeUnknown(failure)
        } else {
            LogError::Failed(failure)
        }
    }
}
