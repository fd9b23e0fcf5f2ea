//! From the files of a log to what it holds. Changes nothing: who opens for writing carries out
//! what is found here ([`crate::writer`]).

mod beside;
mod decide;
mod inventory;

use std::collections::VecDeque;
use std::sync::Arc;

use annals_env::File;
use annals_types::{Epoch, Place, Position, Timestamp};

use crate::error::{LogError, Result};
use crate::format::control::Control;
use crate::format::footer::{EpochStart, add_epoch};
use crate::format::frame::{FrameHeader, FrameKind};
use crate::format::segment_header::SegmentHeader;
use crate::frames::{Frame, FrameRecord};
use crate::loss::Loss;
use crate::offsets::{LiveOffsets, OffsetTable};
use crate::reader::{LogReader, has_place};
use crate::seal::Full;
use crate::segment::{self, Footer, Segment};
use crate::tally::Tally;
use crate::walk::{CheckedFrame, Walk};
use crate::{Damage, TornTail};

pub(crate) use beside::{Bound, beside_writer};
use decide::{Decision, Follows, Rest, decide};
pub use inventory::Inventory;
pub(crate) use inventory::{Listed, file_damage};

/// What a log holds, and in which condition.
#[derive(Debug)]
pub struct Recovered {
    pub(crate) inventory: Inventory,
    pub(crate) reader: LogReader,
    /// The place of the last thing in the log.
    pub(crate) last: Place,
    /// Up to here it is proven to be durable.
    pub(crate) proven: Position,
    /// Evidence tells that everything up to here was durable once.
    pub(crate) proof: Place,
    /// The epoch number that the next epoch must exceed.
    pub(crate) epoch_number: u32,
    /// The stamp of the newest event.
    pub(crate) stamp: Timestamp,
    /// The segments that others follow and that are not sealed.
    pub(crate) full: Vec<Full>,
    /// The end of the last segment, where it is not sealed.
    pub(crate) tail: Option<Tail>,
    torn: Option<TornTail>,
    damage: Vec<Damage>,
}

/// The end of the frames of the last segment.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offsets: Arc<LiveOffsets>,
    pub(crate) tally: Tally,
    /// Where the frames that count end.
    pub(crate) end: u64,
    /// Where the bytes that are not zero end.
    pub(crate) rest_end: u64,
    /// From here to `end` nothing proves that the frames were durable.
    pub(crate) unproven: u64,
    /// The number of the epoch of the last frame.
    pub(crate) epoch: u32,
    /// The file's length.
    pub(crate) reserved: u64,
}

impl Inventory {
    /// Finds out what the log holds. `saved` is what a saved index says of itself: its epoch, and
    /// the place up to which the log was durable before it was saved.
    ///
    /// # Errors
    /// I/O errors. Damage is no error here: it is part of what is found.
    pub fn recover(self, saved: Option<(Epoch, Place)>) -> Result<Recovered> {
        Recovery::new(self, None).run(saved)
    }
}

impl Recovered {
    /// A reader of all that is intact.
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// The place of the last thing in the log.
    #[must_use]
    pub fn last(&self) -> Place {
        self.last
    }

    /// The last position of the log.
    #[must_use]
    pub fn head(&self) -> Position {
        self.last.position
    }

    /// What a crash left half written at the end.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// What is damaged, as far as it was looked at: everything that is not sealed, and the footers.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What is damaged and has a copy or can be made again.
    #[must_use]
    pub fn notes(&self) -> &[Damage] {
        &self.inventory.notes
    }
}

/// The state of a recovery under way.
struct Recovery {
    inventory: Inventory,
    damage: Vec<Damage>,
    torn: Option<TornTail>,
    /// The place of the last thing so far.
    last: Place,
    epochs: Vec<EpochStart>,
    /// What the log itself says to be lost.
    losses: Vec<Loss>,
    stamp: Timestamp,
    full: Vec<Full>,
    /// Everything up to here was durable once.
    proof: Place,
    /// How far it looks, beside a writer.
    bound: Option<Bound>,
}

/// What one segment that is not sealed turned out to hold.
struct Scanned {
    tally: Tally,
    end: u64,
    rest_end: u64,
    unproven: u64,
    epoch: u32,
    reserved: u64,
}

impl Recovery {
    fn new(mut inventory: Inventory, bound: Option<Bound>) -> Self {
        let damage = std::mem::take(&mut inventory.damage);
        let durable = inventory.state.map_or(Place::START, |state| state.durable);
        let proof = bound.map_or(durable, |bound| durable.min(bound.visible));
        Self {
            inventory,
            damage,
            torn: None,
            last: Place::START,
            epochs: Vec::new(),
            losses: Vec::new(),
            stamp: Timestamp::MIN,
            full: Vec::new(),
            proof,
            bound,
        }
    }

    fn run(mut self, saved: Option<(Epoch, Place)>) -> Result<Recovered> {
        let mut segments = Vec::new();
        let mut tail = None;
        let listed = std::mem::take(&mut self.inventory.segments);
        let firsts: Vec<Place> = listed.iter().map(|listed| listed.header.first).collect();
        for (index, listed) in listed.into_iter().enumerate() {
            if !self.tiles(&listed) {
                continue;
            }
            self.adopt_epoch(&listed);
            let next = firsts.get(index + 1).copied();
            let (segment, end) = self.segment(listed, next, saved)?;
            segments.push(segment);
            tail = end;
        }
        self.weigh(saved);
        if tail.is_none() && self.proof > self.last {
            self.lost_end("the end of the log is missing: restore the folder from a copy");
        }
        if self.bound.is_none() {
            self.missing_footers(&segments);
        }
        let epoch_number = self
            .epochs
            .iter()
            .map(|start| start.epoch.number)
            .chain(self.inventory.state.map(|state| state.epoch.number))
            .max()
            .unwrap_or_default();
        let reader = LogReader::new(self.inventory.store, segments, &self.epochs, self.losses);
        let last = self.last.position;
        let proven = self.proof.position.max(proven_by_files(&reader, self.last)).min(last);
        reader.publish(last, if self.bound.is_some() { proven } else { last });
        Ok(Recovered {
            inventory: self.inventory,
            reader,
            last: self.last,
            proven,
            proof: self.proof,
            epoch_number,
            stamp: self.stamp,
            full: self.full,
            tail,
            torn: self.torn,
            damage: self.damage,
        })
    }

    /// Whether the segment begins where the one before ends, or behind a gap that is noted.
    fn tiles(&mut self, listed: &Listed) -> bool {
        let first = listed.header.first;
        let expected = self.last.next();
        if first < expected {
            self.damage.push(file_damage(
                &listed.name,
                &format!("the segment begins at {first}, inside the one before it"),
            ));
            return false;
        }
        if first > expected {
            let mut damage = file_damage(
                &listed.name,
                "a segment is missing before this one: restore it from a copy",
            );
            let (from, to) = (expected.position.plus(1), first.position);
            damage.positions = (from <= to).then_some((from, to));
            self.damage.push(damage);
            self.last = Place { position: first.position, k: first.k.saturating_sub(1) };
        }
        true
    }

    /// An epoch whose record is lost is known from the segments that lie behind it.
    fn adopt_epoch(&mut self, listed: &Listed) {
        let epoch = listed.header.epoch;
        if epoch.number > 0 {
            add_epoch(&mut self.epochs, EpochStart { epoch, place: listed.header.first });
        }
    }

    fn segment(
        &mut self,
        listed: Listed,
        next: Option<Place>,
        saved: Option<(Epoch, Place)>,
    ) -> Result<(Arc<Segment>, Option<Tail>)> {
        let Listed { name, file, header } = listed;
        match self.footer(&name, &*file, &header)? {
            Footer::Sealed(summary, offsets) => {
                summary.epochs.iter().for_each(|&start| add_epoch(&mut self.epochs, start));
                self.losses.extend_from_slice(&summary.losses);
                self.last = summary.last;
                if summary.events > 0 {
                    self.stamp = self.stamp.max(summary.recorded_last);
                }
                let summary = Some(Arc::new(summary));
                return Ok((Arc::new(Segment { name, file, header, offsets, summary }), None));
            }
            Footer::Damaged(damage) => self.inventory.notes.push(damage),
            Footer::None => {}
        }
        let reserved = segment::length(&*file)
            .map_err(|error| LogError::io(format!("reading {name}"), error))?;
        let offsets = Arc::new(LiveOffsets::new());
        let table = OffsetTable::Live(Arc::clone(&offsets));
        let segment = Arc::new(Segment { name, file, header, offsets: table, summary: None });
        let scanned = self.scan(&segment, &offsets, reserved, next, saved)?;
        let tail = if next.is_none() {
            Some(Tail {
                segment: Arc::clone(&segment),
                offsets,
                tally: scanned.tally,
                end: scanned.end,
                rest_end: scanned.rest_end,
                unproven: scanned.unproven,
                epoch: scanned.epoch,
                reserved: scanned.reserved,
            })
        } else {
            self.full.push(Full {
                segment: Arc::clone(&segment),
                offsets,
                tally: scanned.tally,
                last: self.last,
                frames_end: scanned.end,
            });
            None
        };
        Ok((segment, tail))
    }

    fn footer(&self, name: &str, file: &dyn File, header: &SegmentHeader) -> Result<Footer> {
        match self.bound {
            Some(bound) => bound.footer(name, file, header),
            None => segment::read_footer(name, file, header),
        }
    }

    /// Reads all frames of a segment that is not sealed, and decides what their end means.
    fn scan(
        &mut self,
        segment: &Arc<Segment>,
        offsets: &LiveOffsets,
        reserved: u64,
        next: Option<Place>,
        saved: Option<(Epoch, Place)>,
    ) -> Result<Scanned> {
        let mut walk = Walk::new(Arc::clone(segment));
        let mut tally = Tally::default();
        // Frames that nothing so far proves to have been durable: offset and last place.
        let mut unproven: VecDeque<(u64, Place)> = VecDeque::new();
        // Looked at once, at the first fault: later ones add nothing.
        let mut ahead = None;
        let rest_end = loop {
            if self.bound.is_some_and(|bound| walk.last >= bound.visible) {
                break walk.offset;
            }
            // Beside a writer each frame is looked at before it is read.
            let only = if self.bound.is_none() { walk.only_event() } else { Ok(None) };
            #[cfg(annals_canary)]
            let only = match annals_env::canary::is("a failed read ends the log") {
                true => Ok(only.unwrap_or(None)),
                false => only,
            };
            if let Some((header, record)) = only? {
                note_event(segment.first_event(), &header, 0, record, offsets);
                tally.commit(header.recorded_at);
                self.stamp = self.stamp.max(header.recorded_at);
                self.prove(header.synced);
                unproven.push_back((walk.offset, header.last()));
                while unproven.front().is_some_and(|front| front.1 <= self.proof) {
                    unproven.pop_front();
                }
                walk.pass(&header);
                continue;
            }
            let found = walk.frame();
            #[cfg(annals_canary)]
            let found = match annals_env::canary::is("a failed read ends the log") {
                true => Ok(found.unwrap_or(None)),
                false => found,
            };
            let checked = match found? {
                Some(frame) if self.bound.is_some_and(|bound| bound.hides(&frame.header)) => {
                    break walk.offset;
                }
                Some(frame) => Some(check(&mut walk, frame, offsets)?),
                None => None,
            };
            if let Some(whole) = checked.as_ref().filter(|checked| checked.is_whole()) {
                let header = &whole.frame.header;
                self.note(whole);
                tally.add(whole);
                self.prove(header.synced);
                unproven.push_back((whole.frame.offset, whole.last()));
                while unproven.front().is_some_and(|front| front.1 <= self.proof) {
                    unproven.pop_front();
                }
                walk.advance(whole);
                continue;
            }
            let follows = match next {
                None => Follows::Nothing,
                Some(next) if next == walk.last.next() => Follows::Next,
                Some(_) => Follows::Gap,
            };
            let rest_end = match ahead {
                Some(end) => end,
                None => {
                    if follows == Follows::Nothing {
                        self.look_ahead(&mut walk, saved)?;
                    }
                    *ahead.insert(rest_end(&mut walk, reserved)?)
                }
            };
            let rest = if rest_end <= walk.offset { Rest::Zero } else { Rest::Bytes };
            // What has a right checksum was written so, and is never cut.
            let proven = self.proof > walk.last || walk.contradicts;
            #[cfg(annals_canary)]
            let proven = proven && !annals_env::canary::is("damage is cut off");
            match decide(follows, rest, proven) {
                Decision::End | Decision::Full => break rest_end,
                // Beside a writer it may be an append under way.
                Decision::Torn if self.bound.is_some() => break walk.offset,
                Decision::Torn => {
                    self.torn = Some(TornTail {
                        segment: segment.name.clone(),
                        offset: walk.offset,
                        bytes: rest_end - walk.offset,
                    });
                    break rest_end;
                }
                Decision::Damaged => {
                    if !self.pass_damage(&mut walk, checked, next, reserved)? {
                        break rest_end;
                    }
                }
            }
        };
        self.last = match next {
            // What is lost at the end of a segment that is not the last is passed over.
            Some(next) if next > walk.last.next() => {
                Place { position: next.position, k: next.k.saturating_sub(1) }
            }
            _ => walk.last,
        };
        while unproven.front().is_some_and(|front| front.1 <= self.proof) {
            unproven.pop_front();
        }
        let unproven = unproven.front().map_or(walk.offset, |front| front.0);
        let rest_end = rest_end.max(walk.offset);
        Ok(Scanned { tally, end: walk.offset, rest_end, unproven, epoch: walk.epoch, reserved })
    }

    /// Takes in what a whole frame says.
    fn note(&mut self, checked: &CheckedFrame) {
        let header = &checked.frame.header;
        self.losses.extend(checked.losses());
        if let Some(start) = checked.epoch() {
            add_epoch(&mut self.epochs, start);
        }
        if header.kind == FrameKind::Commit {
            self.stamp = self.stamp.max(header.recorded_at);
        }
    }

    /// Gathers what proves that something behind the last whole frame was durable: whole headers
    /// further on in the segment, and a saved index of an epoch that the log knows.
    fn look_ahead(&mut self, walk: &mut Walk, saved: Option<(Epoch, Place)>) -> Result<()> {
        let offset = walk.offset;
        while let Some(later) = walk.find_next()? {
            self.prove(later.header.synced);
            walk.offset = later.end().saturating_sub(1);
        }
        walk.offset = offset;
        self.weigh(saved);
        Ok(())
    }

    /// A saved index of this history tells how far the log was durable.
    fn weigh(&mut self, saved: Option<(Epoch, Place)>) {
        if let Some((epoch, covers)) = saved
            && has_place(self.epochs.iter(), epoch, covers)
        {
            self.prove(covers);
        }
    }

    /// Everything up to `place` was durable.
    fn prove(&mut self, place: Place) {
        let place = self.bound.map_or(place, |bound| place.min(bound.visible));
        self.proof = self.proof.max(place);
    }

    /// Notes what is lost and goes on behind it; `false` where nothing whole follows.
    fn pass_damage(
        &mut self,
        walk: &mut Walk,
        checked: Option<CheckedFrame>,
        next: Option<Place>,
        reserved: u64,
    ) -> Result<bool> {
        let segment = Arc::clone(&walk.segment);
        if let Some(checked) = checked {
            // The header is whole: only some of its records are lost.
            self.damage.extend(frame_damage(&segment, &checked));
            self.note(&checked);
            walk.advance(&checked);
            return Ok(true);
        }
        let from = walk.offset;
        let first_lost = walk.last.position.plus(1);
        let what = "no whole frame begins here";
        if let Some(frame) = walk.find_next()? {
            walk.skip_to(&frame);
            let last_lost = walk.last.position;
            let last_lost =
                self.bound.map_or(last_lost, |bound| last_lost.min(bound.visible.position));
            let positions = (first_lost <= last_lost).then_some((first_lost, last_lost));
            self.damage.push(segment.damage(from, frame.offset - from, positions, what));
            return Ok(true);
        }
        let last_lost = next.map_or(self.proof.position, |next| next.position);
        let positions = (first_lost <= last_lost).then_some((first_lost, last_lost));
        self.damage.push(segment.damage(from, reserved.saturating_sub(from), positions, what));
        Ok(false)
    }

    /// Segments are sealed in their order: one without a footer has lost it where a later one has
    /// its own.
    fn missing_footers(&mut self, segments: &[Arc<Segment>]) {
        let what = "the segment's footer is missing";
        let unsealed = segment::without_footer(segments);
        self.inventory.notes.extend(unsealed.map(|segment| segment.damage(0, 0, None, what)));
    }

    fn lost_end(&mut self, what: &str) {
        let mut damage = file_damage(segment::LOG_FOLDER, what);
        let (from, to) = (self.last.position.plus(1), self.proof.position);
        damage.positions = (from <= to).then_some((from, to));
        self.damage.push(damage);
    }
}

/// What a segment's footer or successor shows to have been durable, of a log that ends at `last`.
fn proven_by_files(reader: &LogReader, last: Place) -> Position {
    let segments = reader.segments();
    let newest = segments.last();
    let sealed = newest.is_some_and(|segment| segment.summary.is_some());
    let before = newest.map(|segment| segment.header.first.position).unwrap_or_default();
    if sealed { last.position } else { before }
}

/// Reads the records of a frame and notes where its events lie.
pub(crate) fn check(walk: &mut Walk, frame: Frame, offsets: &LiveOffsets) -> Result<CheckedFrame> {
    let header = frame.header;
    let first = walk.segment.first_event();
    let checked = walk.check(frame, |index, offset| {
        note_event(first, &header, index, offset, offsets);
    })?;
    if checked.frame.streams.is_none() && !matches!(checked.control, Some(Control::Epoch(_))) {
        offsets.note();
    }
    Ok(checked)
}

/// Notes where the event number `index` of a frame lies, in the table of a segment whose first event
/// is `first`.
fn note_event(
    first: Position,
    header: &FrameHeader,
    index: u32,
    offset: u64,
    offsets: &LiveOffsets,
) {
    let before = header.first.position.get().saturating_sub(first.get());
    let event = usize::try_from(before + u64::from(index));
    let commit = header.kind == FrameKind::Commit;
    if let (true, Ok(event), Ok(offset)) = (commit, event, u32::try_from(offset)) {
        offsets.set(event, offset);
    }
}

/// What is lost of a frame whose header is whole.
pub(crate) fn frame_damage(segment: &Segment, checked: &CheckedFrame) -> Vec<Damage> {
    let frame = &checked.frame;
    let mut damage: Vec<Damage> = checked
        .lost
        .iter()
        .filter_map(|lost| match *lost {
            FrameRecord::Lost { first, last, offset, bytes } => {
                let positions = (frame.header.kind == FrameKind::Commit)
                    .then(|| (frame.position(first), frame.position(last)));
                let mut damage = segment.damage(offset, bytes, positions, "the checksum is wrong");
                damage.stream = frame.stream_at(first);
                damage.streams = frame.stream_names();
                Some(damage)
            }
            FrameRecord::Whole { .. } => None,
        })
        .collect();
    if damage.is_empty() && !checked.is_whole() {
        let bytes = u64::from(frame.header.length);
        let what = "the frame's records are not the ones that its header tells of";
        damage.push(segment.damage(frame.offset, bytes, None, what));
    }
    damage
}

/// Where the bytes behind the walk's place that are not zero end; its place where all are zero.
pub(crate) fn rest_end(walk: &mut Walk, file_end: u64) -> Result<u64> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut end = walk.offset;
    let mut at = walk.offset;
    while at < file_end {
        let left = usize::try_from(file_end - at).unwrap_or(ZEROS.len());
        let length = left.min(ZEROS.len());
        let piece = walk.window.get(at, length).map_err(|error| walk.segment.io(error))?;
        // Room that was never written is compared as a whole.
        if ZEROS.get(..piece.len()) != Some(&piece)
            && let Some(last) = piece.iter().rposition(|&byte| byte != 0)
        {
            end = at + last as u64 + 1;
        }
        if piece.len() < length {
            break;
        }
        at += length as u64;
    }
    Ok(end)
}
