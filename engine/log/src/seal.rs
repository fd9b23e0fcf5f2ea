//! Sealing: a full segment gets its footer and is immutable from then on.

use std::io;
use std::sync::Arc;

use annals_types::{Place, Timestamp};

use crate::chain::{self, MerkleTree};
use crate::error::{LogError, Result};
use crate::format::checksum;
use crate::format::event::Event;
use crate::format::footer::{EpochStart, Summary, TRAILER_BYTES, Trailer, add_epoch};
use crate::frames::{FrameRecord, FrameRecords};
use crate::loss::Loss;
use crate::offsets::{OFFSETS_MAX, OffsetTable};
use crate::reader::LogReader;
use crate::recovery::frame_damage;
use crate::segment::{FRAMES_START, PAGE_BYTES, Segment, write_zeros};
use crate::walk::{CheckedFrame, Walk};

/// The room behind the frames is looked at in pieces of this size.
const ROOM_PIECE_BYTES: usize = 64 << 10;

/// What the frames of a segment add up to.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) offsets: Vec<u32>,
    pub(crate) controls: u32,
    pub(crate) recorded: Option<(Timestamp, Timestamp)>,
    pub(crate) tree: MerkleTree,
    pub(crate) epochs: Vec<EpochStart>,
    pub(crate) losses: Vec<Loss>,
}

impl Contents {
    /// Takes in a whole frame of a segment: once more through its records, now for what they say.
    /// Gives where a record lies that contradicts itself.
    pub(crate) fn add(
        &mut self,
        reader: &LogReader,
        walk: &mut Walk,
        checked: &CheckedFrame,
    ) -> Result<Option<u64>> {
        let frame = &checked.frame;
        let header = &frame.header;
        let Some(streams) = &frame.streams else {
            self.controls = self.controls.saturating_add(1);
            if let Some(start) = checked.epoch() {
                add_epoch(&mut self.epochs, start);
            }
            self.add_losses(checked);
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
        let first = self.recorded.map_or(header.recorded_at, |recorded| recorded.0);
        self.recorded = Some((first, header.recorded_at));
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
                    self.losses.push(loss.clone());
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

    fn add_losses(&mut self, checked: &CheckedFrame) {
        for loss in checked.losses() {
            self.tree.push(chain::lost(&loss));
            self.losses.push(loss);
        }
    }

    /// The table as it stands in the footer.
    pub(crate) fn table_bytes(&self) -> Vec<u8> {
        self.offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect()
    }
}

/// Seals `segment`, whose successor begins at `next`, behind the segment with the summary
/// `previous`. After a crash at any point the segment is sealed or as it was.
pub(crate) fn seal(
    reader: &LogReader,
    segment: &Arc<Segment>,
    previous: Option<&Summary>,
    next: Place,
) -> Result<Segment> {
    let mut walk = Walk::new(Arc::clone(segment));
    let mut contents = Contents::default();
    while walk.last.next() < next {
        let damaged = |damage| Err(LogError::damaged(damage));
        let Some(frame) = walk.frame()? else {
            let what = "no whole frame begins here";
            return damaged(segment.damage(walk.offset, 0, None, what));
        };
        let checked = walk.check(frame, |_, _| {})?;
        if let Some(damage) = frame_damage(segment, &checked).into_iter().next() {
            return damaged(damage);
        }
        if let Some(offset) = contents.add(reader, &mut walk, &checked)? {
            let what = "the event's fields contradict each other";
            return damaged(segment.damage(offset, 0, None, what));
        }
        walk.advance(&checked);
    }
    let summary = summarize(reader, &walk, &contents, previous);
    write(segment, &contents, summary)
}

fn summarize(
    reader: &LogReader,
    walk: &Walk,
    contents: &Contents,
    previous: Option<&Summary>,
) -> Summary {
    let previous_link =
        previous.map_or_else(|| chain::genesis(reader.store()), |previous| previous.link);
    let root = contents.tree.root();
    let zero = Timestamp::default();
    let (recorded_first, recorded_last) = contents.recorded.unwrap_or((zero, zero));
    Summary {
        first: walk.segment.header.first,
        last: walk.last,
        events: u32::try_from(contents.offsets.len()).unwrap_or(u32::MAX),
        controls: contents.controls,
        frames_end: walk.offset,
        recorded_first,
        recorded_last,
        offsets_checksum: crc32fast::hash(&contents.table_bytes()),
        root,
        previous_link,
        link: chain::link(&previous_link, &root),
        epochs: contents.epochs.clone(),
        losses: contents.losses.clone(),
    }
}

/// Sees to it that the room between the frames and the footer is zeros, as in every sealed segment:
/// what another footer or a bad disk left there means nothing, all places are in the frames.
fn clear(segment: &Segment, from: u64, to: u64) -> io::Result<()> {
    let mut piece = vec![0; ROOM_PIECE_BYTES];
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).map_or(piece.len(), |left| left.min(piece.len()));
        let read = segment.file.read_at(piece.get_mut(..length).unwrap_or_default(), at)?;
        if piece.iter().take(read).any(|&byte| byte != 0) {
            write_zeros(&*segment.file, at, at + length as u64).1?;
        }
        at += length as u64;
        piece.fill(0);
    }
    Ok(())
}

fn write(segment: &Segment, contents: &Contents, summary: Summary) -> Result<Segment> {
    let fail = |error| LogError::io(format!("sealing {}", segment.name), error);
    let bytes = summary.encode();
    let trailer = Trailer {
        summary_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        summary_checksum: 0,
        offsets: summary.events,
    };
    let length = segment.file_bytes()?;
    // Flush with the end of the file: in the reserved space where it fits, else behind it.
    let end =
        (summary.frames_end + trailer.footer_bytes()).max(length).next_multiple_of(PAGE_BYTES);
    let trailer_at = end - TRAILER_BYTES as u64;
    let summary_at = trailer_at - u64::from(trailer.summary_length);
    let offsets_at = end - trailer.footer_bytes();
    let summary_checksum = checksum::sealed(&bytes, segment.header.salt, summary_at);
    let trailer = Trailer { summary_checksum, ..trailer };
    let mut footer = contents.table_bytes();
    footer.extend_from_slice(&bytes);
    // The trailer's place is written as zeros first, so that the file has its length.
    footer.resize(footer.len() + TRAILER_BYTES, 0);
    clear(segment, summary.frames_end, offsets_at).map_err(fail)?;
    segment.file.write_at(&footer, offsets_at).map_err(fail)?;
    #[cfg(annals_canary)]
    if annals_env::canary::is("a trailer is written before its footer is synced") {
        let trailer = trailer.encode(segment.header.salt, trailer_at);
        segment.file.write_at(&trailer, trailer_at).map_err(fail)?;
    }
    segment.file.sync().map_err(fail)?;
    // In one sector, after the rest: who sees it sees a whole footer.
    let trailer = trailer.encode(segment.header.salt, trailer_at);
    segment.file.write_at(&trailer, trailer_at).map_err(fail)?;
    segment.file.sync().map_err(fail)?;
    let count = summary.events;
    let checksum = summary.offsets_checksum;
    debug_assert!(summary.frames_end >= FRAMES_START, "frames lie behind the header");
    Ok(Segment {
        name: segment.name.clone(),
        file: Arc::clone(&segment.file),
        header: segment.header,
        offsets: OffsetTable::Sealed { at: offsets_at, count, checksum },
        summary: Some(Arc::new(summary)),
    })
}
