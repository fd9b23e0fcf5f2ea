//! A frame: one commit or one control record. Its header has a checksum of its own; the records
//! behind it have one each, and the header has the digest of those.

use std::ops::Range;
use std::sync::Arc;

use annals_types::{Place, Position, Timestamp, Version};

use super::cursor::{Cursor, is_text};
use super::{POSITION_MAX, checksum};

/// Bytes of the header before the stream table.
pub(crate) const FIXED_BYTES: usize = 56;
/// Bytes in front of each record: checksum and length.
pub(crate) const RECORD_PREFIX_BYTES: usize = 8;
/// Longest frame. A commit at its limits, with what each event may take beside its own bytes.
pub(crate) const FRAME_BYTES_MAX: u32 = 128 << 20;
/// Longest header; the stream table is the part that varies.
pub(crate) const HEADER_BYTES_MAX: u32 = 64 << 10;
/// Stands at byte 4 of every frame.
pub(crate) const MARKER: [u8; 2] = *b"AN";
/// Where the marker stands.
pub(crate) const MARKER_OFFSET: usize = 4;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Commit,
    Control,
}

impl FrameKind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Control => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Commit),
            2 => Some(Self::Control),
            _ => None,
        }
    }
}

/// The part of the header in front of the stream table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    /// Bytes of the whole frame.
    pub(crate) length: u32,
    /// Bytes of the header, stream table included.
    pub(crate) header_length: u32,
    /// The place of the first event, or of the control record.
    pub(crate) first: Place,
    /// Records behind the header: the events of a commit, 1 for a control record.
    pub(crate) count: u32,
    pub(crate) epoch: u32,
    pub(crate) recorded_at: Timestamp,
    /// CRC-32 over the records' checksums, each without its mask.
    pub(crate) digest: u32,
    /// Everything up to here was durable when this frame was written.
    pub(crate) synced: Place,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// The bytes end before the header does.
    Short,
    /// No frame begins here.
    NoFrame,
    /// The header's checksum is wrong.
    Checksum,
    /// The checksum is right and a field has a value that this version does not know.
    Unknown(&'static str),
    /// The checksum is right and the fields contradict each other.
    Contradiction,
}

impl FrameHeader {
    /// The place of the last thing in the frame.
    pub(crate) fn last(&self) -> Place {
        match self.kind {
            FrameKind::Commit => {
                Place::event(self.first.position.plus(u64::from(self.count.saturating_sub(1))))
            }
            FrameKind::Control => self.first,
        }
    }

    /// Whether a frame with this first place may follow `last`.
    pub(crate) fn follows(&self, last: Place) -> bool {
        match self.kind {
            FrameKind::Commit => self.first == Place::event(last.position.plus(1)),
            FrameKind::Control => self.first == last.next(),
        }
    }

    /// Writes the header, checksum included, over the front of `frame`, whose stream table is in
    /// place, for a frame that will lie at `offset` of the segment with this salt.
    pub(crate) fn write(&self, frame: &mut [u8], salt: u64, offset: u64) -> Option<()> {
        let header = frame.get_mut(..usize::try_from(self.header_length).ok()?)?;
        let k_or_count = match self.kind {
            FrameKind::Commit => self.count,
            FrameKind::Control => self.first.k,
        };
        let fields: &mut [u8; FIXED_BYTES] = header.first_chunk_mut()?;
        fields[4..6].copy_from_slice(&MARKER);
        fields[6..8].copy_from_slice(&[self.kind.code(), 0]);
        fields[8..12].copy_from_slice(&self.length.to_le_bytes());
        fields[12..16].copy_from_slice(&self.header_length.to_le_bytes());
        fields[16..24].copy_from_slice(&self.first.position.get().to_le_bytes());
        fields[24..28].copy_from_slice(&k_or_count.to_le_bytes());
        fields[28..32].copy_from_slice(&self.epoch.to_le_bytes());
        fields[32..40].copy_from_slice(&self.recorded_at.as_micros().to_le_bytes());
        fields[40..44].copy_from_slice(&self.digest.to_le_bytes());
        fields[44..48].copy_from_slice(&self.synced.k.to_le_bytes());
        fields[48..56].copy_from_slice(&self.synced.position.get().to_le_bytes());
        let sum = checksum::sealed(header.get(4..)?, salt, offset);
        header.get_mut(..4)?.copy_from_slice(&sum.to_le_bytes());
        Some(())
    }

    /// Changes the synced place of `frame`, which is finished and will lie at `offset`.
    pub(crate) fn set_synced(
        frame: &mut [u8],
        synced: Place,
        salt: u64,
        offset: u64,
    ) -> Option<()> {
        let (header_length, _) = Self::claimed(frame).ok()?;
        let header = frame.get_mut(..header_length as usize)?;
        header.get_mut(44..48)?.copy_from_slice(&synced.k.to_le_bytes());
        header.get_mut(48..56)?.copy_from_slice(&synced.position.get().to_le_bytes());
        let sum = checksum::sealed(header.get(4..)?, salt, offset);
        header.get_mut(..4)?.copy_from_slice(&sum.to_le_bytes());
        Some(())
    }

    /// The lengths that the first [`FIXED_BYTES`] claim: of the header and of the frame. Plausible,
    /// not proven: the checksum comes once the whole header is there.
    #[inline]
    pub(crate) fn claimed(bytes: &[u8]) -> Result<(u32, u32), FrameFault> {
        let fixed = bytes.first_chunk().ok_or(FrameFault::Short)?;
        Self::claimed_in(fixed)
    }

    /// The length of the frame, where the first [`FIXED_BYTES`] claim that it is a commit of the event
    /// at `position` alone.
    #[inline(always)]
    pub(crate) fn claims_one(bytes: &[u8], position: Position) -> Option<usize> {
        let fixed: &[u8; FIXED_BYTES] = bytes.first_chunk()?;
        let length = fixed.get(8..12)?.try_into().ok().map(u32::from_le_bytes)?;
        let is_one = fixed.get(24..28) == Some(&1_u32.to_le_bytes());
        let is_it = fixed.get(16..24) == Some(&position.get().to_le_bytes());
        (is_one && is_it).then_some(length as usize)
    }

    #[inline(always)]
    fn claimed_in(fixed: &[u8; FIXED_BYTES]) -> Result<(u32, u32), FrameFault> {
        let mut cursor = Cursor::new(fixed);
        let _checksum = cursor.u32();
        if cursor.array() != Some(MARKER) {
            return Err(FrameFault::NoFrame);
        }
        let _kind_and_flags = cursor.u16();
        let (Some(length), Some(header_length)) = (cursor.u32(), cursor.u32()) else {
            return Err(FrameFault::Short);
        };
        let records = length.checked_sub(header_length).ok_or(FrameFault::NoFrame)?;
        if length > FRAME_BYTES_MAX
            || header_length > HEADER_BYTES_MAX
            || (header_length as usize) < FIXED_BYTES
            || (records as usize) < RECORD_PREFIX_BYTES
        {
            return Err(FrameFault::NoFrame);
        }
        Ok((header_length, length))
    }

    /// Decodes the header of the frame at `offset`. `bytes` begin there and hold at least the
    /// header.
    pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Result<Self, FrameFault> {
        let (header_length, length) = Self::claimed(bytes)?;
        let header = bytes.get(..header_length as usize).ok_or(FrameFault::Short)?;
        if !checksum::is_sealed(header, salt, offset) {
            return Err(FrameFault::Checksum);
        }
        Self::decode_proven(header, length)
    }

    /// Decodes a header whose checksum is right, and that was [`claimed`](Self::claimed) to be that of a
    /// frame of `length` bytes.
    #[inline(always)]
    pub(crate) fn decode_proven(header: &[u8], length: u32) -> Result<Self, FrameFault> {
        let fixed = header.first_chunk().ok_or(FrameFault::Short)?;
        let header_length = u32::try_from(header.len()).unwrap_or(u32::MAX);
        Self::decode_fields(fixed, length, header_length).unwrap_or(Err(FrameFault::Short))
    }

    #[inline(always)]
    fn decode_fields(
        fixed: &[u8; FIXED_BYTES],
        length: u32,
        header_length: u32,
    ) -> Option<Result<Self, FrameFault>> {
        let mut cursor = Cursor::new(fixed);
        let _checksum = cursor.u32()?;
        let _marker = cursor.u16()?;
        let Some(kind) = FrameKind::from_code(cursor.u8()?) else {
            return Some(Err(FrameFault::Unknown("frame kind")));
        };
        if cursor.u8()? != 0 {
            return Some(Err(FrameFault::Unknown("frame flags")));
        }
        let _lengths = cursor.u64()?;
        let position = Position::new(cursor.u64()?);
        let n = cursor.u32()?;
        let epoch = cursor.u32()?;
        let recorded_at = Timestamp::from_micros(cursor.i64()?);
        let digest = cursor.u32()?;
        let synced_k = cursor.u32()?;
        let synced = Place { position: Position::new(cursor.u64()?), k: synced_k };
        let (first, count) = match kind {
            FrameKind::Commit => (Place::event(position), n),
            FrameKind::Control => (Place { position, k: n }, 1),
        };
        let room = (length - header_length) as usize / RECORD_PREFIX_BYTES;
        let header =
            Self { kind, length, header_length, first, count, epoch, recorded_at, digest, synced };
        let sane = n > 0
            && count as usize <= room
            && position.get().saturating_add(u64::from(n)) <= POSITION_MAX
            && epoch > 0
            && (kind == FrameKind::Commit || header_length as usize == FIXED_BYTES)
            && synced < first;
        Some(if sane { Ok(header) } else { Err(FrameFault::Contradiction) })
    }
}

/// One stream of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamRef {
    pub(crate) name: Arc<str>,
    /// The version of its first event in this commit.
    pub(crate) first_version: Version,
}

/// The streams of a commit; nearly always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamTable {
    first: StreamRef,
    others: Vec<StreamRef>,
}

impl StreamTable {
    pub(crate) fn get(&self, index: usize) -> Option<&StreamRef> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.others.get(index),
        }
    }

    /// Where in a header the name of its only stream lies, and the stream's first version; `None`
    /// where there are several, or the table is not as it should be.
    #[inline(always)]
    pub(crate) fn only(header: &[u8]) -> Option<(Range<usize>, Version)> {
        let mut cursor = Cursor::new(header.get(FIXED_BYTES..)?);
        let [one, version @ .., low, high] = cursor.array::<11>()?;
        let (version, length) = (u64::from_le_bytes(version), u16::from_le_bytes([low, high]));
        let (name, length) = (cursor.left(), usize::from(length));
        let sane = one == 1 && version > 0 && length > 0 && name.len() == length && is_text(name);
        sane.then(|| (header.len() - length..header.len(), Version::new(version)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &StreamRef> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(crate) fn is_single(&self) -> bool {
        self.others.is_empty()
    }

    /// Decodes the table from `header`, a whole header whose checksum is right.
    pub(crate) fn decode(header: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(header.get(FIXED_BYTES..)?);
        let count = cursor.varint_usize()?;
        let mut next = || {
            let first_version = Version::new(cursor.u64()?);
            let length = cursor.u16()?;
            let name = Arc::from(std::str::from_utf8(cursor.take(usize::from(length))?).ok()?);
            let sane = first_version > Version::NONE && length > 0;
            sane.then_some(StreamRef { name, first_version })
        };
        let first = next()?;
        // Not reserved by the count, which may claim anything.
        let mut others = Vec::new();
        for _ in 1..count {
            others.push(next()?);
        }
        (count > 0 && cursor.left().is_empty()).then_some(Self { first, others })
    }
}
