//! Reading frames and their records out of a segment, over damage where there is some.

use annals_types::{Place, Position, Version};
use memchr::memmem::Finder;

use crate::error::Result;
use crate::format::checksum;
use crate::format::cursor::Cursor;
use crate::format::event::{Event, RecordHead};
use crate::format::frame::{
    FIXED_BYTES, FrameFault, FrameHeader, FrameKind, MARKER, MARKER_OFFSET, RECORD_PREFIX_BYTES,
    StreamTable,
};
use crate::offsets::EVENT_BYTES_MIN;
use crate::segment::Segment;
use crate::slice::Slice;
use crate::window::Window;

/// What is looked at in one piece.
const PIECE_BYTES: usize = 64 << 10;

/// A frame whose header is proven.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    /// Where in the segment it begins.
    pub(crate) offset: u64,
    /// The streams of a commit; `None` in a control record.
    pub(crate) streams: Option<StreamTable>,
}

impl Frame {
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.header.length)
    }

    fn records_start(&self) -> u64 {
        self.offset + u64::from(self.header.header_length)
    }

    /// The stream of the event number `index` and its version, where the commit has only one.
    pub(crate) fn stream_at(&self, index: u32) -> Option<(String, Version)> {
        let streams = self.streams.as_ref().filter(|streams| streams.is_single())?;
        let only = streams.get(0)?;
        Some((only.name.to_string(), only.first_version.plus(u64::from(index))))
    }

    /// The names of the commit's streams.
    pub(crate) fn stream_names(&self) -> Vec<String> {
        let streams = self.streams.iter();
        streams.flat_map(StreamTable::iter).map(|stream| stream.name.to_string()).collect()
    }

    /// The position of the event number `index` of a commit.
    pub(crate) fn position(&self, index: u32) -> Position {
        self.header.first.position.plus(u64::from(index))
    }
}

/// Reads the header of the frame at `offset`, which must end at or before `bound`.
pub(crate) fn read_frame(
    window: &mut Window,
    segment: &Segment,
    offset: u64,
    bound: u64,
) -> Result<Result<Frame, FrameFault>> {
    let fixed = window.peek(offset, FIXED_BYTES).map_err(|error| segment.io(error))?;
    let (header_length, length) = match FrameHeader::claimed(fixed) {
        Ok(lengths) => lengths,
        Err(fault) => return Ok(Err(fault)),
    };
    if offset + u64::from(length) > bound {
        return Ok(Err(FrameFault::Short));
    }
    let bytes = window.peek(offset, header_length as usize).map_err(|error| segment.io(error))?;
    let header = match FrameHeader::decode(bytes, segment.header.salt, offset) {
        Ok(header) => header,
        Err(fault) => return Ok(Err(fault)),
    };
    let streams = match header.kind {
        FrameKind::Commit => {
            match StreamTable::decode(bytes.get(..header_length as usize).unwrap_or_default()) {
                Some(streams) => Some(streams),
                None => return Ok(Err(FrameFault::Contradiction)),
            }
        }
        FrameKind::Control => None,
    };
    Ok(Ok(Frame { header, offset, streams }))
}

/// The event in the frame at `offset`, where it is what nearly all are: the one at `position`, alone
/// in its commit, whole, in one piece; `offset` moves behind the frame. `None` where a closer look is
/// needed.
#[inline(always)]
pub(crate) fn read_only_event<E>(
    window: &mut Window,
    segment: &Segment,
    offset: &mut u64,
    bound: u64,
    position: Position,
    history: impl FnOnce(u32) -> Option<u64>,
) -> Option<Result<Event, E>> {
    let (at, salt) = (*offset, segment.header.salt);
    let mut start = window.hold(at, FIXED_BYTES).ok()?;
    // One of several may be far behind its header: nothing in between is read for it.
    let length = FrameHeader::claims_one(window.held(start), position)?;
    let end = at + length as u64;
    if length > PIECE_BYTES || end > bound {
        return None;
    }
    if window.held(start).len() < length {
        start = window.hold(at, length).ok()?;
    }
    let frame = window.held(start).get(..length)?;
    let (header_length, frame_length) = FrameHeader::claimed(frame).ok()?;
    let (fields, record) = frame.split_at_checked(header_length as usize)?;
    if !checksum::is_sealed(fields, salt, at)
        || !checksum::is_sealed(record, salt, at + u64::from(header_length))
    {
        return None;
    }
    // A record that ends elsewhere than the frame is not whole, whatever its checksum.
    let claimed = record.get(4..RECORD_PREFIX_BYTES)?.try_into().ok().map(u32::from_le_bytes)?;
    if claimed as usize != record.len() - RECORD_PREFIX_BYTES {
        return None;
    }
    let header = FrameHeader::decode_proven(fields, frame_length).ok()?;
    let only = header.first == Place::event(position) && header.count == 1;
    let stream = StreamTable::only(fields).filter(|_| only)?;
    let (history, share) = (history(header.epoch), || window.share(start, length));
    let event = Event::decode_only(frame, &header, stream, history, share)?;
    *offset = end;
    Some(Ok(event))
}

/// The event at `position` in the record at `offset`, where that is whole and one of `frame`; and where
/// the record ends. `None` where a closer look is needed.
pub(crate) fn read_event_of(
    frame: &Frame,
    window: &mut Window,
    segment: &Segment,
    offset: u64,
    position: Position,
    history: Option<u64>,
) -> Option<(Event, u64)> {
    let streams = frame.streams.as_ref()?;
    let prefix: [u8; 4] = *window.peek(offset, RECORD_PREFIX_BYTES).ok()?.last_chunk()?;
    let length = u32::from_le_bytes(prefix) as usize;
    let end = offset + (RECORD_PREFIX_BYTES + length) as u64;
    if length > PIECE_BYTES || end > frame.end() {
        return None;
    }
    let start = window.hold(offset, RECORD_PREFIX_BYTES + length).ok()?;
    let record = window.held(start).get(..RECORD_PREFIX_BYTES + length)?;
    if !checksum::is_sealed(record, segment.header.salt, offset) {
        return None;
    }
    let record = record.get(RECORD_PREFIX_BYTES..)?;
    let share = || window.share(start + RECORD_PREFIX_BYTES, length);
    let back = offset - frame.offset;
    let event = Event::decode_one(record, back, &frame.header, streams, history, share)?;
    (event.position() == position).then_some((event, end))
}

/// A record whose checksum is proven.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Where in the segment it begins.
    pub(crate) offset: u64,
    /// What stands behind its prefix.
    pub(crate) payload: Slice,
    /// Its checksum without the mask.
    pub(crate) plain_checksum: u32,
}

impl Record {
    pub(crate) fn end(&self) -> u64 {
        self.offset + (RECORD_PREFIX_BYTES + self.payload.len()) as u64
    }
}

/// Reads the record at `offset`, which must end at or before `bound`; `None` where there is none
/// that is whole.
pub(crate) fn read_record(
    window: &mut Window,
    segment: &Segment,
    offset: u64,
    bound: u64,
) -> Result<Option<Record>> {
    let prefix = window.peek(offset, RECORD_PREFIX_BYTES).map_err(|error| segment.io(error))?;
    let mut cursor = Cursor::new(prefix);
    let (Some(stored), Some(length)) = (cursor.u32(), cursor.u32()) else {
        return Ok(None);
    };
    let total = RECORD_PREFIX_BYTES + length as usize;
    if offset + total as u64 > bound {
        return Ok(None);
    }
    let bytes = window.peek(offset, total).map_err(|error| segment.io(error))?;
    let plain_checksum = checksum::of(bytes.get(4..).unwrap_or_default());
    let whole = bytes.len() == total
        && plain_checksum ^ checksum::mask(segment.header.salt, offset) == stored;
    if !whole {
        return Ok(None);
    }
    let start = offset + RECORD_PREFIX_BYTES as u64;
    let payload = window.get(start, length as usize).map_err(|error| segment.io(error))?;
    Ok(Some(Record { offset, payload, plain_checksum }))
}

/// One record of a frame, or a stretch of them that is lost.
#[derive(Clone, Debug)]
pub(crate) enum FrameRecord {
    Whole { index: u32, record: Record },
    Lost { first: u32, last: u32, offset: u64, bytes: u64 },
}

/// Goes through the records of one frame.
#[derive(Clone, Debug)]
pub(crate) struct FrameRecords {
    pub(crate) frame: Frame,
    index: u32,
    offset: u64,
}

impl FrameRecords {
    pub(crate) fn new(frame: Frame) -> Self {
        let offset = frame.records_start();
        Self { frame, index: 0, offset }
    }

    /// From the record number `index`, which begins at `offset`.
    pub(crate) fn from(frame: Frame, index: u32, offset: u64) -> Self {
        Self { frame, index, offset }
    }

    pub(crate) fn next(
        &mut self,
        window: &mut Window,
        segment: &Segment,
    ) -> Result<Option<FrameRecord>> {
        let count = self.frame.header.count;
        if self.index >= count {
            return Ok(None);
        }
        let (index, offset) = (self.index, self.offset);
        if let Some(record) =
            self.record_at(window, segment, offset)?.filter(|found| found.0 == index)
        {
            self.index += 1;
            self.offset = record.1.end();
            return Ok(Some(FrameRecord::Whole { index, record: record.1 }));
        }
        (self.index, self.offset) =
            self.resync(window, segment)?.unwrap_or((count, self.frame.end()));
        Ok(Some(FrameRecord::Lost {
            first: index,
            last: self.index - 1,
            offset,
            bytes: self.offset.saturating_sub(offset),
        }))
    }

    /// The event at `position`, where the next record is that and whole; then goes past it. `None`
    /// where a closer look is needed.
    #[inline]
    pub(crate) fn next_event<E>(
        &mut self,
        window: &mut Window,
        segment: &Segment,
        position: Position,
        history: Option<u64>,
    ) -> Option<Result<Event, E>> {
        let Self { frame, index, offset } = self;
        if frame.position(*index) != position {
            return None;
        }
        let (event, end) = read_event_of(frame, window, segment, *offset, position, history)?;
        *index += 1;
        *offset = end;
        Some(Ok(event))
    }

    /// Whether all records were read.
    pub(crate) fn is_done(&self) -> bool {
        self.index >= self.frame.header.count
    }

    /// Whether all records were read and nothing is left of the frame.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_done() && self.offset == self.frame.end()
    }

    /// The record at `offset` with its number, where it is whole and says that it lies there.
    fn record_at(
        &self,
        window: &mut Window,
        segment: &Segment,
        offset: u64,
    ) -> Result<Option<(u32, Record)>> {
        let record = read_record(window, segment, offset, self.frame.end())?;
        Ok(record.and_then(|record| {
            let head = RecordHead::decode(&mut Cursor::new(&record.payload))?;
            let fits =
                head.back == offset - self.frame.offset && head.index < self.frame.header.count;
            fits.then_some((head.index, record))
        }))
    }

    /// The next record behind a damaged one: its number and offset. A record says how far it lies
    /// behind its frame, so nearly every wrong offset is refused without a checksum.
    fn resync(&self, window: &mut Window, segment: &Segment) -> Result<Option<(u32, u64)>> {
        // Bounds the work on a frame made to pass the quick check at every offset.
        let mut budget = u64::from(self.frame.header.length).saturating_mul(4);
        let mut at = self.offset + 1;
        while at < self.frame.end() {
            let length = usize::try_from(self.frame.end() - at)
                .map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let piece = window.get(at, length).map_err(|error| segment.io(error))?;
            let last_piece = length < PIECE_BYTES;
            let starts = if last_piece {
                piece.len()
            } else {
                piece.len().saturating_sub(RecordHead::BYTES_MAX)
            };
            for start in 0..starts {
                let offset = at + start as u64;
                let head = piece
                    .get(start + RECORD_PREFIX_BYTES..)
                    .and_then(|bytes| RecordHead::decode(&mut Cursor::new(bytes)));
                let plausible = head.is_some_and(|head| {
                    head.back == offset - self.frame.offset
                        && head.index > self.index
                        && head.index < self.frame.header.count
                });
                let claim = Cursor::new(piece.get(start + 4..).unwrap_or_default()).u32();
                let claim = u64::from(claim.unwrap_or(u32::MAX));
                if !plausible || claim > self.frame.end() - offset || claim > budget {
                    continue;
                }
                budget -= claim;
                if let Some((index, record)) = self.record_at(window, segment, offset)? {
                    return Ok(Some((index, record.offset)));
                }
            }
            if last_piece || starts == 0 {
                break;
            }
            at += starts as u64;
        }
        Ok(None)
    }
}

/// The highest position that a frame at `offset` can have when the events behind `after` begin at or
/// before `from`.
fn furthest(after: Place, from: u64, offset: u64) -> Position {
    let page = crate::segment::PAGE_BYTES;
    after.position.plus((offset.saturating_sub(from) + page) / EVENT_BYTES_MIN)
}

/// The first frame behind the offset `behind`, where no frame is whole, whose header is proven and
/// whose place lies behind `after`, but not further than events could have lain between.
///
/// A copy of a frame inside another's payload is none: its checksums belong to another offset. Nor is
/// one that was made to fit there: the records of the damaged frame still say whose they are.
pub(crate) fn find_frame(
    window: &mut Window,
    segment: &Segment,
    behind: u64,
    bound: u64,
    after: Place,
) -> Result<Option<Frame>> {
    let finder = Finder::new(&MARKER);
    let from = behind + 1;
    let bound = bound.min(segment.file_bytes()?);
    // A repair notes in a few bytes that very many events are lost.
    let rewritten = segment.header.generation > 0;
    let mut owned = OwnRecords { frame: behind, at: from + FIXED_BYTES as u64, budget: 0 };
    owned.budget = bound.saturating_sub(from).saturating_mul(4);
    // Bounds the work on a file made of markers in front of long claimed headers.
    let mut budget = (bound.saturating_sub(from)).saturating_mul(8).saturating_add(1 << 20);
    let mut at = from;
    while at < bound {
        let length = usize::try_from(bound - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let piece = window.get(at, length).map_err(|error| segment.io(error))?;
        for marker in finder.find_iter(&piece) {
            let Some(start) = marker.checked_sub(MARKER_OFFSET) else { continue };
            let offset = at + start as u64;
            let claimed = FrameHeader::claimed(piece.get(start..).unwrap_or_default());
            let header_length = match claimed {
                Ok((header_length, _)) => u64::from(header_length),
                Err(FrameFault::Short) => FIXED_BYTES as u64,
                Err(_) => continue,
            };
            if budget < header_length {
                continue;
            }
            budget -= header_length;
            if let Ok(frame) = read_frame(window, segment, offset, bound)?
                && frame.header.first > after
                && (rewritten || frame.header.first.position <= furthest(after, from, frame.offset))
                && !owned.cover(window, segment, frame.offset, bound)?
            {
                return Ok(Some(frame));
            }
        }
        if length < PIECE_BYTES || piece.len() <= FIXED_BYTES {
            break;
        }
        // The next piece begins early enough for a frame across the border.
        at += (piece.len() - FIXED_BYTES) as u64;
    }
    Ok(None)
}

/// The records of a frame whose header is damaged.
struct OwnRecords {
    /// Where the frame begins.
    frame: u64,
    /// Looked at up to here.
    at: u64,
    /// Bounds the work on records made to pass the quick check at every offset.
    budget: u64,
}

impl OwnRecords {
    /// Whether one of them that is whole covers the byte at `offset`. Asked for ascending offsets.
    fn cover(
        &mut self,
        window: &mut Window,
        segment: &Segment,
        offset: u64,
        bound: u64,
    ) -> Result<bool> {
        while self.at < offset {
            let length =
                usize::try_from(offset - self.at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let piece = window.get(self.at, length + RecordHead::BYTES_MAX);
            let piece = piece.map_err(|error| segment.io(error))?;
            let Some(start) = (0..length).find(|&start| self.is_plausible(&piece, start)) else {
                self.at += length as u64;
                continue;
            };
            let at = self.at + start as u64;
            self.at = at + 1;
            let claim = Cursor::new(piece.get(start + 4..).unwrap_or_default()).u32();
            let claim = u64::from(claim.unwrap_or(u32::MAX));
            if claim > self.budget {
                continue;
            }
            self.budget -= claim;
            if let Some(record) = read_record(window, segment, at, bound)? {
                // The next one lies right behind it.
                self.at = record.end();
            }
        }
        Ok(self.at > offset)
    }

    fn is_plausible(&self, piece: &[u8], start: usize) -> bool {
        let head = piece.get(start + RECORD_PREFIX_BYTES..).unwrap_or_default();
        let head = RecordHead::decode(&mut Cursor::new(head));
        head.is_some_and(|head| head.back == self.at + start as u64 - self.frame)
    }
}
