//! Where the ids that callers set may stand.

use std::collections::BTreeMap;

use annals_types::EventId;

use super::blocks::Blocks;
use super::table::Table;
use crate::keyed::Keyed;

/// A keyed hash of an id, and the position of its event.
#[derive(Clone, Copy)]
pub(super) struct IdHash {
    pub(super) hash: u64,
    pub(super) position: u64,
}

/// The hashes in the order of their positions, and a table into them. The key is the store's, so
/// that a stranger cannot choose ids whose hashes meet.
pub(super) struct Ids {
    hasher: Keyed,
    entries: Blocks<IdHash>,
    by_hash: Table,
    /// The further positions of a hash that came again, which is rare.
    repeated: BTreeMap<u64, Vec<u64>>,
}

impl Ids {
    pub(super) fn new(hasher: Keyed) -> Self {
        Self { hasher, entries: Blocks::new(), by_hash: Table::new(), repeated: BTreeMap::new() }
    }

    /// How many ids stand at or below `up_to`; theirs are the lowest numbers.
    pub(super) fn count_at(&self, up_to: u64) -> u32 {
        self.entries.partition_point(|entry| entry.position <= up_to)
    }

    pub(super) fn get(&self, number: u32) -> Option<IdHash> {
        self.entries.get(number).copied()
    }

    /// Adds an id. `None`: it does not fit.
    pub(super) fn insert(&mut self, id: EventId, position: u64) -> Option<()> {
        let hash = self.hasher.of(&id.to_bytes());
        self.insert_hash(IdHash { hash, position })
    }

    /// Adds the hash of an id; positions come in ascending order. `None`: it does not fit.
    pub(super) fn insert_hash(&mut self, entry: IdHash) -> Option<()> {
        let known = self.first_of(entry.hash).is_some();
        let number = self.entries.push(entry)?;
        if known {
            self.repeated.entry(entry.hash).or_default().push(entry.position);
        } else {
            self.by_hash.insert(entry.hash, number);
        }
        Some(())
    }

    /// The positions at which the id may stand, in ascending order.
    pub(super) fn find(&self, id: EventId) -> impl Iterator<Item = u64> {
        let hash = self.hasher.of(&id.to_bytes());
        let first = self.first_of(hash);
        // Only a hash that is there can be there again.
        let others = first.and_then(|_| self.repeated.get(&hash));
        first.into_iter().chain(others.into_iter().flatten().copied())
    }

    /// The first position of a hash.
    fn first_of(&self, hash: u64) -> Option<u64> {
        let is_it = |number| self.get(number).is_some_and(|entry| entry.hash == hash);
        Some(self.get(self.by_hash.find(hash, is_it)?)?.position)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let positions: usize = self.repeated.values().map(Vec::capacity).sum();
        let repeated = positions * size_of::<u64>() + self.repeated.len() * size_of::<Vec<u64>>();
        self.entries.memory_bytes() + self.by_hash.memory_bytes() + repeated
    }
}
