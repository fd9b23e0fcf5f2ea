//! What the lock of the index protects.

use annals_types::{Position, StoreId};

use super::directory::Directory;
use super::ids::Ids;
use super::lists::Lists;
use super::postings::{Part, Postings};
use crate::kept::KeptStates;
use crate::keyed::Keyed;
use crate::{Entry, StreamHead, Term};

/// Most positions, give or take a chunk, that are read under one lock.
const POSITIONS_PER_LOCK: usize = 4096;

pub(super) struct State {
    pub(super) covers: u64,
    pub(super) directory: Directory,
    pub(super) postings: Postings,
    pub(super) lists: Lists,
    pub(super) ids: Ids,
    pub(super) kept: KeptStates,
}

impl State {
    pub(super) fn new(store: StoreId) -> Self {
        let hasher = Keyed::new(store);
        Self {
            covers: 0,
            directory: Directory::new(hasher),
            postings: Postings::new(),
            lists: Lists::new(),
            ids: Ids::new(hasher),
            kept: KeptStates::default(),
        }
    }

    /// Takes in entries. `None`: one of them broke the order or did not fit, and `covers` stays
    /// before it.
    pub(super) fn take(&mut self, mut entries: &[Entry<'_>]) -> Option<()> {
        while let Some((entry, others)) = entries.split_first() {
            if entry.position.get() <= self.covers {
                entries = others;
                continue;
            }
            // The events of one commit are nearly always of one stream.
            let pairs = entries.iter().zip(others);
            let more = pairs.take_while(|(before, next)| next.is_next_of(before)).count();
            let (row, rest) = entries.split_at_checked(1 + more)?;
            self.take_row(entry, row)?;
            entries = rest;
        }
        Some(())
    }

    /// Takes in entries of one stream that follow each other, of which `entry` is the first.
    #[inline(always)]
    fn take_row(&mut self, entry: &Entry<'_>, row: &[Entry<'_>]) -> Option<()> {
        let (version, position) = (entry.version.get(), entry.position.get());
        match self.directory.look_up(entry.stream) {
            Ok(number) => {
                let chain = self.directory.chain_mut(number)?;
                self.postings.push_row(chain, version, position, row.len())?;
            }
            Err(hash) => {
                let mut chain = self.postings.start(version, position)?;
                let others = (version.saturating_add(1), position.saturating_add(1));
                self.postings.push_row(&mut chain, others.0, others.1, row.len() - 1)?;
                self.directory.insert(entry.stream, hash, chain)?;
            }
        }
        let shared = shared_term(row);
        if let Some(term) = shared {
            self.take_term(term, position, row.len())?;
        }
        for entry in row {
            for &term in entry.terms {
                if shared != Some(term) {
                    self.take_term(term, entry.position.get(), 1)?;
                }
            }
            if let Some(id) = entry.id {
                self.ids.insert(id, entry.position.get())?;
            }
        }
        self.covers = row.last()?.position.get();
        Some(())
    }

    /// Takes in that so many events in a row carry the term, the first of which is at `position`.
    fn take_term(&mut self, term: Term, position: u64, count: usize) -> Option<()> {
        match self.lists.find_hot(term) {
            Some(number) => {
                self.postings.append_row(self.lists.chain_mut(number)?, position, count)
            }
            None => {
                let mut chain = self.postings.start(1, position)?;
                self.postings.push_row(&mut chain, 2, position.saturating_add(1), count - 1)?;
                self.lists.insert(term, chain)
            }
        }
    }

    pub(super) fn head(&self, number: u32, up_to: u64) -> Option<StreamHead> {
        self.postings.head(self.directory.chain(number)?, up_to)
    }

    /// Where a walk begins that wants the event with this version, or the first behind it.
    pub(super) fn part_from(&self, number: u32, version: u64) -> Option<Part> {
        self.postings.part_from(self.directory.chain(number)?, version)
    }

    /// Appends the positions from version `from` on to `out`, until it has `end` of them or the
    /// next is above `up_to`. Gives the part to go on with if it stopped before.
    pub(super) fn read_forward(
        &self,
        number: u32,
        mut part: Part,
        from: u64,
        up_to: u64,
        end: usize,
        out: &mut Vec<Position>,
    ) -> Option<Part> {
        let chain = self.directory.chain(number)?;
        let pause = out.len().saturating_add(POSITIONS_PER_LOCK);
        while out.len() < pause {
            let run = self.postings.run(chain, part)?;
            let skip = usize::try_from(from.saturating_sub(run.first_version)).ok()?;
            for position in run.positions().skip(skip) {
                if position > up_to || out.len() >= end {
                    return None;
                }
                out.push(Position::new(position));
            }
            part = self.postings.after(chain, part)?;
        }
        Some(part)
    }

    /// The same for version `from` and those before it, newest first.
    pub(super) fn read_back(
        &self,
        number: u32,
        mut part: Part,
        from: u64,
        end: usize,
        out: &mut Vec<Position>,
    ) -> Option<Part> {
        let chain = self.directory.chain(number)?;
        let pause = out.len().saturating_add(POSITIONS_PER_LOCK);
        while out.len() < pause {
            let wanted = end.saturating_sub(out.len());
            if wanted == 0 {
                return None;
            }
            let run = self.postings.run(chain, part)?;
            // How many of the run are not behind `from`.
            let steps =
                from.checked_sub(run.first_version).map_or(0, |steps| steps.saturating_add(1));
            let there = usize::try_from(steps).unwrap_or(usize::MAX).min(run.count);
            let positions = run.positions_back().skip(run.count - there).take(wanted);
            out.extend(positions.map(Position::new));
            part = self.postings.before(part)?;
        }
        Some(part)
    }

    /// See [`Index::postings`](crate::Index::postings). `None`: there is none behind them.
    pub(super) fn postings(
        &self,
        term: Term,
        from: u64,
        to: u64,
        out: &mut Vec<Position>,
    ) -> Option<()> {
        let chain = self.lists.chain(self.lists.find(term)?)?;
        let pause = out.len().saturating_add(POSITIONS_PER_LOCK);
        let mut part = self.postings.part_behind(chain, from)?;
        while self.postings.run(chain, part)?.between(from, to, out) && out.len() < pause {
            part = self.postings.after(chain, part)?;
        }
        Some(())
    }

    /// See [`Index::postings_back`](crate::Index::postings_back). `None`: there is none before them.
    pub(super) fn postings_back(
        &self,
        term: Term,
        from: u64,
        to: u64,
        out: &mut Vec<Position>,
    ) -> Option<()> {
        let chain = self.lists.chain(self.lists.find(term)?)?;
        let pause = out.len().saturating_add(POSITIONS_PER_LOCK);
        let mut part = self.postings.part_before(chain, to)?;
        while self.postings.run(chain, part)?.between_back(from, to, out) && out.len() < pause {
            part = self.postings.before(part)?;
        }
        Some(())
    }

    /// How many events between `from` and `to`, both included, carry the term.
    pub(super) fn count(&self, term: Term, from: u64, to: u64) -> u64 {
        let chain = self.lists.find(term).and_then(|number| self.lists.chain(number));
        let up_to = |at| {
            let newest = chain.and_then(|chain| self.postings.head(chain, at));
            newest.map_or(0, |newest| newest.version.get())
        };
        up_to(to).saturating_sub(from.checked_sub(1).map_or(0, up_to))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.directory.memory_bytes()
            + self.lists.memory_bytes()
            + self.postings.memory_bytes()
            + self.ids.memory_bytes()
            + usize::try_from(self.kept.memory_bytes()).unwrap_or(usize::MAX)
    }
}

/// A term that all entries of a row have, where there are several and their first one is such: as a
/// rule that of their category.
fn shared_term(row: &[Entry<'_>]) -> Option<Term> {
    let (entry, others) = row.split_first().filter(|(_, others)| !others.is_empty())?;
    let first = entry.terms.first();
    others.iter().all(|other| other.terms.first() == first).then_some(first).flatten().copied()
}
