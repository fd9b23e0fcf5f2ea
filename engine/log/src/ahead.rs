//! Telling the processor what is read soon, so that it fetches it meanwhile: first where an event
//! stands, then the event. Both lie anywhere in memory; waiting for them would be most of what reading
//! a stream costs.

use std::sync::Arc;

use annals_types::Position;

use crate::error::Result;
use crate::offsets::Offsets;
use crate::reader::LogReader;
use crate::segment::Segment;
use crate::window::Stride;

/// A segment, and where the events in it stand.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) segment: Arc<Segment>,
    /// It has every event up to here that comes behind its first.
    last: Position,
    offsets: Offsets,
}

impl Reach {
    /// Of the segment that holds `position`, which is visible; `None` where none does. `before` is
    /// one that was looked at already.
    pub(crate) fn of(
        reader: &LogReader,
        position: Position,
        before: Option<&Self>,
    ) -> Result<Option<Self>> {
        // Before the segments: an event of one that is not among them is not visible yet.
        let visible = reader.visible();
        let Some((segment, last)) = reader.segment_of(position) else { return Ok(None) };
        let last = last.unwrap_or(visible).max(position);
        Ok(Some(match before {
            Some(before) if Arc::ptr_eq(&before.segment, &segment) => {
                Self { segment, last, offsets: before.offsets.clone() }
            }
            _ => Self { offsets: reader.shared.tables.offsets(&segment)?, segment, last },
        }))
    }

    /// Whether the event stands in this segment, and in no other behind it.
    #[inline]
    pub(crate) fn holds(&self, position: Position) -> bool {
        self.segment.header.first.position < position && position <= self.last
    }

    /// The number of the event in the segment, from 0.
    #[inline]
    fn index(&self, position: Position) -> Option<usize> {
        let index = position.get().checked_sub(self.segment.first_event().get())?;
        usize::try_from(index).ok()
    }

    /// Where the record of the event begins, as the segment's table says.
    #[inline]
    pub(crate) fn offset(&self, position: Position) -> Option<u64> {
        self.offsets.get(self.index(position)?)
    }
}

/// How far ahead somebody looks; each of its two steps goes through the segments by itself.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    entries: Option<Reach>,
    events: Option<Reach>,
    /// The last event that was asked for.
    last: Position,
}

impl Ahead {
    /// It is soon asked where the event stands.
    #[inline]
    pub(crate) fn entry(&mut self, reader: &LogReader, position: Position) {
        if !holds(self.entries.as_ref(), position) {
            self.entries = mapped(reader, position, self.entries.as_ref());
        }
        if let Some(reach) = &self.entries
            && let Some(index) = reach.index(position)
        {
            reach.offsets.prefetch(index);
        }
    }

    /// The event is soon read.
    #[inline]
    pub(crate) fn event(&mut self, reader: &LogReader, position: Position) {
        let is_neighbour = self.last.get().abs_diff(position.get()) == 1;
        self.last = position;
        // Neighbours are read in a row, which the processor sees by itself.
        if is_neighbour {
            return;
        }
        if !holds(self.events.as_ref(), position) {
            self.events = match &self.entries {
                Some(reach) if reach.holds(position) => Some(reach.clone()),
                _ => mapped(reader, position, self.events.as_ref()),
            };
        }
        if let Some(reach) = &self.events
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

fn holds(reach: Option<&Reach>, position: Position) -> bool {
    reach.is_some_and(|reach| reach.holds(position))
}

/// The segment of the event, where that is mapped.
fn mapped(reader: &LogReader, position: Position, before: Option<&Reach>) -> Option<Reach> {
    let reach = Reach::of(reader, position, before).ok()??;
    reach.segment.file.is_mapped().then_some(reach)
}
