//! The few bytes of a segment file that tests patch; see `storage-format.md`.

/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 128;

/// Makes the header say another format and revision, with a checksum that is right.
pub fn set_format(segment: &mut [u8], format: u16, revision: u16) {
    segment[8..10].copy_from_slice(&format.to_le_bytes());
    segment[10..12].copy_from_slice(&revision.to_le_bytes());
    let sum = crc32fast::hash(&segment[..HEADER_BYTES - 4]);
    segment[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
}

/// The format and the revision that the header says.
#[must_use]
pub fn format(segment: &[u8]) -> (u16, u16) {
    let number = |at: usize| u16::from_le_bytes([segment[at], segment[at + 1]]);
    (number(8), number(10))
}
