//! Telling the processor what is read soon, so that it fetches it meanwhile: first where an event
//! stands, then the event. Both lie anywhere in memory; waiting for them would be most of what reading
//! a stream costs.

use std::sync::Arc;

use annals_env::sync::atomic::AtomicU32;
use annals_env::sync::atomic::Ordering::Relaxed;
use annals_types::Position;

use crate::error::Result;
use crate::format::footer::OFFSET_BYTES;
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

    /// Where the record of the event begins, as the segment's table says: a hint, unless it was proven.
    #[inline]
    pub(crate) fn offset(&self, position: Position) -> Option<u64> {
        self.offsets.get(&self.segment, self.index(position)?)
    }

    /// From now on nothing wrong in the segment's table leads astray.
    pub(crate) fn prove(&mut self, reader: &LogReader) -> Result<()> {
        self.offsets = reader.shared.tables.proven(&self.segment)?;
        Ok(())
    }
}

/// Whether what is read lies on disk only, as samples say: who is about to read several events then has
/// the system fetch them side by side. To ask for each would cost more than reading it from memory.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    taken: AtomicU32,
    /// For so many more, what is read is thought to be on disk.
    cold: AtomicU32,
}

impl Samples {
    /// While all is in memory, one in so many rows of events is looked at.
    const EVERY: u32 = 16;
    /// After so many in memory, all is thought to be.
    const PATIENCE: u32 = 8;

    /// Whether to have the system fetch a row of events; `is_in_memory` tells of the first of them.
    fn is_cold(&self, is_in_memory: impl FnOnce() -> bool) -> bool {
        // Two at once may count as one: that costs nothing but a sample.
        let (taken, cold) = (self.taken.load(Relaxed), self.cold.load(Relaxed));
        self.taken.store(taken.wrapping_add(1), Relaxed);
        if cold == 0 && !taken.is_multiple_of(Self::EVERY) {
            return false;
        }
        let left = if is_in_memory() { cold.saturating_sub(1) } else { Self::PATIENCE };
        self.cold.store(left, Relaxed);
        left > 0
    }
}

/// How far ahead somebody looks; each of its two steps goes through the segments by itself.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// The system is to fetch what is looked at.
    is_cold: bool,
    entries: Option<Reach>,
    events: Option<Reach>,
    /// The last event that was asked for.
    last: Position,
}

impl Ahead {
    /// A row of events is read that begins with this one.
    pub(crate) fn begin(&mut self, reader: &LogReader, position: Position) {
        self.entry(reader, position);
        let Some(reach) = &self.entries else { return };
        self.is_cold = reader.shared.samples.is_cold(|| {
            let file = &reach.segment.file;
            let entry =
                reach.index(position).and_then(|at| reach.offsets.in_file(&reach.segment, at));
            entry.is_none_or(|at| file.is_in_memory(at))
                && reach.offset(position).is_none_or(|at| file.is_in_memory(at))
        });
    }

    /// It is soon asked where the event stands.
    #[inline]
    pub(crate) fn entry(&mut self, reader: &LogReader, position: Position) {
        if !holds(self.entries.as_ref(), position) {
            self.entries = mapped(reader, position, self.entries.as_ref());
        }
        if let Some(reach) = &self.entries
            && let Some(index) = reach.index(position)
        {
            reach.offsets.prefetch(&reach.segment, index);
            if self.is_cold
                && let Some(at) = reach.offsets.in_file(&reach.segment, index)
            {
                reach.segment.file.read_ahead(at, OFFSET_BYTES);
            }
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
            if self.is_cold {
                reach.segment.file.read_ahead(start, length as u64);
            } else {
                reach.segment.file.prefetch(start, length);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_are_taken_while_all_is_in_memory_and_each_row_is_looked_at_while_it_is_not() {
        let samples = Samples::default();
        let row = |in_memory: bool| {
            let mut is_looked_at = false;
            let is_cold = samples.is_cold(|| {
                is_looked_at = true;
                in_memory
            });
            (is_cold, is_looked_at)
        };
        let rows = |in_memory| (0..160).map(move |_| row(in_memory));
        assert_eq!(rows(true).filter(|&row| row == (false, true)).count(), 10);
        // Found out at the latest at the next sample.
        assert!(rows(false).skip(16).all(|row| row == (true, true)));
        let warm: Vec<_> = rows(true).collect();
        assert_eq!(warm.iter().filter(|(is_cold, _)| *is_cold).count(), 7);
        assert!(warm.iter().skip(8).all(|(is_cold, _)| !is_cold));
    }
}
