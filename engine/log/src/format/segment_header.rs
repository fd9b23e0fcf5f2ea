//! The first bytes of a segment.

use annals_types::{Epoch, Place, Position, StoreId};

use super::cursor::Cursor;
use super::{FORMAT, POSITION_MAX, REVISION};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 128;

/// Begins with a byte above 127 and holds line ends of both kinds, so that a transfer in text mode
/// shows (as in PNG).
const MAGIC: [u8; 8] = *b"\x89ANL\r\n\x1a\n";

/// Who a segment belongs to and where in the log it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store: StoreId,
    /// Random; part of every checksum in the file.
    pub(crate) salt: u64,
    /// The lowest place that can stand in it.
    pub(crate) first: Place,
    /// 0 as written by appends; rewritten segments count up.
    pub(crate) generation: u32,
    /// The newest epoch that the log had a record of when the segment began; number 0 where none.
    /// With it a segment stands alone.
    pub(crate) epoch: Epoch,
}

/// Why a file's first bytes are not the header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentHeaderFault {
    /// It ends before the header does, or begins otherwise.
    NotASegment,
    /// Another format, which this build does not read.
    Format { format: u16, revision: u16 },
    /// The checksum is wrong, or reserved bytes are not zero.
    Damaged,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&REVISION.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.store.0);
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.first.position.get().to_le_bytes());
        out.extend_from_slice(&self.first.k.to_le_bytes());
        out.extend_from_slice(&self.epoch.number.to_le_bytes());
        out.extend_from_slice(&self.epoch.id.to_le_bytes());
        out.resize(SEGMENT_HEADER_BYTES - 4, 0);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.try_into().unwrap_or([0; SEGMENT_HEADER_BYTES])
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SegmentHeaderFault> {
        Self::decode_fields(bytes).unwrap_or(Err(SegmentHeaderFault::NotASegment))
    }

    fn decode_fields(bytes: &[u8]) -> Option<Result<Self, SegmentHeaderFault>> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES)?;
        let (fields, sum) = bytes.split_at_checked(SEGMENT_HEADER_BYTES - 4)?;
        let mut cursor = Cursor::new(fields);
        if cursor.array()? != MAGIC {
            return Some(Err(SegmentHeaderFault::NotASegment));
        }
        let (format, revision) = (cursor.u16()?, cursor.u16()?);
        let intact = Cursor::new(sum).u32()? == crc32fast::hash(fields);
        if (format, revision) != (FORMAT, REVISION) {
            // Only a header that is whole may claim to be of another format.
            return Some(Err(if intact {
                SegmentHeaderFault::Format { format, revision }
            } else {
                SegmentHeaderFault::Damaged
            }));
        }
        let generation = cursor.u32()?;
        let store = StoreId(cursor.array()?);
        let salt = cursor.u64()?;
        let position = Position::new(cursor.u64()?);
        let first = Place { position, k: cursor.u32()? };
        let epoch = Epoch { number: cursor.u32()?, id: cursor.u64()? };
        let reserved_is_zero = cursor.left().iter().all(|&byte| byte == 0);
        let sane = reserved_is_zero && first.k > 0 && position.get() <= POSITION_MAX;
        Some(if intact && sane {
            Ok(Self { store, salt, first, generation, epoch })
        } else {
            Err(SegmentHeaderFault::Damaged)
        })
    }
}
