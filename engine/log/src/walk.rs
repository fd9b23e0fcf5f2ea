//! Going through a segment frame by frame, with the rules of what may follow what. Recovery,
//! sealing and verification all look at a segment through this.

use std::sync::Arc;

use annals_types::Place;

use crate::error::{LogError, Result};
use crate::format::control::Control;
use crate::format::cursor::Cursor;
use crate::format::event::RecordHead;
use crate::format::frame::{FrameFault, FrameKind};
use crate::frames::{Frame, FrameRecord, FrameRecords, find_frame, read_frame};
use crate::segment::{FRAMES_START, Segment};
use crate::window::{Stride, Window};

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
        let mut lost = Vec::new();
        let mut control = None;
        let mut digest = crc32fast::Hasher::new();
        while let Some(next) = records.next(&mut self.window, &self.segment)? {
            match next {
                FrameRecord::Whole { index, record } => {
                    digest.update(&record.plain_checksum.to_le_bytes());
                    if records.frame.header.kind == FrameKind::Control {
                        let mut cursor = Cursor::new(&record.payload);
                        RecordHead::decode(&mut cursor);
                        control = self.control(&records.frame, cursor.left())?;
                    }
                    on_record(index, record.offset);
                }
                FrameRecord::Lost { .. } => lost.push(next),
            }
        }
        // The records must fill the frame: a length that leaves bytes over is no whole frame.
        let digest_holds = digest.finalize() == records.frame.header.digest && records.is_at_end();
        Ok(CheckedFrame { frame: records.frame, lost, control, digest_holds })
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
            Some(Control::Unknown(..)) if frame.header.epoch != self.epoch => None,
            control => control,
        })
    }

    /// Goes on behind `frame`.
    pub(crate) fn advance(&mut self, frame: &Frame) {
        self.offset = frame.end();
        self.last = frame.header.last();
        self.epoch = self.epoch.max(frame.header.epoch);
    }

    /// The next whole header behind the place where no frame begins that may follow.
    pub(crate) fn find_next(&mut self) -> Result<Option<Frame>> {
        find_frame(&mut self.window, &self.segment, self.offset + 1, self.bound, self.last)
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
