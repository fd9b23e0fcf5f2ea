//! Which terms there are. Their numbers run in the order of their first positions.

use super::blocks::Blocks;
use super::postings::Chain;
use super::table::Table;
use crate::Term;

struct List {
    term: Term,
    chain: Chain,
}

/// The list of each term.
pub(crate) struct Lists {
    lists: Blocks<List>,
    by_term: Table,
}

impl Lists {
    pub(super) fn new() -> Self {
        Self { lists: Blocks::new(), by_term: Table::new() }
    }

    /// How many terms had come at `up_to`; theirs are the lowest numbers.
    pub(super) fn count_at(&self, up_to: u64) -> u32 {
        self.lists.partition_point(|list| list.chain.first() <= up_to)
    }

    pub(super) fn find(&self, term: Term) -> Option<u32> {
        self.by_term.find(term.get(), |number| self.term(number) == Some(term))
    }

    /// Adds a term that is not there yet. `None`: it does not fit.
    pub(super) fn insert(&mut self, term: Term, chain: Chain) -> Option<()> {
        let number = self.lists.push(List { term, chain })?;
        self.by_term.insert(term.get(), number);
        Some(())
    }

    pub(super) fn term(&self, number: u32) -> Option<Term> {
        Some(self.lists.get(number)?.term)
    }

    pub(super) fn chain(&self, number: u32) -> Option<&Chain> {
        Some(&self.lists.get(number)?.chain)
    }

    pub(super) fn chain_mut(&mut self, number: u32) -> Option<&mut Chain> {
        Some(&mut self.lists.get_mut(number)?.chain)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.lists.memory_bytes() + self.by_term.memory_bytes()
    }
}
