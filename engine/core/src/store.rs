//! The store, opened for writing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::sync::Mutex;
use annals_env::sync::atomic::{AtomicU64, Ordering};
use annals_env::{Env, FileLock, Task};
use annals_index::{Index, MemoryIndex};
use annals_log::Log;
use annals_types::{ExpectedVersion, NewEvent, Position, Version};

use crate::error::Result;
use crate::open;
use crate::pending::Pending;
use crate::view::Source;
use crate::{AppendOptions, Event, Options, Read, Receipt, Report, Stats, Streams, TornTail, View};

/// A store opened for writing: the only one that is, in any process. Cheap to clone; clones are
/// handles of the same store and may be used from any thread.
///
/// The store closes with its last handle. [`Store::close`] does it now and tells how it went.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) engine: Arc<Engine>,
}

/// What all handles of a store share.
pub(crate) struct Engine {
    pub(crate) env: Env,
    pub(crate) root: PathBuf,
    pub(crate) log: Log<Pending>,
    pub(crate) index: Arc<MemoryIndex>,
    pub(crate) keeper: Mutex<Option<Box<dyn Task>>>,
    pub(crate) index_saved: Mark,
    torn_tail: Option<TornTail>,
    lock: Mutex<Option<Box<dyn FileLock>>>,
}

/// A position that several threads move on.
#[derive(Debug)]
pub(crate) struct Mark(AtomicU64);

impl Mark {
    pub(crate) fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn store(&self, position: Position) {
        self.0.store(position.get(), Ordering::Relaxed);
    }

    /// Moves it from `from` to `to`; `false` where another thread did it first.
    pub(crate) fn claim(&self, from: u64, to: Position) -> bool {
        self.0.compare_exchange(from, to.get(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Engine {
    pub(crate) fn new(
        env: Env,
        root: &Path,
        log: Log<Pending>,
        index: Arc<MemoryIndex>,
        lock: Box<dyn FileLock>,
        torn_tail: Option<TornTail>,
        indexed: Position,
    ) -> Self {
        Self {
            env,
            root: root.to_owned(),
            log,
            index,
            keeper: Mutex::new(None),
            index_saved: Mark(AtomicU64::new(indexed.get())),
            torn_tail,
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Ends everything, once.
    fn close(&self) -> Result<()> {
        let Some(lock) = self.lock.lock().take() else { return Ok(()) };
        let keeper = self.keeper.lock().take();
        drop(keeper);
        let closed = self.log.close().map_err(Into::into);
        // Without it the next opening reads more; nothing else depends on it.
        self.save_index().ok();
        drop(lock);
        closed
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Who wants to know how it went calls `Store::close`.
        self.close().ok();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in the folder `path` for writing, and makes it where there is none.
    ///
    /// What a crash left half written at the end of the log is cut off
    /// ([`Store::recovered_tail`]); everything acknowledged as durable is there.
    ///
    /// # Errors
    /// [`Locked`](crate::ErrorKind::Locked), [`NotAStore`](crate::ErrorKind::NotAStore) for a
    /// folder with other things in it, [`Damaged`](crate::ErrorKind::Damaged) where something
    /// durable cannot be read (nothing is changed then),
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for another format, and I/O errors.
    ///
    /// # Examples
    /// ```
    /// # let dir = std::env::temp_dir().join(format!("annals-doc-open-{}", std::process::id()));
    /// let store = annals::Store::open(&dir)?;
    /// assert_eq!(store.version("order-1")?.get(), 0);
    /// # store.close()?;
    /// # std::fs::remove_dir_all(&dir).ok();
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(path)
    }

    /// Settings to open a store with.
    #[must_use]
    pub fn options() -> Options {
        Options::new()
    }

    /// A store in memory that ends with its last handle; for tests of what is built on it.
    ///
    /// # Errors
    /// Where no background thread can be made.
    pub fn in_memory() -> Result<Self> {
        Self::options().env(Env::in_memory()).open("/store")
    }

    pub(crate) fn open_with(path: &Path, options: &Options) -> Result<Self> {
        open::open(path, options, false, &mut |_, _| {})
    }

    /// Appends `events` to `stream` as one commit, if the stream is as `expected`.
    ///
    /// When it returns, the commit is visible to every reader, and has survived what the store's
    /// [`Durability`](crate::Durability) says. After a crash it is there whole or not at all.
    ///
    /// # Errors
    /// - [`Conflict`](crate::ErrorKind::Conflict) with the actual version, which a read finds.
    /// - [`Invalid`](crate::ErrorKind::Invalid) outside the [`limits`](crate::limits).
    /// - [`IdReused`](crate::ErrorKind::IdReused) for an id that the store has.
    /// - [`DiskFull`](crate::ErrorKind::DiskFull): nothing was written; works again with room.
    /// - [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) where writing or syncing failed: the
    ///   commit may be there after reopening. From then on every append is
    ///   [`Failed`](crate::ErrorKind::Failed) until the store is opened again.
    ///
    /// # Examples
    /// ```
    /// use annals::{ExpectedVersion, NewEvent, Store};
    ///
    /// let store = Store::in_memory()?;
    /// let events = [NewEvent::json("Opened", r#"{"owner":"Ada"}"#), NewEvent::json("Paid", "{}")];
    /// let receipt = store.append("account-1", ExpectedVersion::NoStream, &events)?;
    /// assert_eq!(receipt.version.get(), 2);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn append(
        &self,
        stream: &str,
        expected: ExpectedVersion,
        events: &[NewEvent],
    ) -> Result<Receipt> {
        self.append_with(stream, expected, events, AppendOptions::new())
    }

    /// Like [`Store::append`], with settings of its own.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_with(
        &self,
        stream: &str,
        expected: ExpectedVersion,
        events: &[NewEvent],
        options: AppendOptions,
    ) -> Result<Receipt> {
        self.engine.append(stream, expected, events, options)
    }

    /// Makes everything appended so far survive power loss; gives the position up to which the
    /// store now does.
    ///
    /// # Errors
    /// As [`Store::append`] where writing or syncing failed, now or before.
    pub fn sync(&self) -> Result<Position> {
        Ok(self.engine.log.sync()?)
    }

    /// A picture of the store as it is now, unchanged by later appends.
    #[must_use]
    pub fn view(&self) -> View {
        let source = Source {
            reader: self.engine.log.reader().clone(),
            index: Arc::clone(&self.engine.index) as Arc<dyn Index>,
        };
        View::new(Arc::new(source))
    }

    /// The events of a stream: [`View::read_stream`] of [`Store::view`].
    #[must_use]
    pub fn read_stream(&self, stream: &str) -> Read {
        self.view().read_stream(stream)
    }

    /// All events: [`View::read_all`] of [`Store::view`].
    #[must_use]
    pub fn read_all(&self) -> Read {
        self.view().read_all()
    }

    /// The newest event of a stream: [`View::last_event`] of [`Store::view`].
    ///
    /// # Errors
    /// As [`View::last_event`].
    pub fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        self.view().last_event(stream)
    }

    /// The stream's version: [`View::version`] of [`Store::view`].
    ///
    /// # Errors
    /// As [`View::version`].
    pub fn version(&self, stream: &str) -> Result<Version> {
        self.view().version(stream)
    }

    /// The streams, by name: [`View::streams`] of [`Store::view`].
    #[must_use]
    pub fn streams(&self) -> Streams {
        self.view().streams()
    }

    /// The newest visible position.
    #[must_use]
    pub fn position(&self) -> Position {
        self.engine.log.reader().visible()
    }

    /// Figures about the store.
    ///
    /// # Errors
    /// I/O errors.
    pub fn stats(&self) -> Result<Stats> {
        self.view().stats()
    }

    /// Reads and checks every byte up to what is durable now, syncing first. `progress` is told the bytes done and
    /// in all.
    ///
    /// # Errors
    /// I/O errors. Damage is part of the report.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        // A store that takes no more writes can still be verified.
        self.engine.log.sync().ok();
        let last = self.engine.log.durable();
        let verified = self.engine.log.reader().verify(last, progress)?;
        Ok(Report::new(self.engine.log.reader(), last.position, verified, &[], None))
    }

    /// What an interrupted append had left at the end of the log and this opening cut off.
    #[must_use]
    pub fn recovered_tail(&self) -> Option<&TornTail> {
        self.engine.torn_tail.as_ref()
    }

    /// Makes everything durable, saves the index and gives the store free. Other handles of it fail
    /// from then on.
    ///
    /// # Errors
    /// Where that failed; the store is closed all the same.
    pub fn close(self) -> Result<()> {
        self.engine.close()
    }
}
