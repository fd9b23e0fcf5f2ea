//! The store, opened for reading only.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use annals_env::Env;
use annals_env::sync::{Condvar, Mutex};
use annals_index::{Index, MemoryIndex, Terms};
use annals_log::{Awaited, Depth, LiveLog};
use annals_types::{Place, Position, Read, Version};

use crate::backend::Saved;
use crate::catch_up::CatchUp;
use crate::error::Result;
use crate::folder::{self, Folder, lock_path, not_a_store};
use crate::verify;
use crate::view::{Seen, Source};
use crate::{AsOf, Damage, Event, Events, Plan, Report, Stats, Streams, TornTail, View};

/// After so many events read from the log, the index is opened again as the writer saved it since,
/// so that memory stays bounded.
const RENEW_EVENTS: u64 = 1 << 20;

/// A store opened for reading only: changes nothing, needs no lock, and works over damage, giving
/// all that is intact. Cheap to clone.
///
/// Another process may write the store meanwhile, and may die: nothing is seen that is not visible
/// there. What came since the opening is seen after [`ReadOnlyStore::refresh`], which
/// [`ReadOnlyStore::follow`] does by itself.
///
/// The index is the one that the writer saved last, with what the log has behind it. Where there is
/// none that this build reads, one is made in memory from the whole log. What that takes, the bench
/// `queries` tells: tens of bytes an event, the more of them the fewer events a stream or tag has.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("annals-doc-beside-{}", std::process::id()));
/// use annals::{ExpectedVersion, NewEvent, ReadOnlyStore, Store};
///
/// let store = Store::open(&dir)?;
/// let beside = ReadOnlyStore::open(&dir)?;
/// store.append("order-1", ExpectedVersion::Any, &[NewEvent::json("Placed", "{}")])?;
/// assert_eq!(beside.refresh()?.get(), 1);
/// assert_eq!(beside.version("order-1")?.get(), 1);
/// # store.close()?;
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone)]
pub struct ReadOnlyStore {
    shared: Arc<Shared>,
}

struct Shared {
    env: Env,
    root: PathBuf,
    live: Mutex<Live>,
    source: Mutex<Arc<Source>>,
    damage: Vec<Damage>,
    torn_tail: Option<TornTail>,
    /// Where followers pause. Nobody wakes them: the writer is another process.
    pause: (Mutex<()>, Condvar),
}

/// What a refresh moves on.
struct Live {
    log: LiveLog,
    /// Up to here the index came from what was saved.
    saved: Position,
    /// The kept states up to here are in the index.
    kept: Place,
}

impl ReadOnlyStore {
    /// Followers and [`ReadOnlyStore::follow`] look for new events so often: the most that they are
    /// behind what the writing process shows, but for the reading itself.
    pub const REFRESH_INTERVAL: Duration = Duration::from_millis(50);

    /// Opens the store in the folder `path`.
    ///
    /// # Errors
    /// [`NotAStore`](crate::ErrorKind::NotAStore),
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for another format,
    /// [`Damaged`](crate::ErrorKind::Damaged) only where not even the store's identity can be read,
    /// and I/O errors.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(&Env::real(), path.as_ref())
    }

    /// Opens a store in other surroundings than the machine's own; for tests.
    ///
    /// # Errors
    /// As [`ReadOnlyStore::open`].
    #[doc(hidden)]
    pub fn open_in(env: &Env, root: &Path) -> Result<Self> {
        if matches!(folder::look(&*env.fs, root)?, Folder::Empty) {
            return Err(not_a_store(root, "there is nothing in it"));
        }
        let mut saved = None;
        let mut log = LiveLog::open(&env.fs, root, &lock_path(root), |store| {
            let opened = saved.insert(Saved::open_read_only(env, root, store));
            opened.covers().map(|covers| (covers.epoch, covers.place))
        })?
        .ok_or_else(|| not_a_store(root, "its log has no segment"))?;
        let store = log.reader().store();
        let saved = saved.unwrap_or_else(|| Saved::open_read_only(env, root, store));
        let (index, kept) = believed(saved, &mut log);
        let from_saved = index.covers();
        let reader = log.reader().clone();
        let mut damage = log.damage().to_vec();
        let mut found = Vec::new();
        let last = log.last();
        let catch_up = CatchUp { reader: &reader, index: &*index, kept, durable: None };
        catch_up.run(last, Some(&mut found), &mut |_, _| {})?;
        // What the scan met in the same place as the recovery is one damage.
        found.retain(|new| {
            damage.iter().all(|old| (&old.segment, old.offset) != (&new.segment, new.offset))
        });
        damage.append(&mut found);
        let whole = damage.is_empty();
        damage.extend_from_slice(log.notes());
        let (seen, terms) = (Seen::up_to(last.position), Terms::new(store));
        let source = Source { env: env.clone(), reader, index, terms, whole, seen };
        let shared = Shared {
            env: env.clone(),
            root: root.to_owned(),
            torn_tail: log.torn_tail().cloned(),
            live: Mutex::new(Live { log, saved: from_saved, kept: last }),
            source: Mutex::new(Arc::new(source)),
            damage,
            pause: (Mutex::new(()), Condvar::new()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Looks for what became visible since the last time; gives the newest position. Views keep
    /// what they show.
    ///
    /// # Errors
    /// [`HistoryLost`](crate::ErrorKind::HistoryLost) where a crash or a restored copy took away
    /// what was seen: open the store again. [`Damaged`](crate::ErrorKind::Damaged) where the next
    /// commit is not what was written, and I/O errors; what was seen before stays.
    pub fn refresh(&self) -> Result<Position> {
        let mut live = self.shared.live.lock();
        let visible = live.log.refresh()?;
        let mut source = Arc::clone(&self.shared.source.lock());
        let last = live.log.last();
        if source.seen.load(&source.reader) >= visible && live.kept >= last {
            return Ok(visible);
        }
        let mut kept = live.kept;
        if source.index.covers().get().saturating_sub(live.saved.get()) > RENEW_EVENTS {
            (source, kept) = self.renewed(&mut live, source);
        }
        let (reader, index) = (&source.reader, &*source.index);
        CatchUp { reader, index, kept, durable: None }.run(last, None, &mut |_, _| {})?;
        live.kept = last;
        source.seen.store(visible);
        // Only now: until its index has everything, views go on with the one before.
        *self.shared.source.lock() = source;
        Ok(visible)
    }

    /// The same store with the index as it was saved last, where that is newer.
    /// Gives also up to where it has the kept states.
    fn renewed(&self, live: &mut Live, source: Arc<Source>) -> (Arc<Source>, Place) {
        let reader = source.reader.clone();
        let saved = Saved::open_read_only(&self.shared.env, &self.shared.root, reader.store());
        let (index, kept) = believed(saved, &mut live.log);
        // Asked for again only after as many events, whether or not there was something new.
        let covered = source.index.covers();
        if index.covers() <= live.saved {
            live.saved = covered;
            return (source, live.kept);
        }
        live.saved = index.covers();
        let source = Source {
            env: source.env.clone(),
            reader,
            index,
            terms: source.terms,
            whole: source.whole,
            seen: Seen::up_to(source.seen.load(&source.reader)),
        };
        (Arc::new(source), kept)
    }

    /// Waits until something behind `position` was seen.
    pub(crate) fn wait_behind(
        &self,
        position: Position,
        durable: bool,
        timeout: Duration,
    ) -> Result<Awaited> {
        let clock = &*self.shared.env.clock;
        let deadline = clock.steady().saturating_add(timeout);
        loop {
            let seen = self.refresh()?;
            let reader = self.shared.live.lock().log.reader().clone();
            let newest = if durable { seen.min(reader.durable()) } else { seen };
            if newest > position {
                return Ok(Awaited::Reached);
            }
            let left = deadline.saturating_sub(clock.steady());
            if left.is_zero() {
                return Ok(Awaited::TimedOut);
            }
            let (lock, pause) = &self.shared.pause;
            pause.wait_for(&mut lock.lock(), left.min(Self::REFRESH_INTERVAL));
        }
    }

    /// The damage that was met when opening. There may be more in what did not have to be read:
    /// [`ReadOnlyStore::verify`] looks everywhere.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.shared.damage
    }

    /// What an interrupted append left at the end of the log; no damage.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.shared.torn_tail.as_ref()
    }

    /// The store as it is now, as far as it was seen.
    #[must_use]
    pub fn head(&self) -> View {
        self.shared.source.lock().head()
    }

    /// A picture of the store as it was at a position or a moment; see [`View::as_of`].
    ///
    /// # Errors
    /// As [`View::as_of`].
    pub fn as_of(&self, point: impl Into<AsOf>) -> Result<View> {
        self.head().as_of(point)
    }

    /// The events that a [`Read`] names: [`View::read`] of [`ReadOnlyStore::head`].
    #[must_use]
    pub fn read(&self, read: Read) -> Events {
        self.head().read(read)
    }

    /// The events of a stream, oldest first: [`View::read_stream`] of [`ReadOnlyStore::head`].
    #[must_use]
    pub fn read_stream(&self, stream: &str) -> Events {
        self.head().read_stream(stream)
    }

    /// All events: [`View::read_all`] of [`ReadOnlyStore::head`].
    #[must_use]
    pub fn read_all(&self) -> Events {
        self.head().read_all()
    }

    /// How [`ReadOnlyStore::read`] would find the events: [`View::explain`].
    ///
    /// # Errors
    /// As [`View::explain`].
    pub fn explain(&self, read: &Read) -> Result<Plan> {
        self.head().explain(read)
    }

    /// The newest event of a stream: [`View::last_event`].
    ///
    /// # Errors
    /// As [`View::last_event`].
    pub fn last_event(&self, stream: &str) -> Result<Option<Event>> {
        self.head().last_event(stream)
    }

    /// The stream's version: [`View::version`].
    ///
    /// # Errors
    /// As [`View::version`].
    pub fn version(&self, stream: &str) -> Result<Version> {
        self.head().version(stream)
    }

    /// The streams, by name: [`View::streams`].
    #[must_use]
    pub fn streams(&self) -> Streams {
        self.head().streams()
    }

    /// The newest position that was seen.
    #[must_use]
    pub fn position(&self) -> Position {
        self.head().position()
    }

    /// Figures about the store.
    ///
    /// # Errors
    /// I/O errors.
    pub fn stats(&self) -> Result<Stats> {
        self.head().stats()
    }

    /// Reads every byte and checks structure and checksums. `progress` is told the bytes done and in
    /// all.
    ///
    /// # Errors
    /// I/O errors. Damage is part of the report.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        self.verify_to(Depth::Fast, progress)
    }

    /// As [`ReadOnlyStore::verify`], and checks also what the bytes say: the events' fields, the
    /// content chain, and the index against the log. `progress` is told the work done and in all, in
    /// bytes.
    ///
    /// # Errors
    /// I/O errors. Damage is part of the report.
    pub fn verify_deep(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        self.verify_to(Depth::Deep, progress)
    }

    fn verify_to(&self, depth: Depth, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        let (last, source) = {
            let live = self.shared.live.lock();
            (live.log.last(), Arc::clone(&self.shared.source.lock()))
        };
        let torn_tail = self.shared.torn_tail.clone();
        verify::run(&source, last, depth, &self.shared.damage, torn_tail, progress)
    }
}

/// The index as it was saved, where that is of the log's history; else an empty one. The writer may
/// have saved it after the log was looked at: then the log is looked at again.
fn believed(saved: Saved, log: &mut LiveLog) -> (Arc<dyn Index>, Place) {
    let reader = log.reader().clone();
    if saved.covers().is_some_and(|covers| covers.place > log.last()) {
        log.refresh().ok();
    }
    if saved.is_of(log.last(), |covers| reader.knows(covers.epoch, covers.place)) {
        saved.into_index()
    } else {
        (Arc::new(MemoryIndex::new(reader.store())), Place::START)
    }
}

impl std::fmt::Debug for ReadOnlyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadOnlyStore").field("head", &self.position()).finish_non_exhaustive()
    }
}
