//! Which streams there are. Their numbers run in the order of their first positions.

use siphasher::sip::SipHasher13;

use super::blocks::Blocks;
use super::names::{Name, Names};
use super::postings::Chain;
use super::table::Table;

struct Stream {
    name: Name,
    chain: Chain,
}

/// Streams by name and by number.
pub(super) struct Directory {
    hasher: SipHasher13,
    names: Names,
    streams: Blocks<Stream>,
    by_name: Table,
}

impl Directory {
    pub(super) fn new(hasher: SipHasher13) -> Self {
        Self { hasher, names: Names::new(), streams: Blocks::new(), by_name: Table::new() }
    }

    pub(super) const fn count(&self) -> u32 {
        self.streams.count()
    }

    /// How many streams had begun at `up_to`; theirs are the lowest numbers.
    pub(super) fn count_at(&self, up_to: u64) -> u32 {
        self.streams.partition_point(|stream| stream.chain.first() <= up_to)
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash(name.as_bytes());
        self.by_name.find(hash, |number| self.name(number) == Some(name))
    }

    /// Adds a stream that is not there yet. `None`: it does not fit.
    pub(super) fn insert(&mut self, name: &str, chain: Chain) -> Option<u32> {
        let name_at = self.names.push(name)?;
        let number = self.streams.push(Stream { name: name_at, chain })?;
        self.by_name.insert(self.hasher.hash(name.as_bytes()), number);
        Some(number)
    }

    pub(super) fn name(&self, number: u32) -> Option<&str> {
        self.names.get(self.streams.get(number)?.name)
    }

    pub(super) fn chain(&self, number: u32) -> Option<&Chain> {
        Some(&self.streams.get(number)?.chain)
    }

    pub(super) fn chain_mut(&mut self, number: u32) -> Option<&mut Chain> {
        Some(&mut self.streams.get_mut(number)?.chain)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.names.memory_bytes() + self.streams.memory_bytes() + self.by_name.memory_bytes()
    }
}
