//! Which terms there are. Their numbers run in the order of their first positions.

use super::blocks::Blocks;
use super::postings::Chain;
use super::table::Table;
use crate::Term;

struct List {
    term: Term,
    chain: Chain,
}

/// How many terms are remembered that came lately: a few categories and types are those of nearly
/// all events.
const RECENT: usize = 256;

/// The list of each term.
pub(crate) struct Lists {
    lists: Blocks<List>,
    by_term: Table,
    /// Terms that came lately, each at a place that its lowest bits name.
    recent: [Option<(Term, u32)>; RECENT],
}

impl Lists {
    pub(super) fn new() -> Self {
        Self { lists: Blocks::new(), by_term: Table::new(), recent: [None; RECENT] }
    }

    /// How many terms had come at `up_to`; theirs are the lowest numbers.
    pub(super) fn count_at(&self, up_to: u64) -> u32 {
        self.lists.partition_point(|list| list.chain.first() <= up_to)
    }

    pub(super) fn find(&self, term: Term) -> Option<u32> {
        self.by_term.find(term.get(), |number| self.term(number) == Some(term))
    }

    /// [`Self::find`] for who takes in one event after the other.
    pub(super) fn find_hot(&mut self, term: Term) -> Option<u32> {
        let [lowest, ..] = term.get().to_le_bytes();
        let place = usize::from(lowest) % RECENT;
        if let Some(Some((recent, number))) = self.recent.get(place)
            && *recent == term
        {
            return Some(*number);
        }
        let number = self.find(term)?;
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = Some((term, number));
        }
        Some(number)
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
