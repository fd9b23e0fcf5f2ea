//! What the backends that write to a database ask of the newest part, which they keep in memory.

use annals_env::sync::atomic::Ordering;
use annals_types::{Position, StoreId, Version};

use super::MemoryIndex;
use super::postings::{Chain, Run};
use super::state::State;
use crate::{Entry, StreamHead, Term};

impl MemoryIndex {
    /// An empty index of the events behind a position.
    pub(crate) fn behind(store: StoreId, position: u64) -> Self {
        let state = State { covers: position, ..State::new(store) };
        Self::from_state(store, state, None, 0)
    }

    /// Takes in entries as [`Index::take_in`](crate::Index::take_in) does, if all are of one stream that
    /// is here, as nearly always. Gives whether all were in order.
    pub(crate) fn take_known(&self, entries: &[Entry<'_>]) -> Option<bool> {
        let (first, others) = entries.split_first()?;
        if !others.iter().all(|other| std::ptr::eq(other.stream, first.stream)) {
            return None;
        }
        let mut state = self.state.write();
        state.directory.find(first.stream)?;
        let taken = state.take(entries);
        self.covers.store(state.covers, Ordering::Release);
        Some(taken.is_some())
    }

    /// The stream's number: streams have 0, 1, 2 … in the order of their first events here.
    pub(crate) fn number(&self, stream: &str) -> Option<u32> {
        self.state.read().directory.find(stream)
    }

    /// The lowest version of the stream's events here.
    pub(crate) fn oldest(&self, stream: &str) -> Option<Version> {
        let state = self.state.read();
        let chain = state.directory.chain(state.directory.find(stream)?)?;
        Some(Version::new(runs(&state, chain).next()?.first_version))
    }

    /// Calls `visit` with number, name and those events of each stream that are behind `after` and
    /// not behind `up_to`, where there are any.
    pub(crate) fn each_stream(
        &self,
        after: u64,
        up_to: u64,
        visit: &mut dyn FnMut(u32, &str, &[StreamHead]),
    ) {
        let state = self.state.read();
        let mut events = Vec::new();
        for number in 0..state.directory.count_at(up_to) {
            let Some((name, chain)) =
                state.directory.name(number).zip(state.directory.chain(number))
            else {
                continue;
            };
            events.clear();
            for run in runs(&state, chain) {
                let version = |steps: usize| run.first_version.saturating_add(steps as u64);
                events.extend(run.positions().enumerate().map(|(steps, position)| StreamHead {
                    version: Version::new(version(steps)),
                    position: Position::new(position),
                }));
            }
            let begin = events.partition_point(|event| event.position.get() <= after);
            let end = events.partition_point(|event| event.position.get() <= up_to);
            if let Some(events) = events.get(begin..end).filter(|events| !events.is_empty()) {
                visit(number, name, events);
            }
        }
    }

    /// Calls `visit` with each term that an event behind `after` and not behind `up_to` carries,
    /// and their positions.
    pub(crate) fn each_term(&self, after: u64, up_to: u64, visit: &mut dyn FnMut(Term, &[u64])) {
        let state = self.state.read();
        let mut positions = Vec::new();
        for number in 0..state.lists.count_at(up_to) {
            let Some((term, chain)) = state.lists.term(number).zip(state.lists.chain(number))
            else {
                continue;
            };
            positions.clear();
            positions.extend(runs(&state, chain).flat_map(Run::positions));
            let begin = positions.partition_point(|position| *position <= after);
            let end = positions.partition_point(|position| *position <= up_to);
            if let Some(positions) = positions.get(begin..end).filter(|some| !some.is_empty()) {
                visit(term, positions);
            }
        }
    }

    /// Calls `visit` with the keyed hash and the position of each id that was set between them.
    pub(crate) fn each_id(&self, after: u64, up_to: u64, visit: &mut dyn FnMut(u64, u64)) {
        let ids = &self.state.read().ids;
        let entries = (ids.count_at(after)..ids.count_at(up_to)).filter_map(|at| ids.get(at));
        entries.for_each(|entry| visit(entry.hash, entry.position));
    }
}

/// The runs of a chain, in order.
fn runs<'a>(state: &'a State, chain: &'a Chain) -> impl Iterator<Item = Run<'a>> {
    let first = state.postings.first_part(chain);
    let parts = std::iter::successors(first, |part| state.postings.after(chain, *part));
    parts.map_while(|part| state.postings.run(chain, part))
}
