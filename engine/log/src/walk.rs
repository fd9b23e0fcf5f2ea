//! Going through a segment frame by frame, with the rules of what may follow what. Recovery,
//! linking and verification all look at a segment through this.

use std::sync::Arc;

use annals_types::{Place, Position};

use crate::error::{LogError, Result};
use crate::format::checksum;
use crate::format::control::{Control, Lost};
use crate::format::cursor::Cursor;
use crate::format::event::{Hole, RecordHead};
use crate::format::footer::EpochStart;
use crate::format::frame::{FIXED_BYTES, FrameFault, FrameHeader, FrameKind, StreamTable};
use crate::frames::{Frame, FrameRecord, FrameRecords, find_frame, read_frame};
use crate::loss::{Loss, LostStream};
use crate::segment::{FRAMES_START, Segment};
use crate::window::{Stride, Window};

/// Longest frame that is looked at in one piece.
const ONLY_BYTES_MAX: usize = 32 << 10;

/// Where a walk through a segment stands.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) segment: Arc<Segment>,
    pub(crate) window: Window,
    /// No frame may reach beyond.
    pub(crate) bound: u64,
    /// Where the next frame should begin.
    pub(crate) offset: u64,
    /// The place of the last thing before it.
    pub(crate) last: Place,
    /// The epoch that it should belong to, unless it begins one.
    pub(crate) epoch: u32,
    /// What stands here has the right checksum and contradicts itself: no crash makes that.
    pub(crate) contradicts: bool,
}

/// A frame with the outcome of reading all of its records.
#[derive(Debug)]
pub(crate) struct CheckedFrame {
    pub(crate) frame: Frame,
    /// What of it is lost.
    pub(crate) lost: Vec<FrameRecord>,
    /// Its records that were lost before, and say so.
    holes: Vec<(u32, Hole)>,
    /// What it says, if it is a control record.
    pub(crate) control: Option<Control>,
    /// Records and header agree on the checksums.
    pub(crate) digest_holds: bool,
}

impl CheckedFrame {
    pub(crate) fn is_whole(&self) -> bool {
        self.lost.is_empty()
            && self.digest_holds
            && (self.control.is_some() || self.frame.header.kind == FrameKind::Commit)
    }

    /// The epoch that it begins, or that began somewhere in what it tells to be lost.
    pub(crate) fn epoch(&self) -> Option<EpochStart> {
        let (epoch, place) = match &self.control {
            Some(Control::Epoch(epoch)) => (*epoch, self.frame.header.first),
            Some(Control::Lost(lost)) => (lost.epoch, lost.up_to),
            _ => return None,
        };
        Some(EpochStart { epoch, place })
    }

    /// Every record is whole, and they are not those of the header: which of them are, nobody can
    /// tell.
    pub(crate) fn contradicts(&self) -> bool {
        self.frame.header.kind == FrameKind::Commit && self.lost.is_empty() && !self.digest_holds
    }

    /// The place of the last thing that it has or tells to be lost.
    pub(crate) fn last(&self) -> Place {
        match &self.control {
            Some(Control::Lost(lost)) => lost.up_to,
            _ => self.frame.header.last(),
        }
    }

    /// The events that it tells to be lost.
    pub(crate) fn losses(&self) -> impl Iterator<Item = Loss> {
        let noted = match &self.control {
            Some(Control::Lost(lost)) => {
                let (first, last) = (self.frame.header.first.position.plus(1), lost.up_to.position);
                (first <= last).then(|| Loss { first, last, streams: lost.streams.clone() })
            }
            _ => None,
        };
        // Holes beside each other are one loss.
        let mut rest = self.holes.as_slice();
        let holes = std::iter::from_fn(move || {
            let (&(first, _), _) = rest.split_first()?;
            let run = (first..).zip(rest).take_while(|(index, hole)| *index == hole.0).count();
            let (run, behind) = rest.split_at_checked(run)?;
            rest = behind;
            let last = run.last().map_or(first, |(index, _)| *index);
            let (first, last) = (self.frame.position(first), self.frame.position(last));
            Some(Loss { first, last, streams: self.last_of_each_stream(run) })
        });
        noted.into_iter().chain(holes)
    }

    fn last_of_each_stream(&self, holes: &[(u32, Hole)]) -> Vec<LostStream> {
        let mut streams: Vec<LostStream> = Vec::new();
        for (index, hole) in holes {
            let Some((stream, version)) = &hole.stream else { continue };
            streams.retain(|before| *before.stream != **stream);
            let (position, version) = (self.frame.position(*index), *version);
            streams.push(LostStream { position, version, stream: stream.to_string() });
        }
        streams
    }
}

impl Walk {
    /// From the first frame of a segment.
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        let bound = segment.frames_bound();
        let window = Window::new(Arc::clone(&segment.file), Stride::FORWARD);
        // The place before the first that can stand here.
        let first = segment.header.first;
        let last = Place { position: first.position, k: first.k.saturating_sub(1) };
        let epoch = segment.header.epoch.number;
        Self { segment, window, bound, offset: FRAMES_START, last, epoch, contradicts: false }
    }

    /// The frame that begins where the walk stands, where one does that may follow. A header whose
    /// checksum is right and whose kind or flags are not known is another version's: that is an error.
    pub(crate) fn frame(&mut self) -> Result<Option<Frame>> {
        self.contradicts = false;
        match read_frame(&mut self.window, &self.segment, self.offset, self.bound)? {
            Ok(frame) => {
                let header = &frame.header;
                let epoch_fits = header.epoch == self.epoch
                    || (header.kind == FrameKind::Control && header.epoch > self.epoch);
                Ok((header.follows(self.last) && epoch_fits).then_some(frame))
            }
            Err(FrameFault::Unknown(field)) => {
                Err(self.unsupported(self.offset, &format!("an unknown {field}")))
            }
            Err(fault) => {
                self.contradicts = fault == FrameFault::Contradiction;
                Ok(None)
            }
        }
    }

    /// The header of the frame that begins where the walk stands, and where its record begins: where
    /// it is what nearly all are, a commit of one event, short, whole, no hole, that may follow.
    /// `None` where [`Walk::frame`] has to take a closer look.
    pub(crate) fn only_event(&mut self) -> Result<Option<(FrameHeader, u64)>> {
        let (at, salt) = (self.offset, self.segment.header.salt);
        let fail = |error| self.segment.io(error);
        let fixed = self.window.peek(at, FIXED_BYTES).map_err(fail)?;
        // What is one of several, or long, is not read for its header alone.
        let next = self.last.position.plus(1);
        let Some(length) = FrameHeader::claims_one(fixed, next) else { return Ok(None) };
        if length > ONLY_BYTES_MAX || at + length as u64 > self.bound {
            return Ok(None);
        }
        let frame = self.window.peek(at, length).map_err(fail)?;
        let found = whole_event(frame, salt, at);
        let found =
            found.filter(|(header, _)| header.epoch == self.epoch && header.follows(self.last));
        self.contradicts &= found.is_none();
        Ok(found)
    }

    /// Goes on behind a frame that is whole and a commit.
    pub(crate) fn pass(&mut self, header: &FrameHeader) {
        self.offset += u64::from(header.length);
        self.last = header.last();
    }

    fn unsupported(&self, offset: u64, what: &str) -> LogError {
        let what = format!("{what} at offset {offset}");
        LogError::Unsupported { segment: self.segment.name.clone(), what }
    }

    /// Reads all records of `frame` and tells `on_record` the number and offset of each whole one.
    pub(crate) fn check(
        &mut self,
        frame: Frame,
        mut on_record: impl FnMut(u32, u64),
    ) -> Result<CheckedFrame> {
        let mut records = FrameRecords::new(frame);
        let (mut lost, mut holes) = (Vec::new(), Vec::new());
        let mut control = None;
        let mut digest = crc32fast::Hasher::new();
        while let Some(next) = records.next(&mut self.window, &self.segment)? {
            match next {
                FrameRecord::Whole { index, record } => {
                    digest.update(&record.plain_checksum.to_le_bytes());
                    match &records.frame.streams {
                        Some(streams) => {
                            let hole = Hole::decode(&record.payload, streams);
                            holes.extend(hole.map(|hole| (index, hole)));
                        }
                        None => {
                            let mut cursor = Cursor::new(&record.payload);
                            RecordHead::decode(&mut cursor);
                            control = self.control(&records.frame, cursor.left())?;
                        }
                    }
                    on_record(index, record.offset);
                }
                FrameRecord::Lost { .. } => lost.push(next),
            }
        }
        // The records must fill the frame: a length that leaves bytes over is no whole frame.
        let digest_holds = digest.finalize() == records.frame.header.digest && records.is_at_end();
        Ok(CheckedFrame { frame: records.frame, lost, holes, control, digest_holds })
    }

    /// What a control record says; `None` where that cannot stand here.
    fn control(&self, frame: &Frame, payload: &[u8]) -> Result<Option<Control>> {
        Ok(match Control::decode(payload) {
            Some(Control::Unknown(kind, true)) => {
                return Err(
                    self.unsupported(frame.offset, &format!("a control record of kind {kind}"))
                );
            }
            // Only an epoch's own record begins it.
            Some(Control::Epoch(epoch)) if epoch.number != frame.header.epoch => None,
            Some(Control::Lost(lost)) if !lost_fits(&lost, frame) => None,
            Some(Control::Kept(kept)) if !kept.fits(&frame.header) => None,
            Some(Control::Unknown(..) | Control::Kept(_)) if frame.header.epoch != self.epoch => {
                None
            }
            control => control,
        })
    }

    /// Goes on behind a frame.
    pub(crate) fn advance(&mut self, checked: &CheckedFrame) {
        self.offset = checked.frame.end();
        self.last = checked.last();
        self.epoch = self.epoch.max(checked.frame.header.epoch);
    }

    /// The next whole header from the place on where no frame begins that may follow. One that begins
    /// right there belongs further on: a note of what was lost before it is lost itself.
    pub(crate) fn find_next(&mut self) -> Result<Option<Frame>> {
        let here = read_frame(&mut self.window, &self.segment, self.offset, self.bound)?;
        if let Ok(frame) = here
            && frame.header.first > self.last
            && self.segment.header.generation > 0
        {
            return Ok(Some(frame));
        }
        find_frame(&mut self.window, &self.segment, self.offset, self.bound, self.last)
    }

    /// Goes on at `frame`, past what is lost before it.
    pub(crate) fn skip_to(&mut self, frame: &Frame) {
        self.offset = frame.offset;
        let first = frame.header.first;
        self.last = match frame.header.kind {
            FrameKind::Commit => Place::event(first.position.minus(1)),
            FrameKind::Control => Place { position: first.position, k: first.k.saturating_sub(1) },
        };
        self.epoch = self.epoch.max(frame.header.epoch);
    }
}

/// The header of the commit of one event in `frame`, which lies at `at`, and where its record begins;
/// `None` where that is not whole, or a hole.
fn whole_event(frame: &[u8], salt: u64, at: u64) -> Option<(FrameHeader, u64)> {
    let header = FrameHeader::decode(frame, salt, at).ok()?;
    if header.kind != FrameKind::Commit
        || header.count != 1
        || header.length as usize != frame.len()
    {
        return None;
    }
    let (head, record) = frame.split_at_checked(header.header_length as usize)?;
    StreamTable::only(head)?;
    let offset = at + head.len() as u64;
    let mut record = Cursor::new(record);
    let stored = record.u32()?;
    let plain = crc32fast::hash(record.left());
    let whole = plain ^ checksum::mask(salt, offset) == stored
        && record.u32()? as usize == record.left().len()
        && crc32fast::hash(&plain.to_le_bytes()) == header.digest
        && !Hole::may_be(record.left());
    let back = RecordHead::decode(&mut record)?;
    let own = back.index == 0 && back.back == head.len() as u64;
    (whole && own).then_some((header, offset))
}

/// Whether the note of a loss speaks of its own epoch, and of what lies behind it.
fn lost_fits(lost: &Lost, frame: &Frame) -> bool {
    let own = frame.header.first;
    let inside = |position: Position| own.position < position && position <= lost.up_to.position;
    lost.epoch.number == frame.header.epoch
        && lost.up_to >= own
        && lost.streams.iter().all(|stream| inside(stream.position))
}
