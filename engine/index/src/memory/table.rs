//! Numbers by hash, in many small tables: each grows on its own, so that no append waits for
//! millions of entries to find their new places.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

const SHARDS: usize = 64;

/// Numbers by the hash of what they stand for; the thing itself is kept elsewhere.
pub(super) struct Table {
    /// Hashes come from images too. Who writes one must not know which of them crowd one place.
    places: DefaultHashBuilder,
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
        let shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        Self { places: DefaultHashBuilder::default(), shards }
    }

    /// The number under `hash` that `is_it` says yes to.
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = self.tag(hash);
        let shard = self.shards.get(shard(hash))?;
        let slot = shard.find(place(tag), |slot| slot.tag == tag && is_it(slot.number))?;
        Some(slot.number)
    }

    /// Adds a number. Not many may have the same hash.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        let tag = self.tag(hash);
        if let Some(shard) = self.shards.get_mut(shard(hash)) {
            shard.insert_unique(place(tag), Slot { tag, number }, |slot| place(slot.tag));
        }
    }

    fn tag(&self, hash: u64) -> u32 {
        let [a, b, c, d, ..] = self.places.hash_one(hash).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.shards.iter().map(HashTable::allocation_size).sum()
    }
}

fn shard(hash: u64) -> usize {
    let [low, ..] = hash.to_le_bytes();
    usize::from(low) % SHARDS
}

/// hashbrown looks at the lowest and at the seven highest bits.
fn place(tag: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(tag)
}
