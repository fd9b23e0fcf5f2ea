//! Reading the log in order.

use std::sync::Arc;

use annals_types::Position;

use crate::Damage;
use crate::error::{LogError, Result};
use crate::format::event::Event;
use crate::frames::{Frame, FrameRecord, FrameRecords, find_frame, read_frame, read_only_event};
use crate::lookup::{EventCursor, history};
use crate::reader::LogReader;
use crate::segment::{FRAMES_START, LOG_FOLDER, Segment};
use crate::window::Window;

/// The events of a range of positions, in order. A damaged stretch gives one error that names it,
/// and the scan goes on behind it; any other error ends it. What is lost for good is passed over.
#[derive(Debug)]
pub struct Scan {
    reader: LogReader,
    /// The next position to give.
    next: Position,
    to: Position,
    at: Option<Spot>,
}

/// Where in the log the scan stands.
#[derive(Debug)]
struct Spot {
    segment: Arc<Segment>,
    /// The last position that the segment can hold, where another follows it.
    last: Option<Position>,
    window: Window,
    bound: u64,
    /// Where the next frame begins, once the records of this one are read.
    offset: u64,
    records: Option<FrameRecords>,
    history: (u32, Option<u64>),
}

impl Scan {
    pub(crate) fn new(reader: LogReader, from: Position, to: Position) -> Self {
        let to = to.min(reader.visible());
        Self { reader, next: from.max(Position::new(1)), to, at: None }
    }

    fn step(&mut self) -> Result<Option<Event>> {
        loop {
            self.next = self.reader.behind_losses(self.next);
            if self.next > self.to {
                return Ok(None);
            }
            let Some(spot) = &mut self.at else {
                self.enter_segment()?;
                continue;
            };
            if spot.last.is_some_and(|last| self.next > last) {
                self.at = None;
                continue;
            }
            let Some(records) = &mut spot.records else {
                match read_frame(&mut spot.window, &spot.segment, spot.offset, spot.bound)? {
                    Ok(frame) => {
                        if let Some(lost) = spot.enter(frame, &mut self.next, self.to) {
                            return Err(lost);
                        }
                    }
                    Err(_) => {
                        if let Some(lost) = self.pass_damage()? {
                            return Err(lost);
                        }
                    }
                }
                continue;
            };
            match records.next(&mut spot.window, &spot.segment)? {
                Some(FrameRecord::Whole { index, record }) => {
                    let position = records.frame.position(index);
                    if position < self.next {
                        continue;
                    }
                    self.next = position.plus(1);
                    let header = &records.frame.header;
                    let history = history(&mut spot.history, &self.reader, header.epoch);
                    let back = record.offset - records.frame.offset;
                    let bytes = record.payload.len() as u64;
                    let event = records.frame.streams.as_ref().and_then(|streams| {
                        Event::decode(record.payload, back, header, streams, history)
                    });
                    let what = "the event's fields contradict each other";
                    return event.map(Some).ok_or_else(|| {
                        let positions = Some((position, position));
                        LogError::damaged(spot.segment.damage(
                            record.offset,
                            bytes,
                            positions,
                            what,
                        ))
                    });
                }
                Some(FrameRecord::Lost { first, last, offset, bytes }) => {
                    let lost = first;
                    let (first, last) =
                        (records.frame.position(first), records.frame.position(last));
                    let wanted = (first.max(self.next), last.min(self.to));
                    if last < self.next {
                        continue;
                    }
                    let before = wanted.0.get() - first.get();
                    let before = u32::try_from(before).unwrap_or_default();
                    self.next = last.plus(1);
                    let what = "the checksum is wrong";
                    let mut damage = spot.segment.damage(offset, bytes, Some(wanted), what);
                    damage.stream = records.frame.stream_at(lost + before);
                    return Err(LogError::damaged(damage));
                }
                None => spot.records = None,
            }
        }
    }

    /// Goes to where the next event stands. Where no segment holds it, says so once for all the
    /// events that are missing with it.
    fn enter_segment(&mut self) -> Result<()> {
        if self.reader.segment_of(self.next).is_some() {
            self.at = Some(Spot::find(&self.reader, self.next)?);
            return Ok(());
        }
        let first = self.reader.first_event().unwrap_or(Position::MAX);
        let last = first.minus(1).min(self.to);
        let lost = (self.next, last);
        self.next = last.plus(1);
        Err(LogError::damaged(Damage {
            segment: LOG_FOLDER.to_owned(),
            offset: 0,
            bytes: 0,
            positions: Some(lost),
            stream: None,
            streams: Vec::new(),
            what: "a segment is missing".to_owned(),
        }))
    }

    /// No frame begins where the scan stands, although events are to come: goes to the next frame
    /// that is whole, here or in the next segment, and says what is lost before it. Where that is no
    /// event, only control records stood there: verification tells of them.
    fn pass_damage(&mut self) -> Result<Option<LogError>> {
        let Some(spot) = &mut self.at else { return Ok(None) };
        // The segment may have become full, and sealed, since the scan came to it.
        let (segment, last) = match self.reader.segment_of(spot.segment.first_event()) {
            Some((segment, last)) => (segment, last),
            None => (Arc::clone(&spot.segment), spot.last),
        };
        if !Arc::ptr_eq(&segment, &spot.segment) || last != spot.last {
            let bound = segment.frames_bound();
            spot.window.forget();
            (spot.segment, spot.last, spot.bound) = (segment, last, bound);
            return Ok(None);
        }
        let from = spot.offset;
        let after = annals_types::Place::event(self.next.minus(1));
        let found = find_frame(&mut spot.window, &spot.segment, from, spot.bound, after)?;
        let end = spot.bound.min(spot.segment.file_bytes()?).max(from);
        let (next, offset) = match (found, spot.last) {
            (Some(frame), _) => (frame.header.first.position, frame.offset),
            (None, Some(last)) => (last.plus(1), end),
            (None, None) => (self.to.plus(1), end),
        };
        let positions = (next > self.next).then(|| (self.next, next.minus(1).min(self.to)));
        let bytes = offset - from;
        spot.offset = offset;
        self.next = self.next.max(next);
        let Some(positions) = positions else { return Ok(None) };
        let what = "no whole frame begins here";
        Ok(Some(LogError::damaged(spot.segment.damage(from, bytes, Some(positions), what))))
    }
}

impl Spot {
    /// The event at `position`, where the scan stands before it and it is whole, and it is alone in
    /// its frame or that was entered.
    #[inline(always)]
    fn next_event<E>(
        &mut self,
        reader: &LogReader,
        position: Position,
    ) -> Option<Result<Event, E>> {
        if self.last.is_some_and(|last| position > last) {
            return None;
        }
        let Self { segment, window, bound, offset, history: last, records, .. } = self;
        let mut history = |epoch| history(last, reader, epoch);
        if let Some(of) = records {
            if !of.is_done() {
                let history = history(of.frame.header.epoch);
                return of.next_event(window, segment, position, history);
            }
            self.records = None;
        }
        read_only_event(window, segment, offset, *bound, position, history)
    }

    /// Where the event at `position` stands; where it is damaged, a place before it.
    fn find(reader: &LogReader, position: Position) -> Result<Self> {
        let mut cursor = EventCursor::new(reader.clone());
        let located = cursor.locate(position);
        let (segment, last) = match reader.segment_of(position) {
            Some(found) => found,
            None => return Err(located.err().unwrap_or(LogError::Closed)),
        };
        let (offset, records) = match located {
            Ok(located) => {
                let records =
                    FrameRecords::from(located.frame, located.index, located.record.offset);
                (records.frame.end(), Some(records))
            }
            Err(LogError::Damaged(_)) => (FRAMES_START, None),
            Err(error) => return Err(error),
        };
        let window = Window::new(Arc::clone(&segment.file), Window::forward(&*segment.file));
        let bound = segment.frames_bound();
        Ok(Self { segment, last, window, bound, offset, records, history: (0, None) })
    }

    /// Goes into the frame or past it. Events between the next wanted one and the frame are lost.
    fn enter(&mut self, frame: Frame, next: &mut Position, to: Position) -> Option<LogError> {
        let start = self.offset;
        self.offset = frame.end();
        frame.streams.as_ref()?;
        let (first, last) = (frame.header.first.position, frame.header.last().position);
        if last < *next {
            return None;
        }
        let lost = (first > *next).then(|| {
            let positions = Some((*next, first.minus(1).min(to)));
            let what = "the events before this frame are missing";
            LogError::damaged(self.segment.damage(start, 0, positions, what))
        });
        *next = (*next).max(first);
        self.records = Some(FrameRecords::new(frame));
        lost
    }
}

impl Scan {
    /// The next event, where it is as nearly all are: whole, and right behind the one before. `None`
    /// where [`Scan::next`] has to take a closer look.
    #[inline]
    pub fn next_whole<E>(&mut self) -> Option<Result<Event, E>> {
        let spot = self.at.as_mut().filter(|_| self.next <= self.to)?;
        let event = spot.next_event(&self.reader, self.next);
        if event.is_some() {
            self.next = self.next.plus(1);
        }
        event
    }
}

impl Iterator for Scan {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        let event = self.next_whole();
        if event.is_some() {
            return event;
        }
        let step = self.step();
        if !matches!(step, Ok(_) | Err(LogError::Damaged(_))) {
            self.next = Position::MAX;
            self.to = Position::START;
        }
        step.transpose()
    }
}
