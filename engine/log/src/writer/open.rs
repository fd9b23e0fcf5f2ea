//! Opening a log for writing: what recovery found is carried out, and a new epoch begins.

use std::path::Path;
use std::sync::Arc;

use annals_env::sync::atomic::AtomicBool;
use annals_env::sync::{Condvar, Mutex, RwLock};
use annals_env::{Env, Latch};
use annals_types::{Epoch, Place, StoreId, Timestamp};

use super::news::News;
use super::room::active;
use super::wakers::Wakers;
use super::{Active, Core, Gathering, Log, LogCounters, LogOptions, Publish, Shared, steps::Tasks};
use crate::error::{LogError, Result};
use crate::format::draft::Draft;
use crate::format::footer::EpochStart;
use crate::format::segment_header::SegmentHeader;
use crate::reader::LogReader;
use crate::recovery::{Recovered, Tail};
use crate::repair;
use crate::seal::Full;
use crate::segment::{self, LOG_FOLDER, PAGE_BYTES, write_zeros};
use crate::state_page::StatePage;

/// Room in the first segment of a store.
pub(crate) const FIRST_RESERVE_BYTES: u64 = 4 * PAGE_BYTES;

/// A log whose end is in order, not yet written to.
#[derive(Debug)]
pub struct Settled {
    env: Env,
    root: std::path::PathBuf,
    reader: LogReader,
    last: Place,
    epoch_number: u32,
    stamp: Timestamp,
    full: Vec<Full>,
    active: Option<Active>,
    sequence: u64,
}

/// Makes the folder and the first segment of a new log in the store's folder `root`.
///
/// # Errors
/// [`LogError::DiskFull`] and I/O errors.
pub fn create(env: &Env, root: &Path) -> Result<()> {
    let fail = |error| LogError::io(format!("making {LOG_FOLDER}"), error);
    env.fs.create_dir_all(&root.join(LOG_FOLDER)).map_err(fail)?;
    env.fs.sync_dir(root).map_err(fail)?;
    let mut store = StoreId::default();
    let (low, high) = store.0.split_at_mut(8);
    low.copy_from_slice(&env.random.u64().to_le_bytes());
    high.copy_from_slice(&env.random.u64().to_le_bytes());
    let header = SegmentHeader {
        store,
        salt: env.random.u64(),
        first: Place::START.next(),
        generation: 0,
        epoch: Epoch::default(),
    };
    segment::create(&*env.fs, root, header, FIRST_RESERVE_BYTES).map_err(fail)?;
    segment::sync_folder(&*env.fs, root).map_err(fail)
}

impl Recovered {
    /// Carries out what recovery decided: cuts off a torn tail, and writes and syncs again what
    /// nothing proves to be durable. Only for a store opened for writing.
    ///
    /// # Errors
    /// [`LogError::Damaged`] where something durable is damaged: nothing is changed then.
    pub fn settle(self, env: &Env) -> Result<Settled> {
        if let Some(damage) = self.damage().first() {
            return Err(LogError::damaged(damage.clone()));
        }
        for path in &self.inventory.unfinished {
            let fail = |error| LogError::io(format!("removing {}", path.display()), error);
            env.fs.remove(path).map_err(fail)?;
        }
        // Whoever wrote before may have been killed between making a name and syncing it.
        for folder in [self.inventory.root.join(LOG_FOLDER), self.inventory.root.clone()] {
            #[cfg(annals_canary)]
            if annals_env::canary::is("an opening does not sync the folders") {
                continue;
            }
            let fail = |error| LogError::io(format!("syncing {}", folder.display()), error);
            env.fs.sync_dir(&folder).map_err(fail)?;
        }
        // The newer generation is durable now. The older one may have been put back from a copy, so
        // it is kept.
        repair::put_aside(&*env.fs, &self.inventory.root, &self.inventory.superseded)?;
        // So may whoever wrote the newest footer: later ones are made only behind a durable one.
        let segments = self.reader.shared.segments.load_full();
        #[cfg(annals_canary)]
        let segments = match annals_env::canary::is("an opening does not sync the newest footer") {
            true => Arc::default(),
            false => segments,
        };
        if let Some(sealed) = segments.iter().rfind(|segment| segment.summary.is_some()) {
            let fail = |error| LogError::io(format!("syncing {}", sealed.name), error);
            sealed.file.sync().map_err(fail)?;
        }
        if let Some(tail) = &self.tail {
            settle_tail(tail)
                .map_err(|error| LogError::io(format!("settling {}", tail.segment.name), error))?;
        }
        if let Some(tail) = &self.tail {
            own_last_page(tail)
                .map_err(|error| LogError::io(format!("settling {}", tail.segment.name), error))?;
        }
        let active = self.tail.map(|tail| Active {
            segment: tail.segment,
            offsets: tail.offsets,
            tally: tail.tally,
            tail: tail.end,
            // What lies behind is zeroed anew before it is used: a copied file may have holes there.
            reserved: tail.end.next_multiple_of(PAGE_BYTES).min(tail.reserved),
            syncs_early: false,
            expected: tail.end,
        });
        Ok(Settled {
            env: env.clone(),
            root: self.inventory.root,
            reader: self.reader,
            last: self.last,
            epoch_number: self.epoch_number,
            stamp: self.stamp,
            full: self.full,
            active,
            sequence: self.inventory.state.map_or(0, |state| state.sequence),
        })
    }
}

/// Writes the page again in which the next frame begins: appends go through a map, and where a page
/// is shared with a copy of the file, the first store to it would need room.
fn own_last_page(tail: &Tail) -> std::io::Result<()> {
    let start = tail.end - tail.end % PAGE_BYTES;
    let mut page = vec![0; usize::try_from(tail.end - start).unwrap_or_default()];
    // A file that was cut inside of its header has less, and gets zeros for the rest.
    tail.segment.file.read_at(&mut page, start)?;
    tail.segment.file.write_at(&page, start)
}

/// After this the file holds, durably, the frames that count and zeros behind them.
fn settle_tail(tail: &Tail) -> std::io::Result<()> {
    let file = &*tail.segment.file;
    if tail.unproven == tail.end && tail.rest_end == tail.end {
        return Ok(());
    }
    // Written again, not only synced: a sync that failed in another life may have left pages that
    // look clean and are not on the disk.
    const PIECE: u64 = 64 << 10;
    let mut at = tail.unproven;
    let mut piece = Vec::new();
    while at < tail.end {
        piece.resize(usize::try_from(PIECE.min(tail.end - at)).unwrap_or_default(), 0);
        file.read_exact_at(&mut piece, at)?;
        #[cfg(annals_canary)]
        if annals_env::canary::is("an unproven tail is not written again") {
            break;
        }
        file.write_at(&piece, at)?;
        at += piece.len() as u64;
    }
    #[cfg(annals_canary)]
    if annals_env::canary::is("a torn tail stays") {
        return file.sync();
    }
    write_zeros(file, tail.end, tail.rest_end).1?;
    file.sync()
}

impl Settled {
    /// A reader of the whole log.
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// The place of the last thing in the log; all of it is durable.
    #[must_use]
    pub fn last(&self) -> Place {
        self.last
    }

    /// Begins a new epoch and takes appends.
    ///
    /// # Errors
    /// [`LogError::DiskFull`] where there is no room for the epoch's record, and I/O errors.
    pub fn start<P: Publish>(self, options: LogOptions, publish: P) -> Result<Log<P>> {
        let env = self.env;
        let number = self.epoch_number.checked_add(1).ok_or_else(|| LogError::Unsupported {
            segment: LOG_FOLDER.to_owned(),
            what: "the last epoch that can be told apart".to_owned(),
        })?;
        let epoch = Epoch { number, id: env.random.u64() };
        #[cfg(annals_canary)]
        let epoch = match annals_env::canary::is("an epoch's number comes again") {
            true => Epoch { number: epoch.number.saturating_sub(1).max(1), ..epoch },
            false => epoch,
        };
        let state = StatePage::open(&*env.fs, &self.root, self.reader.store(), self.sequence)
            .map_err(|error| LogError::io("opening the state page", error))?;
        let recorded_epoch = self.reader.epoch();
        let active = match self.active {
            Some(active) => active,
            None => first_active(&env, &self.root, &self.reader, self.last)?,
        };
        let core = Core {
            publish,
            active,
            full: self.full.into_iter().map(Arc::new).collect(),
            epoch,
            recorded_epoch,
            state,
            assigned: self.last,
            attempted: self.last,
            durable: self.last,
            visible: self.last,
            stamp: self.stamp,
            told: Timestamp::MIN,
            counters: LogCounters::default(),
            pending: Vec::new(),
            pending_offset: 0,
            pending_frames: Vec::new(),
            spare: Vec::new(),
            group: 0,
            gathering: Gathering::default(),
            leading: false,
            reserving: false,
            reserve_due: false,
            unattended: false,
            sync_due: false,
            sync_early: false,
            dirty_since: None,
            closed: false,
        };
        let shared = Arc::new(Shared {
            env,
            root: self.root,
            options,
            reader: self.reader,
            latch: Latch::new(),
            core: Mutex::new(core),
            turns: [Condvar::new(), Condvar::new()],
            gathered: Condvar::new(),
            changed: Condvar::new(),
            news: News::default(),
            wakers: Wakers::default(),
            tasks: RwLock::new(None),
            closing: AtomicBool::new(false),
        });
        let segments = shared.reader.segments();
        segments.iter().for_each(|segment| shared.map_reads(segment));
        let log = Log { shared };
        let place = log.record_epoch(epoch)?;
        log.shared.core.lock().recorded_epoch = epoch;
        log.shared.reader.add_epoch(EpochStart { epoch, place });
        let tasks = Tasks::start(&log.shared)
            .map_err(|error| LogError::io("starting the log's background work", error))?;
        *log.shared.tasks.write() = Some(tasks);
        Ok(log)
    }
}

impl<P: Publish> Log<P> {
    /// Twice: were the only record of an epoch damaged, the ids of its events would be unknown.
    fn record_epoch(&self, epoch: Epoch) -> Result<Place> {
        let mut guard = self.lock();
        let mut record = || {
            let mut draft = Draft::epoch(epoch);
            guard.make_room(&draft)?;
            guard.append(&mut draft, None)
        };
        let (first, second) = (record()?, record()?);
        guard.finish(&second, true)?;
        Ok(first.last)
    }
}

/// The active segment of a log whose last segment is sealed.
fn first_active(env: &Env, root: &Path, reader: &LogReader, last: Place) -> Result<Active> {
    let header = SegmentHeader {
        store: reader.store(),
        salt: env.random.u64(),
        first: last.next(),
        generation: 0,
        epoch: reader.epoch(),
    };
    let fail = |error| LogError::io("making a segment", error);
    let segment = segment::create(&*env.fs, root, header, FIRST_RESERVE_BYTES).map_err(fail)?;
    segment::sync_folder(&*env.fs, root).map_err(fail)?;
    let active = active(segment, FIRST_RESERVE_BYTES);
    reader.push_segment(&active.segment);
    Ok(active)
}
