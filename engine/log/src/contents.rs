//! What the records of a segment say, read once more behind a walk that has checked them.

use crate::chain::{self, MerkleTree};
use crate::error::Result;
use crate::format::event::Event;
use crate::format::footer::Summary;
use crate::frames::{FrameRecord, FrameRecords};
use crate::offsets::OFFSETS_MAX;
use crate::reader::LogReader;
use crate::tally::Tally;
use crate::walk::{CheckedFrame, Walk};

/// Everything that a footer and a link tell of the frames, made from them.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) offsets: Vec<u32>,
    pub(crate) tally: Tally,
    pub(crate) tree: MerkleTree,
}

impl Contents {
    /// Takes in a whole frame of a segment. Gives where a record lies that contradicts itself.
    pub(crate) fn add(
        &mut self,
        reader: &LogReader,
        walk: &mut Walk,
        checked: &CheckedFrame,
    ) -> Result<Option<u64>> {
        self.tally.add(checked);
        let frame = &checked.frame;
        let header = &frame.header;
        let Some(streams) = &frame.streams else {
            checked.losses().for_each(|loss| self.tree.push(chain::lost(&loss)));
            return Ok(None);
        };
        // Lost events in front of the frame have no place in the segment: 0 in the table.
        let first = walk.segment.first_event();
        let before = header.first.position.get().saturating_sub(first.get());
        match usize::try_from(before) {
            Ok(before) if before <= OFFSETS_MAX => {
                self.offsets.resize(before.max(self.offsets.len()), 0);
            }
            _ => return Ok(Some(frame.offset)),
        }
        let history = reader.history(header.epoch);
        let mut records = FrameRecords::new(frame.clone());
        let mut losses = checked.losses().peekable();
        while let Some(record) = records.next(&mut walk.window, &walk.segment)? {
            let FrameRecord::Whole { index, record } = record else { continue };
            let back = record.offset - frame.offset;
            self.offsets.push(u32::try_from(record.offset).unwrap_or(u32::MAX));
            let position = frame.position(index);
            while losses.next_if(|loss| loss.last < position).is_some() {}
            if let Some(loss) = losses.peek().filter(|loss| loss.first <= position) {
                if loss.first == position {
                    self.tree.push(chain::lost(loss));
                }
                continue;
            }
            match Event::decode(record.payload, back, header, streams, history) {
                Some(event) => self.tree.push(chain::leaf(&event)),
                None => return Ok(Some(record.offset)),
            }
        }
        Ok(None)
    }

    /// Whether a footer tells of these frames, which end where `walk` stands.
    pub(crate) fn agrees(&self, summary: &Summary, walk: &Walk) -> bool {
        let recorded = self.tally.recorded.unwrap_or_default();
        summary.controls == self.tally.controls
            && summary.epochs == self.tally.epochs
            && summary.losses == self.tally.losses
            && (summary.recorded_first, summary.recorded_last) == recorded
            && summary.last == walk.last
            && summary.frames_end == walk.offset
    }
}
