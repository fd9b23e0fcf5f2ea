//! Bytes that share one allocation with those read in the same piece.

use std::ops::{Deref, Range};
use std::sync::Arc;

use annals_types::Bytes;

/// A part of a piece, which stays as it is while somebody has it.
///
/// What [`Bytes`] would do, without their allocation and their virtual calls for each part.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    piece: Arc<Vec<u8>>,
    start: u32,
    end: u32,
}

impl Slice {
    /// The part of the piece in `range`; an empty one where that reaches beyond the piece, which is
    /// far below 4 GiB.
    #[expect(clippy::cast_possible_truncation, reason = "both are within the piece")]
    #[inline(always)]
    pub(crate) fn of(piece: &Arc<Vec<u8>>, range: Range<usize>) -> Self {
        let is_within = range.end <= piece.len() && range.end <= u32::MAX as usize;
        let range = if is_within { range } else { 0..0 };
        Self { piece: Arc::clone(piece), start: range.start as u32, end: range.end as u32 }
    }

    /// Bytes that it keeps in memory.
    #[cfg(test)]
    pub(crate) fn piece_bytes(&self) -> usize {
        self.piece.capacity()
    }

    /// These of its bytes, without a copy.
    pub(crate) fn share(&self, part: &[u8]) -> Bytes {
        Bytes::from_owner(self.clone()).slice_ref(part)
    }
}

impl Deref for Slice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.piece.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self::of(&Arc::new(bytes), range)
    }
}
