//! A log with a writer that the tests know everything about: each event says where it belongs.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use annals_env::{
    Access, Clock, Env, FileLock, Fs, ManualScheduler, Scheduler, SeededRandom, SystemClock,
    ThreadScheduler,
};
use annals_log::{
    Draft, Event, Inventory, LiveLog, Log, LogError, LogOptions, LogReader, Publish, ReadMode,
    SyncMode,
};
use annals_types::{Commit, ExpectedVersion, NewEvent, Place, Position, Version};

pub(crate) const BUFFERED: SyncMode = SyncMode::Interval(Duration::from_millis(2));
pub(crate) const SYNC: SyncMode = SyncMode::EachCommit;
/// Small, so that segments are full, sealed and followed by others all the time.
pub(crate) const SEGMENT_BYTES: u64 = 16 << 10;

/// Nothing to bring up to date.
#[derive(Debug)]
pub(crate) struct NoIndex;

impl Publish for NoIndex {
    fn publish(&mut self, _: Place) -> io::Result<()> {
        Ok(())
    }
}

/// Where a store lies, and who runs its background steps.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) root: PathBuf,
}

/// The writer with its lock.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) log: Log<NoIndex>,
    lock: Box<dyn FileLock>,
}

impl World {
    /// With background steps on threads, as in a service.
    pub(crate) fn threaded(fs: Arc<dyn Fs>, root: &Path) -> Self {
        Self::with(fs, root, Arc::new(ThreadScheduler), 1)
    }

    /// With background steps that run when the test says so.
    pub(crate) fn stepped(fs: Arc<dyn Fs>, root: &Path) -> (Self, ManualScheduler) {
        let scheduler = ManualScheduler::new(Arc::new(SystemClock));
        (Self::with(fs, root, Arc::new(scheduler.clone()), 1), scheduler)
    }

    pub(crate) fn with(
        fs: Arc<dyn Fs>,
        root: &Path,
        scheduler: Arc<dyn Scheduler>,
        seed: u64,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let env = Env { fs, clock, random: Arc::new(SeededRandom::new(seed)), scheduler };
        Self { env, root: root.to_owned() }
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Opens the store for writing, making it where it is missing.
    pub(crate) fn write(&self, sync: SyncMode) -> Result<Writer, LogError> {
        let fs = &*self.env.fs;
        let fail = |error| LogError::Io { action: "the test".into(), source: Arc::new(error) };
        fs.create_dir_all(&self.root).map_err(fail)?;
        let lock = fs.lock(&self.lock_path()).map_err(fail)?.unwrap();
        let taken = Inventory::take(fs, &self.root, Access::ReadWrite)?;
        let inventory = match taken {
            Some(inventory) => inventory,
            None => {
                annals_log::create(&self.env, &self.root)?;
                Inventory::take(fs, &self.root, Access::ReadWrite)?.unwrap()
            }
        };
        let options = LogOptions { segment_bytes: SEGMENT_BYTES, sync, reads: ReadMode::Map };
        let log = inventory.recover(None)?.settle(&self.env)?.start(options, NoIndex)?;
        Ok(Writer { log, lock })
    }

    /// Opens it for reading, whoever writes it.
    pub(crate) fn read(&self) -> Option<LiveLog> {
        LiveLog::open(&self.env.fs, &self.root, &self.lock_path(), |_| None).unwrap()
    }

    /// Opens it for reading beside a writer.
    pub(crate) fn read_beside(&self) -> Option<LiveLog> {
        LiveLog::beside_writer(&self.env.fs, &self.root).unwrap()
    }
}

impl Writer {
    /// Appends one commit whose events follow the last in the store.
    pub(crate) fn append(&self, events: u64) -> Result<Position, LogError> {
        let mut guard = self.log.lock();
        loop {
            let first = guard.assigned().plus(1);
            let events: Vec<NewEvent> = (0..events).map(|n| event_at(first.plus(n))).collect();
            let commit = Commit::new().append("all", ExpectedVersion::Any, events);
            let mut draft = Draft::commit(&commit);
            draft.set_first_version(0, Version::new(first.get()));
            guard.make_room(&draft)?;
            // Somebody else may have come first while room was made.
            if guard.assigned().plus(1) == first {
                let appended = guard.append(&mut draft, None)?;
                guard.finish(&appended, false)?;
                return Ok(appended.last.position);
            }
        }
    }

    /// As after the death of the process: nothing is closed, and nothing more is done.
    pub(crate) fn die(self) {
        std::mem::forget(self.log);
        drop(self.lock);
    }
}

/// The event that stands at a position, whoever wrote it.
pub(crate) fn event_at(position: Position) -> NewEvent {
    let n = position.get();
    let long = usize::try_from(n * 7919 % 400).unwrap();
    let data = format!("{{\"n\":{n},\"{}\":0}}", "x".repeat(long));
    let event = NewEvent::json(format!("Type{}", n % 3), data);
    if n.is_multiple_of(5) { event.tag(format!("n:{n}")).metadata("{}") } else { event }
}

/// Whether this is the event of its position.
pub(crate) fn assert_right(event: &Event) {
    let position = event.position();
    assert!(event.has_content(&event_at(position)), "{position}: {event:?}");
    assert_eq!((event.stream(), event.version().get()), ("all", position.get()));
}

/// Reads everything behind `from` that is visible, in every way, and gives where that ends.
pub(crate) fn check_from(reader: &LogReader, from: Position) -> Position {
    let to = reader.visible();
    let mut next = from.plus(1);
    for event in reader.scan(next, Position::MAX) {
        let event = event.unwrap();
        // The scan began a moment later than `to` was asked for.
        assert_eq!(event.position(), next);
        assert_right(&event);
        next = next.plus(1);
    }
    assert!(next > to, "{next} {to}");
    to
}
