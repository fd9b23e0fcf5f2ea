//! Reading single events by position.

use std::sync::Arc;

use annals_types::Position;

use crate::ahead::{Ahead, Reach};
use crate::error::{LogError, Result};
use crate::format::cursor::Cursor;
use crate::format::event::{Event, RecordHead};
use crate::format::frame::RECORD_PREFIX_BYTES;
use crate::frames::{Frame, Record, read_frame, read_only_event, read_record};
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::window::{Stride, Window};

/// The longest number that says how far a record lies behind its frame.
const VARINT_BYTES_MAX: usize = 5;

/// Reads single events, each with its frame's header; the piece of file and the header read last
/// are kept, so that neighbours cost little.
#[derive(Debug)]
pub struct EventCursor {
    reader: LogReader,
    stride: Stride,
    at: Option<Spot>,
    ahead: Ahead,
}

/// Where the cursor stands.
#[derive(Debug)]
struct Spot {
    reach: Reach,
    window: Window,
    bound: u64,
    frame: Option<Frame>,
    history: (u32, Option<u64>),
}

/// Where an event stands, proven.
pub(crate) struct Located {
    pub(crate) frame: Frame,
    pub(crate) index: u32,
    pub(crate) record: Record,
}

impl EventCursor {
    /// So many events ahead it is told what comes: what memory takes for one is what reading a few
    /// costs.
    const AHEAD: usize = 16;

    pub(crate) fn new(reader: LogReader) -> Self {
        Self::with_stride(reader, Stride::RANDOM)
    }

    pub(crate) fn with_stride(reader: LogReader, stride: Stride) -> Self {
        Self { reader, stride, at: None, ahead: Ahead::default() }
    }

    /// The event at `position`, which must be visible; `None` where it is one of
    /// [`LogReader::losses`].
    ///
    /// # Errors
    /// [`LogError::Damaged`] where its bytes are not what was written, and I/O errors.
    pub fn get(&mut self, position: Position) -> Result<Option<Event>> {
        match self.read(position) {
            Err(LogError::Damaged(_)) if self.reader.is_lost(position) => Ok(None),
            event => event.map(Some),
        }
    }

    fn read(&mut self, position: Position) -> Result<Event> {
        if let Some(event) = self.read_only(position) {
            return Ok(event);
        }
        let located = self.locate(position)?;
        let Some(place) = &mut self.at else { return Err(nowhere(position)) };
        let epoch = located.frame.header.epoch;
        if place.history.0 != epoch {
            place.history = (epoch, self.reader.history(epoch));
        }
        let record = located.record;
        let event = located.frame.streams.as_ref().and_then(|streams| {
            let back = record.offset - located.frame.offset;
            let header = &located.frame.header;
            Event::decode(record.payload.clone(), back, header, streams, place.history.1)
        });
        event.ok_or_else(|| {
            let bytes = record.payload.len() as u64;
            let what = "the event's fields contradict each other";
            lost(&place.reach.segment, record.offset, bytes, position, what)
        })
    }

    /// The event at `position`, where it is what nearly all are: alone in its commit, and whole.
    fn read_only(&mut self, position: Position) -> Option<Event> {
        let Self { reader, stride, at, ahead } = self;
        let spot = place(reader, *stride, at, ahead, position).ok()?;
        let offset = spot.reach.offset(position)?;
        let mut start = frame_of(&mut spot.window, offset)?;
        if spot.frame.as_ref().is_some_and(|frame| frame.offset == start) {
            // One of several.
            return None;
        }
        let Spot { reach, window, bound, history, .. } = spot;
        let epochs = |epoch| {
            if history.0 != epoch {
                *history = (epoch, reader.history(epoch));
            }
            history.1
        };
        read_only_event(window, &reach.segment, &mut start, *bound, position, epochs)
    }

    /// These events are asked for next, the first of them first: what is mapped is fetched meanwhile.
    pub fn expect(&mut self, next: impl Iterator<Item = Position> + Clone) {
        next.clone().take(Self::AHEAD).for_each(|at| self.ahead.entry(&self.reader, at));
        next.clone().take(Self::AHEAD / 2).for_each(|at| self.ahead.event(&self.reader, at));
    }

    /// One is read of those that were expected: `next` are those that are left.
    #[inline]
    pub fn step(&mut self, mut next: impl Iterator<Item = Position>) {
        if let Some(event) = next.nth(Self::AHEAD / 2 - 1) {
            self.ahead.event(&self.reader, event);
            if let Some(entry) = next.nth(Self::AHEAD / 2 - 1) {
                self.ahead.entry(&self.reader, entry);
            }
        }
    }

    pub(crate) fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Where the event at `position` stands, its header and its record proven.
    pub(crate) fn locate(&mut self, position: Position) -> Result<Located> {
        let found = self.look(position);
        if matches!(found, Err(LogError::Damaged(_)))
            && let Some(spot) = &mut self.at
        {
            // The piece held may be from before the event was written.
            spot.window.forget();
            spot.frame = None;
            return self.look(position);
        }
        found
    }

    fn look(&mut self, position: Position) -> Result<Located> {
        let Self { reader, stride, at, ahead } = self;
        let place = place(reader, *stride, at, ahead, position)?;
        let segment = &place.reach.segment;
        let Some(offset) = place.reach.offset(position) else {
            let what = "the event lies in a damaged part of the segment";
            return Err(lost(segment, 0, 0, position, what));
        };
        let Some(record) = read_record(&mut place.window, segment, offset, place.bound)? else {
            return Err(lost(segment, offset, 0, position, "the event's checksum is wrong"));
        };
        let what = "the event is not where the segment's table says";
        let misplaced = || lost(segment, offset, record.payload.len() as u64, position, what);
        let head = RecordHead::decode(&mut Cursor::new(&record.payload)).ok_or_else(misplaced)?;
        let start = offset.checked_sub(head.back).ok_or_else(misplaced)?;
        if place.frame.as_ref().is_none_or(|frame| frame.offset != start) {
            place.frame = match read_frame(&mut place.window, segment, start, place.bound)? {
                Ok(frame) => Some(frame),
                Err(_) => {
                    let what = "the header of the event's commit is damaged";
                    return Err(lost(segment, start, head.back, position, what));
                }
            };
        }
        let frame = place.frame.clone().ok_or_else(misplaced)?;
        let fits = head.index < frame.header.count
            && frame.position(head.index) == position
            && frame.streams.is_some();
        if !fits {
            return Err(misplaced());
        }
        Ok(Located { frame, index: head.index, record })
    }
}

/// Where the frame of the record at `offset` begins, as that says.
fn frame_of(window: &mut Window, offset: u64) -> Option<u64> {
    let bytes = window.peek(offset, RECORD_PREFIX_BYTES + VARINT_BYTES_MAX).ok()?;
    let back = Cursor::new(bytes.get(RECORD_PREFIX_BYTES..)?).varint()?;
    offset.checked_sub(back)
}

/// Moves to the segment that holds `position`.
fn place<'a>(
    reader: &LogReader,
    stride: Stride,
    at: &'a mut Option<Spot>,
    ahead: &Ahead,
    position: Position,
) -> Result<&'a mut Spot> {
    if !at.as_ref().is_some_and(|spot| spot.reach.holds(position)) {
        let reach = match ahead.reach(position) {
            Some(reach) => reach.clone(),
            None => {
                let (segment, last) =
                    reader.segment_of(position).ok_or_else(|| nowhere(position))?;
                let is_here =
                    at.as_ref().is_some_and(|spot| Arc::ptr_eq(&spot.reach.segment, &segment));
                if is_here {
                    let spot = at.as_mut().ok_or_else(|| nowhere(position))?;
                    spot.reach.last = last;
                    return Ok(spot);
                }
                let offsets = reader.shared.tables.offsets(&segment)?;
                Reach { segment, last, offsets }
            }
        };
        let segment = &reach.segment;
        let stride = if segment.file.is_mapped() { Stride::MAPPED } else { stride };
        let window = Window::new(Arc::clone(&segment.file), stride);
        let (bound, history) = (segment.frames_bound(), (0, None));
        *at = Some(Spot { reach, window, bound, frame: None, history });
    }
    at.as_mut().ok_or_else(|| nowhere(position))
}

fn nowhere(position: Position) -> LogError {
    LogError::damaged(crate::Damage {
        segment: crate::segment::LOG_FOLDER.to_owned(),
        offset: 0,
        bytes: 0,
        positions: Some((position, position)),
        stream: None,
        streams: Vec::new(),
        what: "no segment holds the event".to_owned(),
    })
}

pub(crate) fn lost(
    segment: &Segment,
    offset: u64,
    bytes: u64,
    position: Position,
    what: &str,
) -> LogError {
    LogError::damaged(segment.damage(offset, bytes, Some((position, position)), what))
}
