//! The store, opened for writing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::sync::Mutex;
use annals_env::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use annals_env::{Env, FileLock, Task};
use annals_index::{Index, Terms};
use annals_log::{Depth, Log};
use annals_types::{Commit, ExpectedVersion, NewEvent, Position, Read, Version};

use crate::append::beyond_head;
use crate::counters::Counting;
use crate::error::Result;
use crate::pending::Pending;
use crate::view::{Seen, Source};
use crate::{
    AsOf, Counters, Event, Events, IndexKind, Options, Plan, Receipt, Report, Stats, Streams,
    TornTail, View,
};
use crate::{keeper, open, verify};

/// A store opened for writing: the only one that is, in any process. Cheap to clone; clones are
/// handles of the same store and may be used from any thread.
///
/// The store closes with its last handle. [`Store::close`] does it now and tells how it went.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) engine: Arc<Engine>,
    _handle: Arc<Handle>,
}

/// What the last handle takes with it. Background steps and those who wait share the engine, but
/// do not keep the store open.
#[derive(Debug)]
struct Handle(Arc<Engine>);

impl Drop for Handle {
    fn drop(&mut self) {
        // Who wants to know how it went calls `Store::close`.
        self.0.close().ok();
    }
}

/// What all handles of a store share.
pub(crate) struct Engine {
    pub(crate) env: Env,
    pub(crate) root: PathBuf,
    pub(crate) log: Log<Pending>,
    pub(crate) index: Arc<dyn Index>,
    pub(crate) terms: Terms,
    pub(crate) counters: Counting,
    /// What views of it read from.
    pub(crate) source: Arc<Source>,
    pub(crate) keeper: Mutex<Option<Box<dyn Task>>>,
    /// Held by who saves the index.
    pub(crate) saving: Mutex<()>,
    /// Up to here the index is saved, up to there somebody was asked to, and the last time that who
    /// appended tried.
    pub(crate) index_saved: Mark,
    pub(crate) index_asked: Mark,
    pub(crate) index_tried: Mark,
    /// States were kept since.
    pub(crate) kept_unsaved: AtomicBool,
    torn_tail: Option<TornTail>,
    pub(crate) closed: AtomicBool,
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
        index: Arc<dyn Index>,
        lock: Box<dyn FileLock>,
        torn_tail: Option<TornTail>,
        indexed: Position,
    ) -> Self {
        let terms = Terms::new(log.reader().store());
        let source = Source {
            env: env.clone(),
            reader: log.reader().clone(),
            index: Arc::clone(&index),
            terms,
            whole: true,
            seen: Seen::visible(),
        };
        Self {
            env,
            root: root.to_owned(),
            log,
            index,
            terms,
            counters: Counting::default(),
            source: Arc::new(source),
            keeper: Mutex::new(None),
            saving: Mutex::new(()),
            index_saved: Mark(AtomicU64::new(indexed.get())),
            index_asked: Mark(AtomicU64::new(indexed.get())),
            index_tried: Mark(AtomicU64::new(indexed.get())),
            kept_unsaved: AtomicBool::new(false),
            torn_tail,
            closed: AtomicBool::new(false),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Ends everything, once.
    fn close(&self) -> Result<()> {
        // Held to the end: who closes it too waits for it.
        let mut held = self.lock.lock();
        let Some(lock) = held.take() else { return Ok(()) };
        self.closed.store(true, Ordering::Relaxed);
        let keeper = self.keeper.lock().take();
        drop(keeper);
        let closed = self.log.close().map_err(Into::into);
        // Without it the next opening reads more; nothing else depends on it.
        self.save_index().ok();
        self.index.close();
        drop(lock);
        closed
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Store {
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        let engine = Arc::new(engine);
        let handle = Arc::new(Handle(Arc::clone(&engine)));
        keeper::start(&engine)?;
        Ok(Self { engine, _handle: handle })
    }

    /// Opens the store in the folder `path` for writing, and makes it where there is none.
    ///
    /// What a crash left half written at the end of the log is cut off
    /// ([`Store::recovered_tail`]); everything acknowledged as durable is there.
    ///
    /// # Errors
    /// [`Locked`](crate::ErrorKind::Locked), [`NotAStore`](crate::ErrorKind::NotAStore) for a
    /// folder with other things in it, [`Damaged`](crate::ErrorKind::Damaged) where something
    /// durable cannot be read (nothing is changed then),
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for another format,
    /// [`DiskFull`](crate::ErrorKind::DiskFull) where neither the log nor the disk has room for the
    /// record of the opening (nothing is lost; reading only works), and I/O errors.
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
        Self::options().index(IndexKind::Memory).env(Env::in_memory()).open("/store")
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
    /// As [`Store::commit`].
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
        self.commit(&Commit::new().append(stream, expected, events))
    }

    /// Appends a [`Commit`]: events of one stream or of several, all or nothing, if everything that
    /// it expects holds. It is decided against all commits before it, those in flight included.
    ///
    /// When it returns, the commit is visible to every reader, and has survived what the store's
    /// [`Durability`](crate::Durability) says. After a crash it is there whole or not at all.
    ///
    /// Ids that the caller sets make it safe to repeat: the same events with the same ids in the
    /// same order get the first receipt, with [`Receipt::repeated`] set, however long ago that was
    /// and whatever happened to the streams since.
    ///
    /// # Errors
    /// - [`Conflict`](crate::ErrorKind::Conflict) with the actual version, which a read finds.
    /// - [`ConditionFailed`](crate::ErrorKind::ConditionFailed) with the first event that matches.
    /// - [`Invalid`](crate::ErrorKind::Invalid) outside the [`limits`](crate::limits), and for a
    ///   condition behind a position that the store has not come to.
    /// - [`IdReused`](crate::ErrorKind::IdReused) for an id that the store has from another commit.
    /// - [`DiskFull`](crate::ErrorKind::DiskFull): nothing was written; works again with room.
    /// - [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) where writing or syncing failed: the
    ///   commit may be there after reopening. From then on every append is
    ///   [`Failed`](crate::ErrorKind::Failed) until the store is opened again.
    ///
    /// # Examples
    /// A user name that only one user can have, whatever their streams are called:
    /// ```
    /// use annals::{Commit, ErrorKind, ExpectedVersion, NewEvent, QueryItem, Store};
    ///
    /// let store = Store::in_memory()?;
    /// let register = |user: &str, name: &str| {
    ///     let tag = format!("username:{name}");
    ///     let taken = QueryItem::new().event_type("Registered").tag(tag.clone());
    ///     let event = [NewEvent::json("Registered", "{}").tag(tag)];
    ///     let commit = Commit::new()
    ///         .append(user, ExpectedVersion::NoStream, &event)
    ///         .fail_if(taken, annals::Position::START);
    ///     store.commit(&commit)
    /// };
    /// register("user-1", "ada")?;
    /// let refused = register("user-2", "ada").unwrap_err();
    /// assert!(matches!(refused.kind(), ErrorKind::ConditionFailed { .. }));
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn commit(&self, commit: &Commit<'_>) -> Result<Receipt> {
        self.engine.commit(commit)
    }

    /// Makes everything appended so far survive power loss; gives the position up to which the
    /// store now does.
    ///
    /// # Errors
    /// As [`Store::commit`] where writing or syncing failed, now or before.
    pub fn sync(&self) -> Result<Position> {
        Ok(self.engine.log.sync()?)
    }

    /// Waits until everything up to `position` survives power loss. In a buffered store that is
    /// soon by itself; [`Store::sync`] does not wait for the interval.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a position that the store has not come to, and as
    /// [`Store::sync`].
    pub fn wait_durable(&self, position: Position) -> Result<()> {
        let newest = self.position();
        if position > newest {
            return Err(beyond_head("waiting for durability", position, newest).into());
        }
        Ok(self.engine.log.wait_durable(position)?)
    }

    /// A picture of the store as it is now, unchanged by later appends.
    #[must_use]
    pub fn head(&self) -> View {
        self.engine.source.head()
    }

    /// A picture of the store as it was at a position or a moment; see [`View::as_of`]. Here the
    /// moment is settled: the clock's later stamps lie behind it, even if the clock is set back.
    ///
    /// # Errors
    /// As [`View::as_of`].
    pub fn as_of(&self, point: impl Into<AsOf>) -> Result<View> {
        let (point, now) = (point.into(), self.engine.env.clock.now());
        if let AsOf::Moment(moment) = point
            && moment < now
        {
            // After a failed write nothing more becomes visible: that settles it too.
            self.engine.log.settle_moment(moment).ok();
        }
        self.head().as_of_at(point, now)
    }

    /// The events that a [`Read`] names: [`View::read`] of [`Store::head`].
    #[must_use]
    pub fn read(&self, read: Read) -> Events {
        self.head().read(read)
    }

    /// The events of a stream, oldest first: [`View::read_stream`] of [`Store::head`].
    #[must_use]
    pub fn read_stream(&self, stream: &str) -> Events {
        self.head().read_stream(stream)
    }

    /// All events: [`View::read_all`] of [`Store::head`].
    #[must_use]
    pub fn read_all(&self) -> Events {
        self.head().read_all()
    }

    /// How [`Store::read`] would find the events: [`View::explain`] of [`Store::head`].
    ///
    /// # Errors
    /// As [`View::explain`].
    pub fn explain(&self, read: &Read) -> Result<Plan> {
        self.head().explain(read)
    }

    /// The newest event of a stream: [`View::last_event`] of [`Store::head`].
    ///
    /// # Errors
    /// As [`View::last_event`].
    pub fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        self.head().last_event(stream)
    }

    /// The stream's version: [`View::version`] of [`Store::head`].
    ///
    /// # Errors
    /// As [`View::version`].
    pub fn version(&self, stream: &str) -> Result<Version> {
        self.head().version(stream)
    }

    /// The streams, by name: [`View::streams`] of [`Store::head`].
    #[must_use]
    pub fn streams(&self) -> Streams {
        self.head().streams()
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
        self.head().stats()
    }

    /// What the store did since it was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.engine.counters.read(self.engine.log.counters())
    }

    /// Reads every byte up to what is durable now, syncing first, and checks structure and
    /// checksums. `progress` is told the bytes done and in all.
    ///
    /// # Errors
    /// I/O errors. Damage is part of the report.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        self.verify_to(Depth::Fast, progress)
    }

    /// As [`Store::verify`], and checks also what the bytes say: the events' fields, the content
    /// chain, and the index against the log. `progress` is told the work done and in all, in bytes.
    ///
    /// # Errors
    /// I/O errors. Damage is part of the report.
    pub fn verify_deep(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        self.verify_to(Depth::Deep, progress)
    }

    fn verify_to(&self, depth: Depth, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        // A store that takes no more writes can still be verified.
        self.engine.log.sync().ok();
        let last = self.engine.log.durable();
        verify::run(&self.engine.source, last, depth, &[], None, progress)
    }

    /// What an interrupted append had left at the end of the log and this opening cut off.
    #[must_use]
    pub fn recovered_tail(&self) -> Option<&TornTail> {
        self.engine.torn_tail.as_ref()
    }

    /// Makes everything durable, saves the index and gives the store free. Other handles of it, and
    /// views that look something up in an index on disk, fail from then on.
    ///
    /// # Errors
    /// Where that failed; the store is closed all the same.
    pub fn close(self) -> Result<()> {
        self.engine.close()
    }
}
