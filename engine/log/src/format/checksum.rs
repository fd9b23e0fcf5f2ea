//! CRC-32 (IEEE 802.3, as in zlib; `"123456789"` gives `0xcbf43926`), bound to a place in a file.

use std::sync::LazyLock;

/// Nothing summed yet. Made once: that asks the processor what it can do.
static NOTHING: LazyLock<crc32fast::Hasher> = LazyLock::new(crc32fast::Hasher::new);

/// What sums bytes that come piece by piece.
#[inline]
pub(crate) fn hasher() -> crc32fast::Hasher {
    NOTHING.clone()
}

/// The plain checksum of `bytes`.
#[inline]
pub(crate) fn of(bytes: &[u8]) -> u32 {
    let mut hasher = hasher();
    hasher.update(bytes);
    hasher.finalize()
}

/// The checksum of `bytes` lying at `offset` of the segment with this salt. A block that a disk
/// gives back from another file, another offset or an older life of the file does not pass.
#[inline(always)]
pub(crate) fn sealed(bytes: &[u8], salt: u64, offset: u64) -> u32 {
    of(bytes) ^ mask(salt, offset)
}

/// Whether `bytes`, lying at `offset`, begin with the checksum of the others, sealed for where those
/// belong.
#[inline(never)]
pub(crate) fn is_sealed(bytes: &[u8], salt: u64, offset: u64) -> bool {
    let Some((&stored, summed)) = bytes.split_first_chunk() else { return false };
    sealed(summed, salt, offset) == u32::from_le_bytes(stored)
}

/// What binds a plain checksum to its place: the finalizer of `SplitMix64` (Steele et al. 2014)
/// over salt and offset. Apart from the bytes, so that they can be summed before it is known where
/// they will lie.
#[expect(clippy::cast_possible_truncation, reason = "the two halves are folded into 32 bits")]
#[inline]
pub(crate) const fn mask(salt: u64, offset: u64) -> u32 {
    let mut z = salt.wrapping_add(offset.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((z >> 32) ^ (z & 0xffff_ffff)) as u32
}

/// Whether a crash may have cut short the write of `fields` and their checksum: of that, which comes
/// last, only a beginning is there, behind it zeros.
pub(crate) fn is_cut_short(fields: &[u8], stored: &[u8], salt: u64, offset: u64) -> bool {
    let sum = sealed(fields, salt, offset).to_le_bytes();
    if *stored == sum {
        // One that ends in zeros is all there without them.
        return false;
    }
    (0..sum.len()).any(|cut| {
        let (there, missing) = (stored.get(..cut), stored.get(cut..));
        there == sum.get(..cut) && missing.is_some_and(|bytes| bytes.iter().all(|&b| b == 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_is_the_one_that_the_document_names() {
        assert_eq!(of(b"123456789"), 0xcbf4_3926);
    }
}
