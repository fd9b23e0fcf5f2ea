//! Room for frames: space is zeroed before positions are given, so that a full disk shows while
//! there is nothing to undo, and so that a sync has no new blocks to journal.

use std::io;
use std::sync::Arc;

use annals_env::sync::MutexGuard;
use annals_types::Position;

use super::{Active, Core, LogGuard, Publish, ReadMode, Shared, SyncMode};
use crate::error::{LogError, Result};
use crate::format::draft::Draft;
use crate::format::segment_header::SegmentHeader;
use crate::offsets::{LiveOffsets, OffsetTable};
use crate::seal::Full;
use crate::segment::{self, FRAMES_START, LOG_FOLDER, PAGE_BYTES, Segment, write_zeros};
use crate::tally::Tally;

/// Least and most that is reserved at once.
const RESERVE_BYTES_MIN: u64 = 64 << 10;
const RESERVE_BYTES_MAX: u64 = 8 << 20;
/// Most that is zeroed before others are told of it.
const RESERVE_STEP_BYTES: u64 = 1 << 20;
/// So far ahead of the appends their pages are made ready.
const EXPECT_BYTES: u64 = 1 << 20;
/// Who finds so much pending waits for the group's write.
const PENDING_BYTES_MAX: usize = 64 << 20;

impl<P: Publish> LogGuard<'_, P> {
    /// Makes room for the frame, in the active segment or in a new one. May give the lock away
    /// meanwhile, so decide what depends on the log's state after this.
    ///
    /// # Errors
    /// [`LogError::DiskFull`] where there is no room: nothing has changed. [`LogError::Closed`],
    /// [`LogError::Failed`].
    pub fn make_room(&mut self, draft: &Draft) -> Result<()> {
        self.shared.make_room(&mut self.core, draft.length())
    }
}

impl<P: Publish> Shared<P> {
    pub(super) fn make_room(&self, core: &mut MutexGuard<'_, Core<P>>, length: u64) -> Result<()> {
        loop {
            self.latch.check().map_err(LogError::Failed)?;
            if core.closed {
                return Err(LogError::Closed);
            }
            let end = core.active.tail + length;
            if core.pending.len() > PENDING_BYTES_MAX {
                // Not until nothing is pending: others go on appending.
                self.wait(core, None, |core| core.pending.len() <= PENDING_BYTES_MAX / 2)
                    .map_err(LogError::Failed)?;
            } else if end <= core.active.reserved {
                if !core.reserve_due
                    && (self.is_due(&core.active, end) || self.is_expect_due(&core.active, end))
                {
                    core.reserve_due = true;
                    self.wake_reserver();
                }
                return Ok(());
            } else if end <= self.options.segment_bytes || core.active.tail == FRAMES_START {
                if core.reserving {
                    self.changed.wait(core);
                } else {
                    self.reserve(core, end)?;
                }
            } else if core.leading || core.reserving || !core.pending.is_empty() {
                self.drain(core)?;
            } else {
                self.rotate(core, length)?;
            }
        }
    }

    /// Whether the segment ends soon: that waits for a sync, which should then have little to do.
    pub(super) fn is_nearly_full(&self, active: &Active) -> bool {
        active.tail >= self.options.segment_bytes / 4 * 3
    }

    /// Waits until no frame is pending and nobody works outside the lock.
    fn drain(&self, core: &mut MutexGuard<'_, Core<P>>) -> Result<()> {
        if core.reserving {
            self.changed.wait(core);
            return Ok(());
        }
        self.wait(core, None, |core| !core.leading && core.pending.is_empty())
            .map_err(LogError::Failed)
    }

    /// How far ahead of `tail` to reserve: an eighth of the store so far, so that a small one stays
    /// small and a large one seldom waits.
    fn ahead(&self, segment: &Segment, tail: u64) -> u64 {
        let store = if segment.first_event() > Position::new(1) {
            self.options.segment_bytes
        } else {
            tail
        };
        (store / 8).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX)
    }

    /// The end of a reservation that covers `end`.
    fn reservation(&self, end: u64, ahead: u64) -> u64 {
        let wanted = (end + ahead).min(self.options.segment_bytes).max(end);
        wanted.next_multiple_of(PAGE_BYTES)
    }

    /// Whether so little is left behind `end` that more should be reserved ahead of need, and the
    /// segment may still grow.
    fn is_due(&self, active: &Active, end: u64) -> bool {
        active.reserved < self.options.segment_bytes
            && active.reserved.saturating_sub(end) < self.ahead(&active.segment, end) / 2
    }

    /// Whether more pages should be made ready for appends that go through a map.
    fn is_expect_due(&self, active: &Active, end: u64) -> bool {
        self.options.sync != SyncMode::EachCommit
            && active.expected < active.reserved
            && active.expected < end + EXPECT_BYTES
    }

    /// Has pages ready for the next appends; `true` if there was something to do.
    pub(super) fn expect_appends(&self) -> bool {
        let mut core = self.core.lock();
        let active = &mut core.active;
        if !self.is_expect_due(active, active.tail) {
            return false;
        }
        let from = active.expected.max(active.tail);
        let to = (active.tail + 2 * EXPECT_BYTES).min(active.reserved);
        active.expected = to;
        let segment = Arc::clone(&active.segment);
        drop(core);
        segment.file.expect_appends(from, to.saturating_sub(from));
        true
    }

    /// Reserves under the lock; the keeper was too slow, or there is none.
    fn reserve(&self, core: &mut Core<P>, end: u64) -> Result<()> {
        let segment = &core.active.segment;
        let target = self.reservation(end, RESERVE_BYTES_MIN);
        let (reserved, written) = write_zeros(&*segment.file, core.active.reserved, target);
        core.active.reserved = reserved;
        self.map_reads(segment);
        match written {
            // On a full disk what there is may be enough for this frame.
            Err(error) if reserved < end || !is_full(&error) => {
                Err(self.no_room(format!("reserving space in {}", segment.name), error))
            }
            _ => Ok(()),
        }
    }

    /// Has readers use a map of what the segment has now.
    pub(super) fn map_reads(&self, segment: &Segment) {
        if self.options.reads == ReadMode::Map {
            // The last frame and the footer may lie beyond: they are read by system calls.
            segment.file.map_reads(self.options.segment_bytes);
        }
    }

    /// A full disk leaves everything as it was; any other failure trips the latch.
    fn no_room(&self, action: String, error: io::Error) -> LogError {
        if is_full(&error) {
            LogError::DiskFull { action }
        } else {
            LogError::Failed(self.fail(action, error))
        }
    }

    /// Reserves ahead outside the lock; `true` if there was something to do.
    pub(super) fn reserve_ahead(&self) -> bool {
        let mut core = self.core.lock();
        let (tail, from) = (core.active.tail, core.active.reserved);
        if core.reserving || core.closed || !self.is_due(&core.active, tail) {
            core.reserve_due = false;
            return false;
        }
        core.reserving = true;
        let segment = Arc::clone(&core.active.segment);
        let target = self.reservation(tail, self.ahead(&segment, tail));
        // Not synced here: a second sync of the file could take the error of a commit's.
        let (reserved, written) = MutexGuard::unlocked(&mut core, || {
            let target = target.min(from.saturating_add(RESERVE_STEP_BYTES));
            write_zeros(&*segment.file, from, target)
        });
        core.reserving = false;
        core.active.reserved = reserved;
        self.map_reads(&segment);
        let done = written.map_err(|error| {
            // Of a full disk whoever needs the room next is told.
            self.no_room(format!("reserving space in {}", segment.name), error)
        });
        drop(core);
        self.changed.notify_all();
        done.is_ok()
    }

    /// Ends the active segment and begins the next, with room for a frame of `length`. Nothing is
    /// pending and nobody works outside the lock.
    pub(super) fn rotate(&self, core: &mut Core<P>, length: u64) -> Result<()> {
        #[cfg(annals_canary)]
        if annals_env::canary::is("rotation without a sync") {
            let upto = core.assigned;
            self.synced(core, upto);
        }
        self.latch.check().map_err(LogError::Failed)?;
        // Whatever stands in a segment that has a successor was durable: recovery relies on it.
        if core.durable < core.assigned {
            let segment = &core.active.segment;
            // What is mapped for appends is in the way of a sync.
            segment.file.end_appends();
            if let Err(error) = segment.file.sync() {
                let failure = self.fail(format!("syncing {}", segment.name), error);
                return Err(LogError::Failed(failure));
            }
            let upto = core.assigned;
            self.synced(core, upto);
            // Who waits for it may not hear of another sync.
            self.changed.notify_all();
            self.news.tell();
            self.wake_sync();
        }
        let header = SegmentHeader {
            store: self.reader.store(),
            salt: self.env.random.u64(),
            first: core.assigned.next(),
            generation: 0,
            epoch: core.recorded_epoch,
        };
        let next = self.new_segment(header, length)?;
        let Active { segment, offsets, tally, tail, .. } =
            std::mem::replace(&mut core.active, next);
        let last = core.assigned;
        let full = Full { segment, offsets, tally, last, frames_end: tail };
        core.full.push_back(Arc::new(full));
        core.counters.segments_begun += 1;
        self.reader.push_segment(&core.active.segment);
        if let Some(tasks) = &*self.tasks.read() {
            tasks.sealer.wake();
        }
        Ok(())
    }

    fn new_segment(&self, header: SegmentHeader, length: u64) -> Result<Active> {
        let least = (FRAMES_START + length).next_multiple_of(PAGE_BYTES);
        let mut reserved = self.reservation(FRAMES_START + length, RESERVE_BYTES_MIN);
        let mut made = segment::create(&*self.env.fs, &self.root, header, reserved);
        if made.as_ref().is_err_and(is_full) {
            reserved = least;
            made = segment::create(&*self.env.fs, &self.root, header, reserved);
        }
        let segment = made.map_err(|error| {
            let name = segment::file_name(header.first, header.generation);
            self.no_room(format!("making the segment {name}"), error)
        })?;
        #[cfg(annals_canary)]
        if annals_env::canary::is("a segment's name is not synced") {
            return Ok(active(segment, reserved));
        }
        self.map_reads(&segment);
        // The name is there now, so there is no way back.
        segment::sync_folder(&*self.env.fs, &self.root)
            .map_err(|error| LogError::Failed(self.fail(format!("syncing {LOG_FOLDER}"), error)))?;
        Ok(active(segment, reserved))
    }

    /// Wakes who reserves ahead.
    fn wake_reserver(&self) {
        if let Some(tasks) = &*self.tasks.read() {
            tasks.reserver.wake();
        }
    }

    /// Wakes who syncs in the background.
    pub(super) fn wake_sync(&self) {
        if let Some(tasks) = &*self.tasks.read() {
            tasks.sync.wake();
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A segment made just now.
pub(super) fn active(segment: segment::Segment, reserved: u64) -> Active {
    let segment = Arc::new(segment);
    let offsets = match &segment.offsets {
        OffsetTable::Live(offsets) => Arc::clone(offsets),
        OffsetTable::Sealed { .. } => Arc::new(LiveOffsets::new()),
    };
    Active {
        segment,
        offsets,
        tally: Tally::default(),
        tail: FRAMES_START,
        reserved,
        syncs_early: false,
        expected: FRAMES_START,
    }
}
