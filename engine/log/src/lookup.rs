//! Reading single events by position.

use std::sync::Arc;

use annals_types::Position;

use crate::error::{LogError, Result};
use crate::format::cursor::Cursor;
use crate::format::event::{Event, RecordHead};
use crate::frames::{Frame, Record, read_frame, read_record};
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::window::{Stride, Window};

/// Reads single events, each with its frame's header; the piece of file and the header read last
/// are kept, so that neighbours cost little.
#[derive(Debug)]
pub struct EventCursor {
    reader: LogReader,
    stride: Stride,
    at: Option<Spot>,
}

/// Where the cursor stands.
#[derive(Debug)]
struct Spot {
    segment: Arc<Segment>,
    last: Option<Position>,
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
    pub(crate) fn new(reader: LogReader) -> Self {
        Self { reader, stride: Stride::RANDOM, at: None }
    }

    pub(crate) fn with_stride(reader: LogReader, stride: Stride) -> Self {
        Self { reader, stride, at: None }
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
            lost(&place.segment, record.offset, bytes, position, what)
        })
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
        let Self { reader, stride, at } = self;
        let place = place(reader, *stride, at, position)?;
        let segment = &place.segment;
        let index = position.get() - segment.first_event().get();
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(offset) = reader.shared.tables.offset(segment, index)? else {
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

/// Moves to the segment that holds `position`.
fn place<'a>(
    reader: &LogReader,
    stride: Stride,
    at: &'a mut Option<Spot>,
    position: Position,
) -> Result<&'a mut Spot> {
    let here = at.as_ref().is_some_and(|place| {
        place.segment.header.first.position < position
            && place.last.is_some_and(|last| position <= last)
    });
    if !here {
        let (segment, last) = reader.segment_of(position).ok_or_else(|| nowhere(position))?;
        match at {
            Some(place) if Arc::ptr_eq(&place.segment, &segment) => place.last = last,
            _ => {
                let window = Window::new(Arc::clone(&segment.file), stride);
                let bound = segment.frames_bound();
                *at = Some(Spot { segment, last, window, bound, frame: None, history: (0, None) });
            }
        }
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
