//! Reading the states that folds came to and the log keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_env::sync::Mutex;
use annals_types::{KeptState, Place};

use crate::Damage;
use crate::error::{LogError, Result};
use crate::format::control::kept_in;
use crate::format::cursor::Cursor;
use crate::format::event::RecordHead;
use crate::format::frame::FrameKind;
use crate::frames::{Frame, FrameRecord, FrameRecords, find_frame, read_frame};
use crate::offsets::OffsetTable;
use crate::reader::LogReader;
use crate::segment::{FRAMES_START, Segment};
use crate::window::{Stride, Window};

/// A kept state, and which of those before it it takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRecord {
    /// The state.
    pub kept: KeptState,
    /// What it takes the place of, in the order of the log.
    pub superseded: Vec<Place>,
    segment: String,
    offset: u64,
}

impl KeptRecord {
    /// Something is wrong with it.
    #[must_use]
    pub fn damage(&self, what: &str) -> Damage {
        Damage {
            segment: self.segment.clone(),
            offset: self.offset,
            bytes: 0,
            positions: None,
            stream: None,
            streams: Vec::new(),
            what: what.to_owned(),
        }
    }
}

/// The kept states of a range of places, in order. What is damaged is passed over: all of it can be
/// made again from the events.
#[derive(Debug)]
pub struct KeptScan {
    reader: LogReader,
    /// The last place that is behind us.
    after: Place,
    to: Place,
    at: Option<Spot>,
}

/// Where one in [`MARK_EVERY`] of the control records that were passed stands. Without them, who
/// looks for each of very many behind one event would go through all of them each time.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<BTreeMap<Place, Mark>>);

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The segment's own random number.
    salt: u64,
    offset: u64,
}

/// So many damaged events are passed over to find where to begin; then it is the segment's first.
const DAMAGED_PASSED_MAX: usize = 64;
const MARK_EVERY: u32 = 32;
/// With so many marks all are forgotten; they are made again as they are needed.
const MARKS_MAX: usize = 1 << 14;

impl Marks {
    fn add(&self, segment: &Segment, frame: &Frame) {
        let place = frame.header.first;
        if !place.k.is_multiple_of(MARK_EVERY) {
            return;
        }
        let mut marks = self.0.lock();
        if marks.len() >= MARKS_MAX {
            marks.clear();
        }
        marks.insert(place, Mark { salt: segment.header.salt, offset: frame.offset });
    }

    /// A frame of this segment at or before `after`, behind the same event.
    fn before(&self, segment: &Segment, after: Place) -> Option<u64> {
        let marks = self.0.lock();
        let (_, mark) = marks.range(Place::event(after.position)..=after).next_back()?;
        (mark.salt == segment.header.salt).then_some(mark.offset)
    }
}

#[derive(Debug)]
struct Spot {
    segment: Arc<Segment>,
    window: Window,
    offset: u64,
}

impl LogReader {
    /// The states kept behind `after` and not behind `to`, which must be visible.
    #[must_use]
    pub fn kept(&self, after: Place, to: Place) -> KeptScan {
        KeptScan { reader: self.clone(), after, to, at: None }
    }

    /// The state kept at a place, which must be visible; `None` where none is, or not whole.
    ///
    /// # Errors
    /// I/O errors.
    pub fn kept_at(&self, place: Place) -> Result<Option<KeptRecord>> {
        let before = Place { k: place.k.saturating_sub(1), ..place };
        self.kept(before, place).next().transpose()
    }
}

impl KeptScan {
    fn step(&mut self) -> Result<Option<KeptRecord>> {
        while self.after < self.to {
            let Some(spot) = &mut self.at else {
                if !self.enter_segment()? {
                    return Ok(None);
                }
                continue;
            };
            match spot.next(self.after)? {
                Some(frame) if frame.header.first > self.to => return Ok(None),
                Some(frame) => {
                    if frame.header.kind == FrameKind::Control {
                        self.reader.shared.marks.add(&spot.segment, &frame);
                    }
                    let last = frame.header.last();
                    let is_new = last > self.after;
                    self.after = self.after.max(last);
                    if is_new && frame.header.kind == FrameKind::Control {
                        let kept = spot.read(frame)?;
                        if kept.is_some() {
                            return Ok(kept);
                        }
                    }
                }
                None => {
                    let header = spot.segment.header;
                    self.at = None;
                    // The next one begins behind everything that can stand in this one.
                    let segments = self.reader.segments();
                    let behind = segments.partition_point(|it| it.header.first <= header.first);
                    let Some(next) = segments.get(behind) else { return Ok(None) };
                    let first = next.header.first;
                    let before = Place { k: first.k.saturating_sub(1), ..first };
                    self.after = self.after.max(before);
                    self.at = Some(Spot::new(next, FRAMES_START));
                }
            }
        }
        Ok(None)
    }

    /// Goes to where the places behind `after` begin; `false` where there are none.
    fn enter_segment(&mut self) -> Result<bool> {
        let segments = self.reader.segments();
        let behind = segments.partition_point(|segment| segment.header.first <= self.after.next());
        let Some(segment) = segments.get(behind.saturating_sub(1)) else { return Ok(false) };
        let offset = match self.reader.shared.marks.before(segment, self.after) {
            Some(offset) => offset,
            None => self.frame_before(segment)?,
        };
        self.at = Some(Spot::new(segment, offset));
        Ok(true)
    }

    /// Where the last event's frame begins that stands in front of `after` in this segment, as the
    /// table says; of damaged ones the next before.
    fn frame_before(&self, segment: &Segment) -> Result<u64> {
        let mut cursor = self.reader.events();
        let mut position = self.after.position;
        for _ in 0..DAMAGED_PASSED_MAX {
            let floor = self.reader.floor(position)?.filter(|&at| at >= segment.first_event());
            let Some(floor) = floor else { break };
            match cursor.locate(floor) {
                Ok(located) => return Ok(located.frame.offset),
                Err(LogError::Damaged(_)) => position = floor.minus(1),
                Err(error) => return Err(error),
            }
        }
        Ok(FRAMES_START)
    }
}

impl Iterator for KeptScan {
    type Item = Result<KeptRecord>;

    fn next(&mut self) -> Option<Result<KeptRecord>> {
        let step = self.step();
        if step.is_err() {
            self.after = self.to;
        }
        step.transpose()
    }
}

impl Spot {
    fn new(segment: &Arc<Segment>, offset: u64) -> Self {
        let window = Window::new(Arc::clone(&segment.file), Stride::FOLLOWING);
        Self { segment: Arc::clone(segment), window, offset }
    }

    /// The next whole frame; none where the segment ends.
    fn next(&mut self, after: Place) -> Result<Option<Frame>> {
        // Those without such control records need not be read.
        let may_have = match (&self.segment.summary, &self.segment.offsets) {
            (Some(summary), _) => summary.controls > 0,
            (None, OffsetTable::Live(offsets)) => offsets.has_notes(),
            (None, OffsetTable::Sealed { .. }) => true,
        };
        if !may_have {
            return Ok(None);
        }
        let bound = self.segment.frames_bound();
        let frame = match read_frame(&mut self.window, &self.segment, self.offset, bound)? {
            Ok(frame) => Some(frame),
            Err(_) => find_frame(&mut self.window, &self.segment, self.offset, bound, after)?,
        };
        self.offset = frame.as_ref().map_or(bound, Frame::end);
        Ok(frame)
    }

    fn read(&mut self, frame: Frame) -> Result<Option<KeptRecord>> {
        let (offset, place) = (frame.offset, frame.header.first);
        let mut records = FrameRecords::new(frame);
        let Some(FrameRecord::Whole { record, .. }) =
            records.next(&mut self.window, &self.segment)?
        else {
            return Ok(None);
        };
        let mut cursor = Cursor::new(&record.payload);
        RecordHead::decode(&mut cursor);
        let Some(kept) = kept_in(cursor.left(), |data| record.payload.share(data)) else {
            return Ok(None);
        };
        if !kept.fits(&records.frame.header) {
            return Ok(None);
        }
        let superseded = kept.superseded.clone();
        let kept = kept.into_state(place, records.frame.header.recorded_at);
        let segment = self.segment.name.clone();
        Ok(Some(KeptRecord { kept, superseded, segment, offset }))
    }
}
