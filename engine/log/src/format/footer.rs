//! The end of a sealed segment: `offsets`, `summary`, `trailer`, and the room of the
//! [link](super::link), flush with the end of the file.

use annals_types::{Epoch, Place, Position, Timestamp};

use super::control::{put_streams, take_streams};
use super::cursor::Cursor;
use super::link::LINK_BYTES;
use super::{POSITION_MAX, checksum};
use crate::loss::Loss;

/// Bytes of the trailer.
pub(crate) const TRAILER_BYTES: usize = 32;
/// The trailer begins so far from the end of the file.
pub(crate) const TRAILER_FROM_END: usize = TRAILER_BYTES + LINK_BYTES;
/// Bytes of one entry of the offset table.
pub(crate) const OFFSET_BYTES: u64 = 4;
const MAGIC: [u8; 8] = *b"ANLSEALD";
const SUMMARY_FIXED_BYTES: usize = 80;
const EPOCH_BYTES: usize = 24;

/// Nothing of the segment's range of places is missing from it.
const COMPLETE: u32 = 1;
/// Some of it is: the losses follow the epochs.
const WITH_LOSSES: u32 = 0;

/// An epoch and where its record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochStart {
    pub(crate) epoch: Epoch,
    pub(crate) place: Place,
}

/// Adds an epoch to those before it. Its record stands in the log twice, and segments name it too:
/// only the first counts.
pub(crate) fn add_epoch(epochs: &mut Vec<EpochStart>, start: EpochStart) {
    if epochs.last().is_none_or(|last| last.epoch.number < start.epoch.number) {
        epochs.push(start);
    }
}

/// What a sealed segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) first: Place,
    pub(crate) last: Place,
    /// Entries of the offset table: up to the last event that stands in the segment.
    pub(crate) events: u32,
    pub(crate) controls: u32,
    /// Where the last frame ends.
    pub(crate) frames_end: u64,
    /// Stamps of the first and the last event; both 0 without events.
    pub(crate) recorded_first: Timestamp,
    pub(crate) recorded_last: Timestamp,
    /// CRC-32 of the offset table.
    pub(crate) offsets_checksum: u32,
    /// The epochs that begin in the segment.
    pub(crate) epochs: Vec<EpochStart>,
    /// What is lost of its range of places, in the order of positions.
    pub(crate) losses: Vec<Loss>,
}

impl Summary {
    /// Bytes of the whole footer.
    pub(crate) fn footer_bytes(&self) -> u64 {
        let summary = self.encode().len() as u64;
        u64::from(self.events) * OFFSET_BYTES + summary + TRAILER_FROM_END as u64
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SUMMARY_FIXED_BYTES + self.epochs.len() * EPOCH_BYTES);
        for place in [self.first, self.last] {
            out.extend_from_slice(&place.position.get().to_le_bytes());
            out.extend_from_slice(&place.k.to_le_bytes());
        }
        out.extend_from_slice(&self.events.to_le_bytes());
        out.extend_from_slice(&self.controls.to_le_bytes());
        out.extend_from_slice(&self.frames_end.to_le_bytes());
        out.extend_from_slice(&self.recorded_first.as_micros().to_le_bytes());
        out.extend_from_slice(&self.recorded_last.as_micros().to_le_bytes());
        out.extend_from_slice(&self.offsets_checksum.to_le_bytes());
        let flags = if self.losses.is_empty() { COMPLETE } else { WITH_LOSSES };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&0_u64.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.losses.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.epochs.len()).unwrap_or(u32::MAX).to_le_bytes());
        for start in &self.epochs {
            out.extend_from_slice(&start.epoch.number.to_le_bytes());
            out.extend_from_slice(&start.epoch.id.to_le_bytes());
            out.extend_from_slice(&start.place.position.get().to_le_bytes());
            out.extend_from_slice(&start.place.k.to_le_bytes());
        }
        for loss in &self.losses {
            out.extend_from_slice(&loss.first.get().to_le_bytes());
            out.extend_from_slice(&loss.last.get().to_le_bytes());
            put_streams(&mut out, &loss.streams);
        }
        out
    }

    /// Decodes a summary whose checksum is right.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let first = place(&mut cursor)?;
        let last = place(&mut cursor)?;
        let events = cursor.u32()?;
        let controls = cursor.u32()?;
        let frames_end = cursor.u64()?;
        let recorded_first = Timestamp::from_micros(cursor.i64()?);
        let recorded_last = Timestamp::from_micros(cursor.i64()?);
        let offsets_checksum = cursor.u32()?;
        let flags = cursor.u32()?;
        let reserved_is_zero = cursor.u64()? == 0;
        let losses = cursor.u32()?;
        let epochs = take_epochs(&mut cursor)?;
        let losses = take_losses(&mut cursor, losses)?;
        let complete = match flags {
            COMPLETE => losses.is_empty(),
            WITH_LOSSES => !losses.is_empty(),
            _ => false,
        };
        if !complete || !reserved_is_zero || !cursor.left().is_empty() {
            return None;
        }
        let span = last.position.get().checked_sub(first.position.get())?;
        let inside =
            losses.iter().all(|loss| first.position < loss.first && loss.last <= last.position);
        let sane = first <= last
            && last.position.get() <= POSITION_MAX
            && (span == u64::from(events) || (span > u64::from(events) && !losses.is_empty()))
            && inside
            && recorded_first <= recorded_last;
        sane.then_some(Self {
            first,
            last,
            events,
            controls,
            frames_end,
            recorded_first,
            recorded_last,
            offsets_checksum,
            epochs,
            losses,
        })
    }
}

fn take_epochs(cursor: &mut Cursor<'_>) -> Option<Vec<EpochStart>> {
    let bytes = (cursor.u32()? as usize).checked_mul(EPOCH_BYTES)?;
    let mut epochs = Vec::new();
    for start in cursor.take(bytes)?.chunks_exact(EPOCH_BYTES) {
        let mut cursor = Cursor::new(start);
        let epoch = Epoch { number: cursor.u32()?, id: cursor.u64()? };
        epochs.push(EpochStart { epoch, place: place(&mut cursor)? });
    }
    Some(epochs)
}

fn take_losses(cursor: &mut Cursor<'_>, count: u32) -> Option<Vec<Loss>> {
    // Not reserved by the count, which may claim anything.
    let mut losses: Vec<Loss> = Vec::new();
    for _ in 0..count {
        let (first, last) = (Position::new(cursor.u64()?), Position::new(cursor.u64()?));
        let streams = take_streams(cursor)?;
        let in_order = losses.last().is_none_or(|before| before.last < first) && first <= last;
        if !in_order {
            return None;
        }
        losses.push(Loss { first, last, streams });
    }
    Some(losses)
}

fn place(cursor: &mut Cursor<'_>) -> Option<Place> {
    let position = Position::new(cursor.u64()?);
    Some(Place { position, k: cursor.u32()? })
}

/// Written in one sector, once everything before it is durable: a segment with a trailer has all of
/// its footer but for the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) summary_length: u32,
    pub(crate) summary_checksum: u32,
    /// Entries of the offset table in front of the summary.
    pub(crate) offsets: u32,
}

impl Trailer {
    /// `offset` is where the trailer lies.
    pub(crate) fn encode(&self, salt: u64, offset: u64) -> [u8; TRAILER_BYTES] {
        let mut out = Vec::with_capacity(TRAILER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.summary_length.to_le_bytes());
        out.extend_from_slice(&self.summary_checksum.to_le_bytes());
        out.extend_from_slice(&self.offsets.to_le_bytes());
        out.resize(TRAILER_BYTES - 4, 0);
        let sum = checksum::sealed(&out, salt, offset);
        out.extend_from_slice(&sum.to_le_bytes());
        out.try_into().unwrap_or([0; TRAILER_BYTES])
    }

    pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Option<Self> {
        let (fields, sum) = bytes.split_at_checked(TRAILER_BYTES - 4)?;
        let mut cursor = Cursor::new(fields);
        if cursor.array()? != MAGIC
            || Cursor::new(sum).u32()? != checksum::sealed(fields, salt, offset)
        {
            return None;
        }
        let summary_length = cursor.u32()?;
        let summary_checksum = cursor.u32()?;
        let offsets = cursor.u32()?;
        let reserved_is_zero = cursor.left().iter().all(|&byte| byte == 0);
        reserved_is_zero.then_some(Self { summary_length, summary_checksum, offsets })
    }

    /// Whether these bytes, which are no trailer, were one: they call themselves so and are not the
    /// beginning of one that a crash cut short, or only the name is wrong.
    pub(crate) fn is_damaged(bytes: &[u8], salt: u64, offset: u64) -> bool {
        if bytes.starts_with(&MAGIC) {
            return !Self::is_unfinished(bytes, salt, offset);
        }
        let mut named = MAGIC.to_vec();
        named.extend_from_slice(bytes.get(MAGIC.len()..).unwrap_or_default());
        Self::decode(&named, salt, offset).is_some()
    }

    /// Whether these bytes, which are no trailer, are the beginning of one that a crash cut short:
    /// its checksum, written last, is not all there.
    fn is_unfinished(bytes: &[u8], salt: u64, offset: u64) -> bool {
        let Some((fields, stored)) = bytes.split_at_checked(TRAILER_BYTES - 4) else {
            return false;
        };
        checksum::is_cut_short(fields, stored, salt, offset)
    }

    /// Bytes of the whole footer.
    pub(crate) fn footer_bytes(&self) -> u64 {
        u64::from(self.offsets) * OFFSET_BYTES
            + u64::from(self.summary_length)
            + TRAILER_FROM_END as u64
    }
}
