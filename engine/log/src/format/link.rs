//! The link of a sealed segment in the content chain: the last bytes of its file.

use super::checksum;
use super::cursor::Cursor;

/// Bytes of a link, zero until it is made. With the trailer in front of it inside one sector.
pub(crate) const LINK_BYTES: usize = 128;
const MAGIC: [u8; 8] = *b"ANLCHAIN";

/// What a sealed segment is chained by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The Merkle root over the events' leaves.
    pub(crate) root: [u8; 32],
    /// The link of the segment before.
    pub(crate) previous: [u8; 32],
    /// `hash(previous, root)`.
    pub(crate) link: [u8; 32],
}

impl Link {
    /// `offset` is where it lies.
    pub(crate) fn encode(&self, salt: u64, offset: u64) -> [u8; LINK_BYTES] {
        let mut out = Vec::with_capacity(LINK_BYTES);
        out.extend_from_slice(&MAGIC);
        for hash in [&self.root, &self.previous, &self.link] {
            out.extend_from_slice(hash);
        }
        out.resize(LINK_BYTES - 4, 0);
        let sum = checksum::sealed(&out, salt, offset);
        out.extend_from_slice(&sum.to_le_bytes());
        out.try_into().unwrap_or([0; LINK_BYTES])
    }

    pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Option<Self> {
        let (fields, sum) = bytes.split_at_checked(LINK_BYTES - 4)?;
        let mut cursor = Cursor::new(fields);
        if cursor.array()? != MAGIC
            || Cursor::new(sum).u32()? != checksum::sealed(fields, salt, offset)
        {
            return None;
        }
        let (root, previous, link) = (cursor.array()?, cursor.array()?, cursor.array()?);
        let reserved_is_zero = cursor.left().iter().all(|&byte| byte == 0);
        reserved_is_zero.then_some(Self { root, previous, link })
    }

    /// Whether these bytes, which are no link, are the beginning of one that a crash cut short, or
    /// nothing of it.
    pub(crate) fn is_unfinished(bytes: &[u8], salt: u64, offset: u64) -> bool {
        let Some((fields, stored)) = bytes.split_at_checked(LINK_BYTES - 4) else { return false };
        if fields.starts_with(&MAGIC) {
            return checksum::is_cut_short(fields, stored, salt, offset);
        }
        let named = bytes.iter().zip(MAGIC).take_while(|(there, named)| *there == named).count();
        bytes.iter().skip(named).all(|&byte| byte == 0)
    }
}
