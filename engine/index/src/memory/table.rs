//! Numbers by hash, in many small tables: each grows on its own, so that no append waits for
//! millions of entries to find their new places.

use hashbrown::HashTable;

const SHARDS: usize = 64;

/// Numbers by the hash of what they stand for; the thing itself is kept elsewhere.
pub(super) struct Table {
    shards: Vec<HashTable<Slot>>,
}

/// A number, and enough of its hash to find it a new place without looking at what it stands for:
/// that would be a walk through all memory.
struct Slot {
    tag: u32,
    number: u32,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect() }
    }

    /// The number under `hash` that `is_it` says yes to.
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (shard, tag) = split(hash);
        let slot = self
            .shards
            .get(shard)?
            .find(spread(tag), |slot| slot.tag == tag && is_it(slot.number))?;
        Some(slot.number)
    }

    /// All numbers under `hash`, and seldom others.
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let (shard, tag) = split(hash);
        let slots = self.shards.get(shard).into_iter();
        let slots = slots.flat_map(move |table| table.iter_hash(spread(tag)));
        slots.filter(move |slot| slot.tag == tag).map(|slot| slot.number)
    }

    /// Adds a number.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        let (shard, tag) = split(hash);
        if let Some(table) = self.shards.get_mut(shard) {
            table.insert_unique(spread(tag), Slot { tag, number }, |slot| spread(slot.tag));
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.shards.iter().map(HashTable::allocation_size).sum()
    }
}

/// Which shard, and the tag in it.
fn split(hash: u64) -> (usize, u32) {
    let [a, b, c, d, shard, ..] = hash.to_le_bytes();
    (usize::from(shard) % SHARDS, u32::from_le_bytes([a, b, c, d]))
}

/// hashbrown uses the lowest and the seven highest bits.
fn spread(tag: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(tag)
}
