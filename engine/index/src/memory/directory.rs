//! Which streams there are. Their numbers run in the order of their first positions.

use super::blocks::Blocks;
use super::names::{Name, Names};
use super::postings::Chain;
use super::recent::{Mark, Recent};
use super::table::Table;
use crate::keyed::Keyed;

struct Stream {
    name: Name,
    chain: Chain,
}

/// The keyed hash of a name.
#[derive(Clone, Copy)]
pub(super) struct NameHash(u64);

/// Streams by name and by number.
pub(super) struct Directory {
    hasher: Keyed,
    names: Names,
    streams: Blocks<Stream>,
    by_name: Table,
    recent: Recent,
}

impl Directory {
    pub(super) fn new(hasher: Keyed) -> Self {
        Self {
            hasher,
            names: Names::new(),
            streams: Blocks::new(),
            by_name: Table::new(),
            recent: Recent::new(),
        }
    }

    pub(super) const fn count(&self) -> u32 {
        self.streams.count()
    }

    /// How many streams had begun at `up_to`; theirs are the lowest numbers.
    pub(super) fn count_at(&self, up_to: u64) -> u32 {
        self.streams.partition_point(|stream| stream.chain.first() <= up_to)
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.look_up(name).ok()
    }

    /// The stream's number; where it has none, its hash.
    #[inline]
    pub(super) fn look_up(&self, name: &str) -> Result<u32, NameHash> {
        let mark = Mark::of(name);
        match self.recent.get(mark).filter(|&number| self.is_named(number, name)) {
            Some(number) => Ok(number),
            None => self.look_up_by_hash(name, mark),
        }
    }

    #[inline(never)]
    fn look_up_by_hash(&self, name: &str, mark: Mark) -> Result<u32, NameHash> {
        let hash = self.hasher.of(name.as_bytes());
        let found = self.by_name.find(hash, |number| self.is_named(number, name));
        let number = found.ok_or(NameHash(hash))?;
        self.recent.put(mark, number);
        Ok(number)
    }

    #[inline]
    fn is_named(&self, number: u32, name: &str) -> bool {
        self.streams.get(number).is_some_and(|stream| self.names.is(stream.name, name))
    }

    /// Adds a stream that is not there yet. `None`: it does not fit.
    pub(super) fn insert(&mut self, name: &str, hash: NameHash, chain: Chain) -> Option<u32> {
        let name_at = self.names.push(name)?;
        let number = self.streams.push(Stream { name: name_at, chain })?;
        self.by_name.insert(hash.0, number);
        self.recent.put(Mark::of(name), number);
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
        self.names.memory_bytes()
            + self.streams.memory_bytes()
            + self.by_name.memory_bytes()
            + self.recent.memory_bytes()
    }
}
