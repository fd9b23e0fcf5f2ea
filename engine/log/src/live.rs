//! Reading the log while another process writes it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::{Access, Fs};
use annals_types::{Epoch, Place, Position, StoreId};

use crate::error::{LogError, Result};
use crate::format::footer::EpochStart;
use crate::format::state::State;
use crate::offsets::OffsetTable;
use crate::reader::LogReader;
use crate::recovery::{
    Bound, Inventory, Listed, Recovered, beside_writer, check, file_damage, frame_damage,
};
use crate::segment::{self, Footer, LOG_FOLDER, OpenedHeader, Segment};
use crate::state_page;
use crate::walk::Walk;
use crate::window::{Stride, Window};
use crate::{Damage, TornTail};

/// How often something is looked at again because the writer changed it meanwhile.
const LOOKS_MAX: u32 = 4;

/// The log as readers outside the writing process see it: exactly what is visible, as of the last
/// [`LiveLog::refresh`]. It writes nothing and needs nothing of the writer, who may come and go.
#[derive(Debug)]
pub struct LiveLog {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    reader: LogReader,
    /// What the `state` page said when everything was last read up to there.
    seen: Option<State>,
    /// The epoch of the page under which the history was last found to be that of the reader.
    epoch: Epoch,
    /// The place of the last thing read.
    last: Place,
    /// Behind it in the last segment, unless that is sealed.
    walk: Option<Walk>,
    damage: Vec<Damage>,
    notes: Vec<Damage>,
    torn: Option<TornTail>,
}

/// What stands behind the last place.
enum Step {
    /// A frame, which was read.
    Read,
    /// A frame that is not visible yet.
    Hidden,
    /// No frame, in this segment.
    NoFrame,
}

impl Recovered {
    /// Reads on from what was found, as somebody writes it. `fs` holds the files.
    #[must_use]
    pub fn follow(self, fs: &Arc<dyn Fs>) -> LiveLog {
        let (last, state) = (self.last(), self.inventory.state);
        // Nobody syncs the rest: to who writes next it counts as durable, to readers not yet.
        self.reader.publish(last.position, self.proven);
        let walk = self.tail.as_ref().map(|tail| {
            let walk = walk_behind(Arc::clone(&tail.segment));
            Walk { offset: tail.end, last, epoch: tail.epoch, ..walk }
        });
        LiveLog {
            fs: Arc::clone(fs),
            damage: self.damage().to_vec(),
            notes: self.notes().to_vec(),
            torn: self.torn_tail().cloned(),
            root: self.inventory.root,
            reader: self.reader,
            seen: state,
            epoch: state.map(|state| state.epoch).unwrap_or_default(),
            last,
            walk,
        }
    }
}

impl LiveLog {
    /// Opens the log in the store's folder `root` for reading, whether or not somebody writes it:
    /// who does holds the lock of the file `lock`. `None` where there is no log, or none yet.
    ///
    /// Beside a writer everything is bounded by what it calls visible. Without one the whole log is
    /// recovered, with `saved` of its store as in [`Inventory::recover`].
    ///
    /// # Errors
    /// As [`Inventory::take`]. Other damage is no error: it is part of what is found.
    pub fn open(
        fs: &Arc<dyn Fs>,
        root: &Path,
        lock: &Path,
        mut saved: impl FnMut(StoreId) -> Option<(Epoch, Place)>,
    ) -> Result<Option<Self>> {
        let is_locked = || {
            fs.is_locked(lock)
                .map_err(|error| LogError::io(format!("asking for {}", lock.display()), error))
        };
        for _ in 0..LOOKS_MAX {
            if is_locked()? {
                break;
            }
            let Some(inventory) = Inventory::take(&**fs, root, Access::Read)? else {
                return Ok(None);
            };
            let (store, state) = (inventory.store(), inventory.state);
            let recovered = inventory.recover(saved(store))?;
            // Who began to write meanwhile wrote the page before the first event.
            let page = state_page::read_beside_writer(&**fs, root)?;
            if !is_locked()? && State::decode(&page, store) == state {
                return Ok(Some(recovered.follow(fs)));
            }
        }
        Self::beside_writer(fs, root)
    }

    /// Opens the log in `root` beside somebody who writes it. `None` where there is none yet; one
    /// that is being made may be without a store's first event for a moment.
    ///
    /// # Errors
    /// As [`LiveLog::open`].
    pub fn beside_writer(fs: &Arc<dyn Fs>, root: &Path) -> Result<Option<Self>> {
        Ok(beside_writer(&**fs, root)?.map(|recovered| recovered.follow(fs)))
    }

    /// A reader of what is visible; it sees more after each [`LiveLog::refresh`].
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// The place of the last thing read.
    #[must_use]
    pub fn last(&self) -> Place {
        self.last
    }

    /// What was damaged when it was opened: [`Recovered::damage`].
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What was damaged then and has a copy or can be made again.
    #[must_use]
    pub fn notes(&self) -> &[Damage] {
        &self.notes
    }

    /// What a crash had left half written at the end; always `None` beside a writer.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Reads what became visible and durable since the last time, and gives the newest visible
    /// position. Costs one look at the `state` page where there is nothing new.
    ///
    /// # Errors
    /// [`LogError::Damaged`] where the next commit is not what was written: the reader stays in
    /// front of it. (What is intact before it is shown first, without an error.)
    /// [`LogError::HistoryLost`] where what was read is not the store's history any more. I/O
    /// errors. After any error it can be tried again.
    pub fn refresh(&mut self) -> Result<Position> {
        let before = self.last;
        for look in 1.. {
            let Some(state) = self.news()? else { break };
            match self.follow(state) {
                Ok(()) => break,
                Err(LogError::Damaged(_)) if self.last > before => break,
                Err(LogError::Damaged(_)) if look < LOOKS_MAX => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.reader.visible())
    }

    /// What the page says, where that is new.
    fn news(&self) -> Result<Option<State>> {
        // Opened each time: the folder may have been replaced.
        let page = state_page::read_beside_writer(&*self.fs, &self.root)?;
        let Some(state) = State::decode(&page, self.reader.store()) else {
            return match State::store_of(&page) {
                Some(_) => Err(self.history_lost()),
                None => Ok(None),
            };
        };
        // A slow read can meet an older slot, and so can one after the newest is lost: true, but
        // nothing new.
        let older = match &self.seen {
            Some(seen) if seen.epoch == state.epoch => state.sequence <= seen.sequence,
            _ => state.epoch.number < self.epoch.number && self.has_read(state.epoch),
        };
        Ok((!older).then_some(state))
    }

    /// Whether the records of this epoch were read.
    fn has_read(&self, epoch: Epoch) -> bool {
        self.reader.knows(epoch, Place::START)
    }

    fn history_lost(&self) -> LogError {
        LogError::HistoryLost { epoch: self.reader.epoch(), position: self.last.position }
    }

    fn follow(&mut self, mut state: State) -> Result<()> {
        if state.epoch != self.epoch && !self.has_read(state.epoch) {
            match self.join()? {
                Some(joined) => state = joined,
                None => return Ok(()),
            }
        }
        self.epoch = state.epoch;
        if let Some(walk) = &mut self.walk {
            walk.window.forget();
        }
        let read = self.advance(&state);
        let durable = state.durable.position.min(self.last.position);
        #[cfg(annals_canary)]
        let durable =
            match annals_env::canary::is("a reader beside takes what is visible for durable") {
                true => self.last.position,
                false => durable,
            };
        self.reader.publish(
            self.last.position.max(self.reader.visible()),
            durable.max(self.reader.durable()),
        );
        if read.is_ok() {
            self.seen = Some(state);
        }
        read
    }

    /// Somebody opened the store for writing since: makes sure that what was read is still its
    /// history, and gives the state under which it is.
    fn join(&mut self) -> Result<Option<State>> {
        let Some(now) = beside_writer(&*self.fs, &self.root)? else { return Ok(None) };
        if now.reader.store() != self.reader.store() {
            return Err(self.history_lost());
        }
        let Some(state) = now.inventory.state.filter(|state| !self.has_read(state.epoch)) else {
            return Ok(None);
        };
        #[cfg(annals_canary)]
        if annals_env::canary::is("a reader takes another history for its own") {
            return Ok(Some(state));
        }
        // Whoever opens calls visible at once all that is kept. Where no more is visible yet, the
        // new epoch has no record to be known by.
        if state.visible < self.last {
            return Err(self.history_lost());
        }
        let epoch = self.reader.epoch();
        if epoch != Epoch::default() && !now.reader.knows(epoch, self.last) {
            return Err(self.history_lost());
        }
        let segments = now.reader.segments();
        let same = |ours: &Segment| segments.iter().find(|other| other.header == ours.header);
        if !self.reader.segments().iter().all(|ours| same(ours).is_some()) {
            return Err(self.history_lost());
        }
        if let Some(walk) = &mut self.walk
            && let Some(same) = same(&walk.segment)
            && let OffsetTable::Live(offsets) = &walk.segment.offsets
        {
            // Perhaps another file by now, with the same beginning: a copy that was put back.
            let segment = Arc::new(Segment {
                name: same.name.clone(),
                file: Arc::clone(&same.file),
                header: same.header,
                offsets: OffsetTable::Live(Arc::clone(offsets)),
                summary: None,
            });
            self.reader.replace_segment(&segment);
            let (offset, last, epoch) = (walk.offset, walk.last, walk.epoch);
            *walk = Walk { offset, last, epoch, ..walk_behind(segment) };
        }
        Ok(Some(state))
    }

    /// Reads on to what `state` calls visible.
    fn advance(&mut self, state: &State) -> Result<()> {
        let bound = Bound::of(Some(state));
        while self.last < bound.visible {
            match self.step(&bound)? {
                Step::Read => {}
                Step::Hidden => break,
                Step::NoFrame => {
                    if !self.enter(&bound)? {
                        return Err(self.missing(&bound)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in the next frame of the segment.
    fn step(&mut self, bound: &Bound) -> Result<Step> {
        let Some(walk) = &mut self.walk else { return Ok(Step::NoFrame) };
        let segment = Arc::clone(&walk.segment);
        let OffsetTable::Live(offsets) = &segment.offsets else { return Ok(Step::NoFrame) };
        let Some(frame) = walk.frame()? else { return Ok(Step::NoFrame) };
        if bound.hides(&frame.header) {
            return Ok(Step::Hidden);
        }
        let checked = check(walk, frame, offsets)?;
        if let Some(lost) = frame_damage(&segment, &checked).into_iter().next() {
            return Err(LogError::damaged(lost));
        }
        if let Some(start) = checked.epoch() {
            self.reader.add_epoch(start);
        }
        self.reader.add_losses(checked.losses());
        walk.advance(&checked);
        self.last = walk.last;
        Ok(Step::Read)
    }

    /// Goes into the segment that begins behind the last place; `false` where there is none.
    fn enter(&mut self, bound: &Bound) -> Result<bool> {
        let first = self.last.next();
        if self.walk.as_ref().is_some_and(|walk| walk.segment.header.first == first) {
            return Ok(false);
        }
        let Some(file_name) = self.newest_generation(first)? else { return Ok(false) };
        let (name, file, header) =
            match segment::open(&*self.fs, &self.root, &file_name, Access::Read) {
                Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Ok(false);
                }
                opened => opened?,
            };
        let header = match header {
            OpenedHeader::Whole(header) | OpenedHeader::Half(header, _) => header,
            OpenedHeader::Unreadable(damage) => return Err(LogError::damaged(damage)),
        };
        if header.store != self.reader.store() {
            return Err(self.history_lost());
        }
        if header.first != first {
            let what = "the segment is named for another place";
            return Err(LogError::damaged(file_damage(&name, what)));
        }
        let place = header.first;
        self.reader.add_epoch(EpochStart { epoch: header.epoch, place });
        let segment = match bound.footer(&name, &*file, &header)? {
            Footer::Sealed(summary, offsets) => {
                summary.epochs.iter().for_each(|&start| self.reader.add_epoch(start));
                self.reader.add_losses(summary.losses.iter().cloned());
                self.last = summary.last;
                self.walk = None;
                let summary = Some(Arc::new(summary));
                Arc::new(Segment { name, file, header, offsets, summary })
            }
            Footer::None | Footer::Damaged(_) => {
                let segment = Arc::new(Listed { name, file, header }.unsealed());
                let last = self.last;
                self.walk = Some(Walk { last, ..walk_behind(Arc::clone(&segment)) });
                segment
            }
        };
        self.reader.push_segment(&segment);
        self.take_footers(bound)?;
        Ok(true)
    }

    /// The file of the segment that begins at `first`.
    fn newest_generation(&self, first: Place) -> Result<Option<String>> {
        let fail = |error| LogError::io(format!("listing {LOG_FOLDER}"), error);
        let entries = self.fs.list(&self.root.join(LOG_FOLDER)).map_err(fail)?;
        let generations = entries.iter().filter_map(|entry| segment::parse_file_name(&entry.name));
        let newest = generations.filter(|found| found.0 == first).map(|found| found.1).max();
        Ok(newest.map(|generation| segment::file_name(first, generation)))
    }

    /// Full segments that were sealed since: their tables need not be kept in memory.
    fn take_footers(&self, bound: &Bound) -> Result<()> {
        let segments = self.reader.segments();
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            let Segment { name, file, header, summary: None, .. } = &**segment else { continue };
            if let Footer::Sealed(summary, offsets) = bound.footer(name, &**file, header)?
                && summary.last.next() == next.header.first
            {
                let (name, file) = (name.clone(), Arc::clone(file));
                let summary = Some(Arc::new(summary));
                let sealed = Segment { name, file, header: *header, offsets, summary };
                self.reader.replace_segment(&Arc::new(sealed));
            }
        }
        Ok(())
    }

    /// What is not readable behind the last place, although it is visible.
    fn missing(&mut self, bound: &Bound) -> Result<LogError> {
        let first = self.last.position.plus(1);
        let to = bound.visible.position;
        let positions = |last: Position| (first <= last).then_some((first, last));
        let Some(walk) = &mut self.walk else {
            let what = "the end of the log is missing: restore the folder from a copy";
            let damage = Damage { positions: positions(to), ..file_damage(LOG_FOLDER, what) };
            return Ok(LogError::damaged(damage));
        };
        let (from, segment) = (walk.offset, Arc::clone(&walk.segment));
        let (end, last) = match walk.find_next()? {
            Some(frame) => (frame.offset, frame.header.first.position.minus(1).min(to)),
            None => (segment.file_bytes()?.max(from), to),
        };
        let what = "no whole frame begins here";
        Ok(LogError::damaged(segment.damage(from, end - from, positions(last), what)))
    }
}

/// A walk that reads anew each time.
fn walk_behind(segment: Arc<Segment>) -> Walk {
    let window = Window::new(Arc::clone(&segment.file), Stride::FOLLOWING);
    Walk { window, ..Walk::new(segment) }
}
