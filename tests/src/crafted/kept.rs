//! The control record of a kept state, made by hand.

use super::{EPOCH, Fields, Frame, Place};

/// The control record of a kept state, field by field.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The flags of the control record.
    pub flags: u8,
    /// 1 snapshot, 2 projection.
    pub role: u8,
    /// The content kind of its state.
    pub content: u8,
    /// The version of its schema.
    pub schema: u32,
    /// The version of its stream.
    pub version: u64,
    /// The epoch of its checkpoint.
    pub epoch: (u32, u64),
    /// The position of its checkpoint.
    pub position: u64,
    /// The stream, or the projection.
    pub name: Vec<u8>,
    /// How long it says that is, where not the truth.
    pub name_length: Option<u16>,
    /// What folded it.
    pub fold: Vec<u8>,
    /// How long it says that is, where not the truth.
    pub fold_length: Option<u16>,
    /// What it takes the place of.
    pub superseded: Vec<Place>,
    /// How many it says these are, where not the truth.
    pub count: Option<u16>,
    /// The state.
    pub data: Vec<u8>,
}

impl Kept {
    /// A snapshot in JSON at this version of the stream, whose event stands at this position.
    #[must_use]
    pub fn snapshot(stream: &str, fold: &str, (version, position): (u64, u64), data: &str) -> Self {
        Self {
            flags: 0,
            role: 1,
            content: 0,
            schema: 1,
            version,
            epoch: EPOCH,
            position,
            name: stream.into(),
            name_length: None,
            fold: fold.into(),
            fold_length: None,
            superseded: Vec::new(),
            count: None,
            data: data.into(),
        }
    }

    /// A projection in JSON up to this position.
    #[must_use]
    pub fn projection(name: &str, position: u64, data: &str) -> Self {
        Self { role: 2, ..Self::snapshot(name, "", (0, position), data) }
    }

    /// Its frame at this place.
    #[must_use]
    pub fn frame(&self, place: Place) -> Frame {
        let named = |fields: Fields, length: Option<u16>, name: &[u8]| {
            let real = u16::try_from(name.len()).unwrap_or(u16::MAX);
            fields.u16(length.unwrap_or(real)).bytes(name)
        };
        let fields = Fields::default()
            .u16(3)
            .bytes(&[self.flags, self.role, self.content])
            .u32(self.schema)
            .u64(self.version)
            .u32(self.epoch.0)
            .u64(self.epoch.1)
            .u64(self.position);
        let fields = named(fields, self.name_length, &self.name);
        let fields = named(fields, self.fold_length, &self.fold);
        let count = u16::try_from(self.superseded.len()).unwrap_or(u16::MAX);
        let fields = fields.u16(self.count.unwrap_or(count));
        let fields = self.superseded.iter().fold(fields, |fields, place| fields.place(*place));
        Frame::control(place, fields.bytes(&self.data).0)
    }
}
