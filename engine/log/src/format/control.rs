//! Control records: what the log carries besides events. Applying one twice changes nothing.

use annals_types::{Bytes, Epoch, NewState, Place, Position, Version};

use super::POSITION_MAX;
use super::cursor::Cursor;
use super::kept::Kept;
use crate::loss::LostStream;

const KIND_EPOCH: u16 = 1;
const KIND_LOST: u16 = 2;
const KIND_KEPT: u16 = 3;
const MUST_UNDERSTAND: u8 = 1;

/// The payload of a control record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The store was opened for writing.
    Epoch(Epoch),
    /// Damage took what stood here.
    Lost(Lost),
    /// A state that a fold came to.
    Kept(Box<Kept>),
    /// A kind that this build does not know; `true` where it must.
    Unknown(u16, bool),
}

/// Everything from the record's own place to `up_to` is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The epoch in force behind it.
    pub(crate) epoch: Epoch,
    pub(crate) up_to: Place,
    /// As in [`Loss::streams`](crate::Loss::streams).
    pub(crate) streams: Vec<LostStream>,
}

impl Control {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        match self {
            Self::Epoch(epoch) => {
                out.extend_from_slice(&KIND_EPOCH.to_le_bytes());
                out.push(MUST_UNDERSTAND);
                out.extend_from_slice(&epoch.number.to_le_bytes());
                out.extend_from_slice(&epoch.id.to_le_bytes());
            }
            Self::Lost(lost) => {
                out.extend_from_slice(&KIND_LOST.to_le_bytes());
                out.push(MUST_UNDERSTAND);
                out.extend_from_slice(&lost.epoch.number.to_le_bytes());
                out.extend_from_slice(&lost.epoch.id.to_le_bytes());
                out.extend_from_slice(&lost.up_to.position.get().to_le_bytes());
                out.extend_from_slice(&lost.up_to.k.to_le_bytes());
                put_streams(&mut out, &lost.streams);
            }
            Self::Kept(kept) => put_kept(&kept.state, &kept.superseded, &mut out),
            Self::Unknown(kind, must_understand) => {
                out.extend_from_slice(&kind.to_le_bytes());
                out.push(u8::from(*must_understand));
            }
        }
        out
    }

    /// Decodes what stands behind a record's `back` and `index`.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(payload);
        let kind = cursor.u16()?;
        let flags = cursor.u8()?;
        if kind == KIND_EPOCH {
            let epoch = Epoch { number: cursor.u32()?, id: cursor.u64()? };
            let sane = flags == MUST_UNDERSTAND && cursor.left().is_empty() && epoch.number > 0;
            return sane.then_some(Self::Epoch(epoch));
        }
        if kind == KIND_LOST {
            let epoch = Epoch { number: cursor.u32()?, id: cursor.u64()? };
            let up_to = Place { position: Position::new(cursor.u64()?), k: cursor.u32()? };
            let streams = take_streams(&mut cursor)?;
            let sane = flags == MUST_UNDERSTAND
                && cursor.left().is_empty()
                && epoch.number > 0
                && up_to.position.get() <= POSITION_MAX;
            return sane.then_some(Self::Lost(Lost { epoch, up_to, streams }));
        }
        if kind == KIND_KEPT {
            let kept = kept_in(payload, Bytes::copy_from_slice)?;
            return Some(Self::Kept(Box::new(kept)));
        }
        Some(Self::Unknown(kind, flags != 0))
    }
}

/// The kept state in a payload that is of one; see [`Kept::take`].
pub(crate) fn kept_in(payload: &[u8], data_of: impl FnOnce(&[u8]) -> Bytes) -> Option<Kept> {
    let mut cursor = Cursor::new(payload);
    let is_one = cursor.u16()? == KIND_KEPT && cursor.u8()? == 0;
    if is_one { Kept::take(cursor.left(), data_of) } else { None }
}

/// The payload of a record of a kept state.
pub(crate) fn put_kept(state: &NewState, superseded: &[Place], out: &mut Vec<u8>) {
    out.extend_from_slice(&KIND_KEPT.to_le_bytes());
    out.push(0);
    Kept::put(state, superseded, out);
}

/// Number of streams, and for each: position, version, length of the name, name.
pub(crate) fn put_streams(out: &mut Vec<u8>, streams: &[LostStream]) {
    out.extend_from_slice(&u32::try_from(streams.len()).unwrap_or(u32::MAX).to_le_bytes());
    for lost in streams {
        out.extend_from_slice(&lost.position.get().to_le_bytes());
        out.extend_from_slice(&lost.version.get().to_le_bytes());
        out.extend_from_slice(&u16::try_from(lost.stream.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(lost.stream.as_bytes());
    }
}

pub(crate) fn take_streams(cursor: &mut Cursor<'_>) -> Option<Vec<LostStream>> {
    let count = cursor.u32()?;
    // Not reserved by the count, which may claim anything.
    let mut streams: Vec<LostStream> = Vec::new();
    for _ in 0..count {
        let position = Position::new(cursor.u64()?);
        let version = Version::new(cursor.u64()?);
        let length = usize::from(cursor.u16()?);
        let stream = std::str::from_utf8(cursor.take(length)?).ok()?.to_owned();
        let in_order = streams.last().is_none_or(|before| before.position < position);
        if !in_order || version == Version::NONE || stream.is_empty() {
            return None;
        }
        streams.push(LostStream { position, version, stream });
    }
    Some(streams)
}
