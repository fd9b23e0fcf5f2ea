//! Telling the processor what is read soon, so that it fetches it meanwhile: first where an event
//! stands, then the event. Both lie anywhere in memory; waiting for them would be most of what reading
//! a stream costs.

use std::sync::Arc;

use annals_types::Position;

use crate::offsets::Offsets;
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::window::Stride;

/// A segment, and where the events in it stand.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) segment: Arc<Segment>,
    /// The last position that it can hold, where another segment follows it.
    pub(crate) last: Option<Position>,
    pub(crate) offsets: Offsets,
}

impl Reach {
    /// Whether the event stands in this segment, and in no other behind it.
    pub(crate) fn holds(&self, position: Position) -> bool {
        self.segment.header.first.position < position
            && self.last.is_some_and(|last| position <= last)
    }

    /// The number of the event in the segment, from 0.
    fn index(&self, position: Position) -> Option<usize> {
        let index = position.get().checked_sub(self.segment.first_event().get())?;
        usize::try_from(index).ok()
    }

    /// Where the record of the event begins, as the segment's table says.
    pub(crate) fn offset(&self, position: Position) -> Option<u64> {
        self.offsets.get(self.index(position)?)
    }
}

/// How far ahead somebody looks; each of its two steps goes through the segments by itself.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    entries: Option<Reach>,
    events: Option<Reach>,
}

impl Ahead {
    /// It is soon asked where the event stands.
    pub(crate) fn entry(&mut self, reader: &LogReader, position: Position) {
        if let Some(reach) = reach(reader, &mut self.entries, position)
            && let Some(index) = reach.index(position)
        {
            reach.offsets.prefetch(index);
        }
    }

    /// The event is soon read.
    pub(crate) fn event(&mut self, reader: &LogReader, position: Position) {
        if let Some(reach) = reach(reader, &mut self.events, position)
            && let Some(offset) = reach.offset(position)
        {
            let (start, length) = Stride::MAPPED.around(offset);
            reach.segment.file.prefetch(start, length);
        }
    }

    /// The segment of this event, if it was looked at already.
    pub(crate) fn reach(&self, position: Position) -> Option<&Reach> {
        self.events.as_ref().filter(|reach| reach.holds(position))
    }
}

/// Moves to the segment of the event, where that is mapped.
fn reach<'a>(
    reader: &LogReader,
    at: &'a mut Option<Reach>,
    position: Position,
) -> Option<&'a Reach> {
    if !at.as_ref().is_some_and(|reach| reach.holds(position)) {
        let (segment, last) = reader.segment_of(position)?;
        if !segment.file.is_mapped() {
            return None;
        }
        match at {
            Some(reach) if Arc::ptr_eq(&reach.segment, &segment) => reach.last = last,
            _ => {
                let offsets = reader.shared.tables.offsets(&segment).ok()?;
                *at = Some(Reach { segment, last, offsets });
            }
        }
    }
    at.as_ref()
}
