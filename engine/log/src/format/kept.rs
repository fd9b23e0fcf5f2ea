//! A state that a fold came to, as a control record carries it.

use annals_types::{
    Bytes, Checkpoint, Epoch, KeptState, NewState, Place, Position, StateKey, StateRole, Timestamp,
    Version, limits,
};

use super::cursor::Cursor;
use super::event::{content_code, content_of};
use super::frame::FrameHeader;

const ROLE_SNAPSHOT: u8 = 1;
const ROLE_PROJECTION: u8 = 2;

/// The body of the control record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) state: NewState,
    /// What it takes the place of, in the order of the log.
    pub(crate) superseded: Vec<Place>,
}

impl Kept {
    /// Appends the body; the data last, so that a reader of the rest need not copy it.
    pub(crate) fn put(state: &NewState, superseded: &[Place], out: &mut Vec<u8>) {
        let NewState { key, schema, version, checkpoint, content, data } = state;
        out.push(match key.role {
            StateRole::Projection => ROLE_PROJECTION,
            _ => ROLE_SNAPSHOT,
        });
        out.push(content_code(*content));
        out.extend_from_slice(&schema.to_le_bytes());
        out.extend_from_slice(&version.get().to_le_bytes());
        out.extend_from_slice(&checkpoint.epoch.number.to_le_bytes());
        out.extend_from_slice(&checkpoint.epoch.id.to_le_bytes());
        out.extend_from_slice(&checkpoint.position.get().to_le_bytes());
        for name in [&key.name, &key.fold] {
            out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(name.as_bytes());
        }
        let count = u16::try_from(superseded.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        for place in superseded {
            out.extend_from_slice(&place.position.get().to_le_bytes());
            out.extend_from_slice(&place.k.to_le_bytes());
        }
        out.extend_from_slice(data);
    }

    /// `data_of` makes the data from the piece of the body that it is.
    pub(crate) fn take(body: &[u8], data_of: impl FnOnce(&[u8]) -> Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let role = match cursor.u8()? {
            ROLE_SNAPSHOT => StateRole::Snapshot,
            ROLE_PROJECTION => StateRole::Projection,
            _ => return None,
        };
        let content = content_of(cursor.u8()?)?;
        let schema = cursor.u32()?;
        let version = Version::new(cursor.u64()?);
        let epoch = Epoch { number: cursor.u32()?, id: cursor.u64()? };
        let checkpoint = Checkpoint { epoch, position: Position::new(cursor.u64()?) };
        let (name, fold) = (take_text(&mut cursor)?, take_text(&mut cursor)?);
        let mut superseded: Vec<Place> = Vec::new();
        for _ in 0..cursor.u16()? {
            let place = Place { position: Position::new(cursor.u64()?), k: cursor.u32()? };
            if place.k == 0 || superseded.last().is_some_and(|before| *before >= place) {
                return None;
            }
            superseded.push(place);
        }
        let data = data_of(cursor.left());
        let key = StateKey { role, name, fold };
        let state = NewState { key, schema, version, checkpoint, content, data };
        limits::check_state(&state, &superseded).ok()?;
        Some(Self { state, superseded })
    }

    /// Whether it can stand in this frame: everything that it speaks of lies before it.
    pub(crate) fn fits(&self, header: &FrameHeader) -> bool {
        let own = header.first;
        let Checkpoint { epoch, position } = self.state.checkpoint;
        position <= own.position
            && epoch.number <= header.epoch
            && self.superseded.last().is_none_or(|last| *last < own)
    }

    /// As it stands in this frame.
    pub(crate) fn into_state(self, place: Place, recorded_at: Timestamp) -> KeptState {
        KeptState { state: self.state, place, recorded_at }
    }
}

fn take_text(cursor: &mut Cursor<'_>) -> Option<String> {
    let length = usize::from(cursor.u16()?);
    std::str::from_utf8(cursor.take(length)?).ok().map(str::to_owned)
}
