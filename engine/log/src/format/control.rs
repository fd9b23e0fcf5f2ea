//! Control records: what the log carries besides events. Applying one twice changes nothing.

use annals_types::Epoch;

use super::cursor::Cursor;

const KIND_EPOCH: u16 = 1;
const MUST_UNDERSTAND: u8 = 1;

/// The payload of a control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The store was opened for writing.
    Epoch(Epoch),
    /// A kind that this build does not know; `true` where it must.
    Unknown(u16, bool),
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
        Some(Self::Unknown(kind, flags != 0))
    }
}
