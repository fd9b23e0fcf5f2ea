//! What of a damaged segment is still whole, and what is lost between.

use std::sync::Arc;

use annals_types::Place;

use crate::error::Result;
use crate::format::frame::FrameKind;
use crate::segment::Segment;
use crate::walk::{CheckedFrame, Walk};

/// Where a segment's places end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Here: its footer says so, or what follows it.
    At(Place),
    /// With its last whole frame, but not before this place, which was durable.
    Proven(Place),
}

/// A piece of a segment.
#[derive(Debug)]
pub(super) enum Piece {
    /// A frame whose header is whole; some of its records may be lost.
    Frame(CheckedFrame),
    /// Nothing whole.
    Lost(Stretch),
}

/// Bytes in which nothing is whole, and what stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// The first place that is lost, or, where nothing is known to be, a free one.
    pub(super) first: Place,
    /// The last one.
    pub(super) up_to: Place,
    /// The number of the epoch in force behind it.
    pub(super) epoch: u32,
}

/// Goes through a segment's pieces, in order.
#[derive(Debug)]
pub(super) struct Salvage {
    walk: Walk,
    end: End,
    /// The number of the epoch in force behind the end, as far as that is known.
    behind: u32,
    done: bool,
}

impl Salvage {
    pub(super) fn new(segment: Arc<Segment>, end: End, behind: u32) -> Self {
        Self { walk: Walk::new(segment), end, behind, done: false }
    }

    pub(super) fn end(&self) -> End {
        self.end
    }

    pub(super) fn epoch_behind(&self) -> u32 {
        self.behind
    }

    /// How far it has come, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.walk.offset
    }

    /// The place of the last thing so far.
    pub(super) fn last(&self) -> Place {
        self.walk.last
    }

    pub(super) fn walk(&mut self) -> &mut Walk {
        &mut self.walk
    }

    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if self.done || matches!(self.end, End::At(end) if self.walk.last >= end) {
                return Ok(None);
            }
            let walk = &mut self.walk;
            let inside = |last: Place| !matches!(self.end, End::At(end) if last > end);
            if let Some(frame) = walk.frame()?.filter(|frame| inside(frame.header.last())) {
                let checked = walk.check(frame, |_, _| {})?;
                let header = &checked.frame.header;
                if header.kind == FrameKind::Commit || checked.control.is_some() {
                    walk.advance(&checked);
                    return Ok(Some(Piece::Frame(checked)));
                }
                let stretch = Stretch {
                    offset: checked.frame.offset,
                    bytes: u64::from(header.length),
                    first: header.first,
                    up_to: header.first,
                    epoch: header.epoch,
                };
                walk.advance(&checked);
                return Ok(Some(Piece::Lost(stretch)));
            }
            if matches!(self.end, End::Proven(place) if place <= walk.last) && !walk.contradicts {
                // A torn tail, or nothing.
                self.done = true;
                return Ok(None);
            }
            if let Some(stretch) = self.pass()? {
                return Ok(Some(Piece::Lost(stretch)));
            }
        }
    }

    /// Goes on at the next whole frame, or to the end. `None` where nothing is lost on the way.
    fn pass(&mut self) -> Result<Option<Stretch>> {
        let walk = &mut self.walk;
        let (offset, first) = (walk.offset, walk.last.next());
        let inside = |last: Place| !matches!(self.end, End::At(end) if last > end);
        match walk.find_next()?.filter(|frame| inside(frame.header.last())) {
            Some(frame) => {
                let next = frame.header.first;
                walk.skip_to(&frame);
                if next == first {
                    walk.last = Place { k: first.k - 1, ..first };
                    return Ok(None);
                }
                // In front of a commit there is always a place for a control record.
                walk.last = walk.last.max(first);
            }
            None => {
                self.done = true;
                let (End::At(end) | End::Proven(end)) = self.end;
                walk.last = walk.last.max(end).max(first);
                walk.epoch = walk.epoch.max(self.behind);
                walk.offset = walk.bound.min(walk.segment.file_bytes()?).max(offset);
            }
        }
        let (bytes, up_to) = (walk.offset - offset, walk.last);
        Ok(Some(Stretch { offset, bytes, first, up_to, epoch: walk.epoch }))
    }
}
