//! The streams that were looked up last, as the database has them: whoever appends asks for a
//! stream, and again where its event is applied.

use annals_env::sync::Mutex;
use annals_types::StoreId;

use super::row::Stream;
use crate::keyed::Keyed;

/// A stream takes the place of another whose name falls on the same slot. With
/// [`STREAM_NAME_BYTES_MAX`](annals_types::limits::STREAM_NAME_BYTES_MAX) they are at most 1.2 MiB,
/// with names as usual a fifth of that.
const SLOTS: usize = 2048;

/// What look-ups found, that there is no such stream included.
pub(super) struct Found {
    names: Keyed,
    slots: Box<[Mutex<Option<Row>>]>,
}

struct Row {
    name: Box<str>,
    stream: Option<Stream>,
    /// Everything up to here was in the database when it was asked.
    after: u64,
}

impl Found {
    /// `store` is the key of the hashes.
    pub(super) fn new(store: StoreId) -> Self {
        let slots = (0..SLOTS).map(|_| Mutex::new(None)).collect();
        Self { names: Keyed::new(store), slots }
    }

    /// What a look-up found that has everything up to `after`.
    pub(super) fn get(&self, name: &str, after: u64) -> Option<Option<Stream>> {
        let slot = self.slot(name)?.lock();
        let row = slot.as_ref().filter(|row| row.after >= after && *row.name == *name)?;
        Some(row.stream)
    }

    /// Keeps what a look-up found that began once everything up to `after` was in the database.
    pub(super) fn put(&self, name: &str, stream: Option<Stream>, after: u64) {
        if let Some(slot) = self.slot(name) {
            let row = Row { name: name.into(), stream, after };
            // The old one is freed outside the lock.
            drop(slot.lock().replace(row));
        }
    }

    fn slot(&self, name: &str) -> Option<&Mutex<Option<Row>>> {
        let [low, high, ..] = self.names.of(name.as_bytes()).to_le_bytes();
        self.slots.get(usize::from(u16::from_le_bytes([low, high])) % SLOTS)
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        let names = |slot: &Mutex<Option<Row>>| slot.lock().as_ref().map_or(0, |it| it.name.len());
        let names: usize = self.slots.iter().map(names).sum();
        (size_of_val(&*self.slots) + names) as u64
    }
}
