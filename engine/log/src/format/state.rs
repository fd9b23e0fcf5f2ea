//! The `state` page: how far the log was durable and visible. Two slots, written in turn, so that
//! one is whole whenever the other is being written.

use annals_types::{Epoch, Place, Position, StoreId};

use super::cursor::Cursor;
use super::{POSITION_MAX, checksum};

/// Bytes of the page.
pub(crate) const STATE_BYTES: usize = 4096;
/// Bytes of a slot; each begins a sector of its own.
pub(crate) const SLOT_BYTES: usize = 96;
/// Where the two slots begin.
pub(crate) const SLOT_OFFSETS: [u64; 2] = [0, 512];

const MAGIC: [u8; 8] = *b"ANLSTATE";

/// What a slot says. Each was true when it was written, and stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) store: StoreId,
    /// Counts the writes; the higher of two slots is the newer.
    pub(crate) sequence: u64,
    pub(crate) epoch: Epoch,
    pub(crate) durable: Place,
    pub(crate) visible: Place,
}

impl State {
    pub(crate) fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        slot[0..8].copy_from_slice(&MAGIC);
        slot[8..24].copy_from_slice(&self.store.0);
        slot[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        slot[32..40].copy_from_slice(&self.epoch.id.to_le_bytes());
        slot[40..44].copy_from_slice(&self.epoch.number.to_le_bytes());
        slot[44..48].copy_from_slice(&self.durable.k.to_le_bytes());
        slot[48..56].copy_from_slice(&self.durable.position.get().to_le_bytes());
        slot[56..60].copy_from_slice(&self.visible.k.to_le_bytes());
        slot[60..68].copy_from_slice(&self.visible.position.get().to_le_bytes());
        let sum = checksum::of(&slot[..SLOT_BYTES - 4]);
        slot[SLOT_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        slot
    }

    /// The newer of the page's slots that are whole and of this store.
    pub(crate) fn decode(page: &[u8], store: StoreId) -> Option<Self> {
        SLOT_OFFSETS
            .iter()
            .filter_map(|&offset| {
                let start = usize::try_from(offset).ok()?;
                Self::decode_slot(page.get(start..start + SLOT_BYTES)?)
            })
            .filter(|state| state.store == store)
            .max_by_key(|state| state.sequence)
    }

    /// The store that a page is of, where it is of one.
    pub(crate) fn store_of(page: &[u8]) -> Option<StoreId> {
        SLOT_OFFSETS.iter().find_map(|&offset| {
            let start = usize::try_from(offset).ok()?;
            Self::decode_slot(page.get(start..start + SLOT_BYTES)?).map(|state| state.store)
        })
    }

    fn decode_slot(slot: &[u8]) -> Option<Self> {
        let (fields, sum) = slot.split_at_checked(SLOT_BYTES - 4)?;
        let mut cursor = Cursor::new(fields);
        if cursor.array()? != MAGIC || Cursor::new(sum).u32()? != checksum::of(fields) {
            return None;
        }
        let store = StoreId(cursor.array()?);
        let sequence = cursor.u64()?;
        let id = cursor.u64()?;
        let epoch = Epoch { number: cursor.u32()?, id };
        let mut place = || {
            let k = cursor.u32()?;
            Some(Place { position: Position::new(cursor.u64()?), k })
        };
        let (durable, visible) = (place()?, place()?);
        let reserved_is_zero = cursor.left().iter().all(|&byte| byte == 0);
        // A page counts up by one: none gets there.
        let there = durable.position.max(visible.position).get() <= POSITION_MAX;
        let sane = reserved_is_zero && sequence < u64::MAX && there;
        sane.then_some(Self { store, sequence, epoch, durable, visible })
    }
}
