//! The streams in the order of their names.
//!
//! The order is a list of stream numbers that is brought up to date when somebody asks for a
//! stream that it does not have. Who lists holds a list that no longer changes, and the main lock
//! only for a page at a time.

mod fresh;
mod span;

use std::sync::Arc;

use annals_env::sync::{Mutex, RwLock};

use self::fresh::Fresh;
pub(crate) use self::span::Span;
use super::state::State;
use crate::{StreamFilter, StreamHead};

/// Most streams that are looked at under one lock.
const STREAMS_PER_LOCK: usize = 64;

/// The order of the names.
pub(super) struct Listing {
    /// The numbers 0, 1, … up to its length, ordered by name.
    sorted: Mutex<Arc<[u32]>>,
    /// Held by who makes the next list.
    sorting: Mutex<()>,
}

impl Listing {
    pub(super) fn new() -> Self {
        Self { sorted: Mutex::new(Arc::new([])), sorting: Mutex::new(()) }
    }

    /// See [`Index::streams`](crate::Index::streams).
    pub(super) fn list(
        &self,
        state: &RwLock<State>,
        filter: &StreamFilter,
        after: Option<&str>,
        up_to: u64,
        limit: usize,
        out: &mut Vec<(String, StreamHead)>,
    ) {
        let end = out.len().saturating_add(limit);
        // Streams that began later have higher numbers.
        let count = state.read().directory.count_at(up_to);
        let sorted = self.sorted(state, count);
        for span in Span::of(filter) {
            let mut rest = {
                let state = state.read();
                let name = |number: &u32| state.directory.name(*number).unwrap_or_default();
                let begin = sorted.partition_point(|number| span.is_before(name(number), after));
                sorted.get(begin..).unwrap_or_default()
            };
            while out.len() < end && !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(STREAMS_PER_LOCK));
                rest = behind;
                let state = state.read();
                for &number in piece.iter().filter(|number| **number < count) {
                    let name = state.directory.name(number).unwrap_or_default();
                    if out.len() >= end || !span.has(name) {
                        rest = &[];
                        break;
                    }
                    if let Some(head) = state.head(number, up_to) {
                        out.push((name.to_owned(), head));
                    }
                }
            }
        }
    }

    /// A list of all streams with numbers below `count`, and perhaps later ones.
    fn sorted(&self, state: &RwLock<State>, count: u32) -> Arc<[u32]> {
        let has_all = |sorted: &Arc<[u32]>| sorted.len() >= count as usize;
        let sorted = Arc::clone(&self.sorted.lock());
        if has_all(&sorted) {
            return sorted;
        }
        let _sorting = self.sorting.lock();
        let sorted = Arc::clone(&self.sorted.lock());
        if has_all(&sorted) {
            return sorted;
        }
        let merged = Fresh::collect(state, sorted.len()).merge_into(state, &sorted);
        *self.sorted.lock() = Arc::clone(&merged);
        merged
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&**self.sorted.lock())
    }
}
