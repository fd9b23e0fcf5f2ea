//! Reading single events by position.

use std::sync::Arc;

use annals_types::Position;

use crate::ahead::{Ahead, Reach};
use crate::error::{LogError, Result};
use crate::format::cursor::Cursor;
use crate::format::event::{Event, RecordHead};
use crate::format::frame::RECORD_PREFIX_BYTES;
use crate::frames::{Frame, Record, read_event_of, read_frame, read_only_event, read_record};
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::window::{Row, Stride, Window};

/// The longest number that says how far a record lies behind its frame.
const VARINT_BYTES_MAX: usize = 5;

/// Reads single events, each with its frame's header; the piece of file and the header read last
/// are kept, so that neighbours cost little. Of events in a row, more is read at once.
#[derive(Debug)]
pub struct EventCursor {
    reader: LogReader,
    at: Option<Spot>,
    ahead: Ahead,
}

/// Where the cursor stands.
#[derive(Debug)]
struct Spot {
    reach: Reach,
    window: Window,
    bound: u64,
    /// The frame looked into last, where that has several events.
    frame: Option<Frame>,
    history: (u32, Option<u64>),
    /// The event given last, and where it ends.
    last: Position,
    end: u64,
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
        Self { reader, at: None, ahead: Ahead::default() }
    }

    /// The event at `position`, which must be visible; `None` where it is one of
    /// [`LogReader::losses`].
    ///
    /// # Errors
    /// [`LogError::Damaged`] where its bytes are not what was written, and I/O errors.
    #[inline]
    pub fn get(&mut self, position: Position) -> Result<Option<Event>> {
        if let Some(event) = self.get_whole(position) {
            return event.map(Some);
        }
        match self.read(position) {
            Err(LogError::Damaged(_)) if self.reader.is_lost(position) => Ok(None),
            event => event.map(Some),
        }
    }

    /// The event at `position`, which must be visible, where it is as nearly all are: whole, and alone
    /// in its commit or in one that was entered. `None` where [`EventCursor::get`] has to take a closer
    /// look.
    #[inline]
    pub fn get_whole<E>(&mut self, position: Position) -> Option<Result<Event, E>> {
        let Self { reader, at, ahead } = self;
        let spot = place(reader, at, ahead, position).ok()?;
        spot.turn_to(position);
        let event = spot.read_whole(reader, position);
        if event.is_some() {
            spot.last = position;
        }
        event
    }

    fn read(&mut self, position: Position) -> Result<Event> {
        let located = self.locate(position)?;
        let Some(spot) = &mut self.at else { return Err(nowhere(position)) };
        let record = located.record;
        let history = spot.history(&self.reader, located.frame.header.epoch);
        let event = located.frame.streams.as_ref().and_then(|streams| {
            let back = record.offset - located.frame.offset;
            let header = &located.frame.header;
            Event::decode(record.payload.clone(), back, header, streams, history)
        });
        (spot.last, spot.end) = (position, record.end());
        event.ok_or_else(|| {
            let bytes = record.payload.len() as u64;
            let what = "the event's fields contradict each other";
            lost(&spot.reach.segment, record.offset, bytes, position, what)
        })
    }

    /// These events are asked for next, the first of them first: what is mapped is fetched meanwhile.
    pub fn expect(&mut self, next: impl Iterator<Item = Position> + Clone) {
        let mut first = next.clone();
        if let (Some(first), Some(_)) = (first.next(), first.next()) {
            self.ahead.begin(&self.reader, first);
        }
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
            // The piece held may be from before the event was written, and the entry that led there
            // may be damaged, not the event.
            spot.window.forget();
            spot.frame = None;
            spot.reach.prove(&self.reader)?;
            return self.look(position);
        }
        found
    }

    fn look(&mut self, position: Position) -> Result<Located> {
        let Self { reader, at, ahead } = self;
        let place = place(reader, at, ahead, position)?;
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

impl Spot {
    fn new(reach: Reach) -> Self {
        let segment = &reach.segment;
        let stride = if segment.file.is_mapped() { Stride::MAPPED } else { Stride::RANDOM };
        let window = Window::new(Arc::clone(&segment.file), stride);
        let bound = segment.frames_bound();
        let (history, last) = ((0, None), Position::MAX);
        Self { reach, window, bound, frame: None, history, last, end: 0 }
    }

    /// The event at `position` is read next.
    #[inline]
    fn turn_to(&mut self, position: Position) {
        self.window.expect(if position == self.last.plus(1) {
            Some(Row::Forward)
        } else if position.plus(1) == self.last {
            Some(Row::Backward)
        } else {
            None
        });
    }

    #[inline]
    fn read_whole<E>(
        &mut self,
        reader: &LogReader,
        position: Position,
    ) -> Option<Result<Event, E>> {
        // Mostly right behind the one before.
        let is_next = position == self.last.plus(1);
        let offset = if is_next { Some(self.end) } else { self.reach.offset(position) }?;
        if let Some(frame) = &self.frame
            && frame.offset < offset
            && offset < frame.end()
        {
            let history = history(&mut self.history, reader, frame.header.epoch);
            let segment = &self.reach.segment;
            let (event, end) =
                read_event_of(frame, &mut self.window, segment, offset, position, history)?;
            self.end = end;
            return Some(Ok(event));
        }
        let mut start = if is_next { offset } else { frame_of(&mut self.window, offset)? };
        let Self { reach, window, bound, history: last, .. } = self;
        let history = |epoch| history(last, reader, epoch);
        let event = read_only_event(window, &reach.segment, &mut start, *bound, position, history);
        if event.is_some() {
            self.end = start;
        }
        event
    }

    fn history(&mut self, reader: &LogReader, epoch: u32) -> Option<u64> {
        history(&mut self.history, reader, epoch)
    }
}

/// What goes into derived ids; looked up when the epoch changes.
#[inline(always)]
pub(crate) fn history(
    last: &mut (u32, Option<u64>),
    reader: &LogReader,
    epoch: u32,
) -> Option<u64> {
    if last.0 != epoch {
        *last = (epoch, reader.history(epoch));
    }
    last.1
}

/// Where the frame of the record at `offset` begins, as that says.
#[inline]
fn frame_of(window: &mut Window, offset: u64) -> Option<u64> {
    let bytes = window.peek(offset, RECORD_PREFIX_BYTES + VARINT_BYTES_MAX).ok()?;
    let back = Cursor::new(bytes.get(RECORD_PREFIX_BYTES..)?).varint()?;
    offset.checked_sub(back)
}

/// Moves to the segment that holds `position`.
#[inline]
fn place<'a>(
    reader: &LogReader,
    at: &'a mut Option<Spot>,
    ahead: &Ahead,
    position: Position,
) -> Result<&'a mut Spot> {
    if !at.as_ref().is_some_and(|spot| spot.reach.holds(position)) {
        move_to(reader, at, ahead, position)?;
    }
    at.as_mut().ok_or_else(|| nowhere(position))
}

#[cold]
fn move_to(
    reader: &LogReader,
    at: &mut Option<Spot>,
    ahead: &Ahead,
    position: Position,
) -> Result<()> {
    let before = at.as_ref().map(|spot| &spot.reach);
    let reach = match ahead.reach(position) {
        Some(reach) => reach.clone(),
        None => {
            let reach = Reach::of(reader, position, before)?;
            reach.ok_or_else(|| nowhere(position))?
        }
    };
    match at {
        Some(spot) if Arc::ptr_eq(&spot.reach.segment, &reach.segment) => spot.reach = reach,
        _ => *at = Some(Spot::new(reach)),
    }
    Ok(())
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
