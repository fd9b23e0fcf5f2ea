//! The first bytes of an image.

use annals_types::{Epoch, Place, Position, StoreId};

use super::IMAGE_VERSION;
use crate::Covers;

const MAGIC: [u8; 8] = *b"ANNALSIX";
/// How many bytes it has.
pub(super) const HEADER_BYTES: usize = 88;

/// What an image says of itself.
pub(super) struct Header {
    pub(super) covers: Covers,
    pub(super) streams: u64,
    pub(super) ids: u64,
    pub(super) terms: u64,
    pub(super) kept: u64,
}

/// Why these bytes are no header.
pub(super) enum Refused {
    Damaged(&'static str),
    UnknownVersion(u16),
}

impl Header {
    /// Its bytes; the last four are the checksum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Covers { store, epoch, place } = self.covers;
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend(MAGIC);
        out.extend(IMAGE_VERSION.to_le_bytes());
        out.extend([0; 2]);
        out.extend(store.0);
        out.extend(epoch.number.to_le_bytes());
        out.extend(epoch.id.to_le_bytes());
        out.extend(place.position.get().to_le_bytes());
        out.extend(place.k.to_le_bytes());
        out.extend(self.streams.to_le_bytes());
        out.extend(self.ids.to_le_bytes());
        out.extend(self.terms.to_le_bytes());
        out.extend(self.kept.to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// The header that these bytes are.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Refused> {
        let short = Refused::Damaged("the header is too short");
        let Some((summed, sum)) = bytes.split_last_chunk::<4>() else {
            return Err(short);
        };
        let mut fields = Fields(summed);
        if fields.take() != Some(MAGIC) {
            return Err(Refused::Damaged("it does not begin like an image"));
        }
        if crc32fast::hash(summed) != u32::from_le_bytes(*sum) {
            return Err(Refused::Damaged("the header's checksum does not match"));
        }
        let Some(version) = fields.take().map(u16::from_le_bytes) else {
            return Err(short);
        };
        if version != IMAGE_VERSION {
            return Err(Refused::UnknownVersion(version));
        }
        fields.rest().ok_or(short)?
    }
}

/// The checksum at the end of a header.
pub(super) fn sum_of(header: &[u8]) -> [u8; 4] {
    header.last_chunk().copied().unwrap_or_default()
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    /// What stands behind the version.
    fn rest(mut self) -> Option<Result<Header, Refused>> {
        if self.take()? != [0; 2] {
            return Some(Err(Refused::Damaged("a reserved field is not 0")));
        }
        let store = StoreId(self.take()?);
        let number = u32::from_le_bytes(self.take()?);
        let epoch = Epoch { number, id: u64::from_le_bytes(self.take()?) };
        let position = Position::new(u64::from_le_bytes(self.take()?));
        let place = Place { position, k: u32::from_le_bytes(self.take()?) };
        let streams = u64::from_le_bytes(self.take()?);
        let ids = u64::from_le_bytes(self.take()?);
        let terms = u64::from_le_bytes(self.take()?);
        let kept = u64::from_le_bytes(self.take()?);
        Some(Ok(Header { covers: Covers { store, epoch, place }, streams, ids, terms, kept }))
    }
}
