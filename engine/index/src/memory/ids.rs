//! Where the ids that callers set may stand.

use annals_types::EventId;
use siphasher::sip::SipHasher13;

use super::blocks::Blocks;
use super::table::Table;

/// A keyed hash of an id, and the position of its event.
#[derive(Clone, Copy)]
pub(super) struct IdHash {
    pub(super) hash: u64,
    pub(super) position: u64,
}

/// The hashes in the order of their positions, and a table into them. The key is the store's, so
/// that nobody can choose ids whose hashes meet.
pub(super) struct Ids {
    hasher: SipHasher13,
    entries: Blocks<IdHash>,
    by_hash: Table,
}

impl Ids {
    pub(super) fn new(hasher: SipHasher13) -> Self {
        Self {
            hasher,
            entries: Blocks::new(),
            by_hash: Table::new(),
        }
    }

    /// How many ids stand at or below `up_to`; theirs are the lowest numbers.
    pub(super) fn count_at(&self, up_to: u64) -> u32 {
        self.entries
            .partition_point(|entry| entry.position <= up_to)
    }

    pub(super) fn get(&self, number: u32) -> Option<IdHash> {
        self.entries.get(number).copied()
    }

    /// Adds an id. `None`: it does not fit.
    pub(super) fn insert(&mut self, id: EventId, position: u64) -> Option<()> {
        let hash = self.hasher.hash(&id.to_bytes());
        self.insert_hash(IdHash { hash, position })
    }

    /// Adds the hash of an id; positions come in ascending order. `None`: it does not fit.
    pub(super) fn insert_hash(&mut self, entry: IdHash) -> Option<()> {
        let number = self.entries.push(entry)?;
        self.by_hash.insert(entry.hash, number);
        Some(())
    }

    /// The positions at which the id may stand, in any order.
    pub(super) fn find(&self, id: EventId) -> impl Iterator<Item = u64> {
        let hash = self.hasher.hash(&id.to_bytes());
        self.by_hash
            .candidates(hash)
            .filter_map(|number| self.get(number))
            .filter(move |entry| entry.hash == hash)
            .map(|entry| entry.position)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes() + self.by_hash.memory_bytes()
    }
}
