//! Sealing: a full segment gets its footer, and no frame comes into it any more.

use std::io;
use std::sync::Arc;

use annals_types::{Place, Timestamp};

use crate::error::{LogError, Result};
use crate::format::checksum;
use crate::format::footer::{Summary, TRAILER_FROM_END, Trailer};
use crate::offsets::{LiveOffsets, OFFSETS_MAX, OffsetTable};
use crate::segment::{self, FRAMES_START, PAGE_BYTES, Segment, write_zeros};
use crate::tally::Tally;

/// The room behind the frames is looked at in pieces of this size.
const ROOM_PIECE_BYTES: usize = 64 << 10;

/// A segment that has a successor, all of it durable, and what is known of its frames.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offsets: Arc<LiveOffsets>,
    pub(crate) tally: Tally,
    /// The place of the last thing in it.
    pub(crate) last: Place,
    /// Where its frames end.
    pub(crate) frames_end: u64,
}

impl Full {
    /// Seals it. After a crash at any point the segment is sealed or as it was.
    pub(crate) fn seal(&self) -> Result<Segment> {
        // What is mapped for appends would be in the way of the syncs.
        self.segment.file.end_appends();
        self.write().map_err(|error| LogError::io(format!("sealing {}", self.segment.name), error))
    }

    fn write(&self) -> io::Result<Segment> {
        let Self { segment, offsets, tally, last, frames_end } = self;
        let (last, frames_end) = (*last, *frames_end);
        debug_assert!(frames_end >= FRAMES_START, "frames lie behind the header");
        let events = last.position.get().saturating_sub(segment.header.first.position.get());
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        if events > OFFSETS_MAX && tally.losses.is_empty() {
            return Err(io::Error::other("more events than a table has entries for"));
        }
        let table = offsets.to_bytes(events.min(OFFSETS_MAX));
        let zero = Timestamp::default();
        let (recorded_first, recorded_last) = tally.recorded.unwrap_or((zero, zero));
        let summary = Summary {
            first: segment.header.first,
            last,
            events: u32::try_from(table.len() / size_of::<u32>()).unwrap_or(u32::MAX),
            controls: tally.controls,
            frames_end,
            recorded_first,
            recorded_last,
            offsets_checksum: crc32fast::hash(&table),
            epochs: tally.epochs.clone(),
            losses: tally.losses.clone(),
        };
        let bytes = summary.encode();
        let trailer = Trailer {
            summary_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            summary_checksum: 0,
            offsets: summary.events,
        };
        // Flush with the end of the file: in the reserved space where it fits, else behind it.
        let length = segment::length(&*segment.file)?;
        let end = (frames_end + trailer.footer_bytes()).max(length).next_multiple_of(PAGE_BYTES);
        let trailer_at = end - TRAILER_FROM_END as u64;
        let summary_at = trailer_at - u64::from(trailer.summary_length);
        let offsets_at = end - trailer.footer_bytes();
        let summary_checksum = checksum::sealed(&bytes, segment.header.salt, summary_at);
        let trailer = Trailer { summary_checksum, ..trailer };
        let mut footer = table;
        footer.extend_from_slice(&bytes);
        // What comes later is written as zeros first, so that the file has its length.
        footer.resize(footer.len() + TRAILER_FROM_END, 0);
        clear(segment, frames_end, offsets_at)?;
        segment.file.write_at(&footer, offsets_at)?;
        let trailer = trailer.encode(segment.header.salt, trailer_at);
        #[cfg(annals_canary)]
        if annals_env::canary::is("a trailer is written before its footer is synced") {
            segment.file.write_at(&trailer, trailer_at)?;
        }
        segment.file.sync()?;
        // In one sector, after the rest: who sees it sees a whole footer.
        segment.file.write_at(&trailer, trailer_at)?;
        segment.file.sync()?;
        let (count, checksum) = (summary.events, summary.offsets_checksum);
        Ok(Segment {
            name: segment.name.clone(),
            file: Arc::clone(&segment.file),
            header: segment.header,
            offsets: OffsetTable::Sealed { at: offsets_at, count, checksum },
            summary: Some(Arc::new(summary)),
        })
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
