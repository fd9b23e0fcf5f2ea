//! The streams that the ordered list does not have yet.

use std::ops::Range;
use std::sync::Arc;

use annals_env::sync::RwLock;

use crate::memory::state::State;

/// Most names that are copied under one lock.
const NAMES_PER_LOCK: usize = 1024;

/// Streams and their names, ordered by name.
pub(super) struct Fresh {
    text: String,
    streams: Vec<(Range<usize>, u32)>,
}

impl Fresh {
    /// The streams with the numbers `begin`, `begin` + 1, … as there are now.
    pub(super) fn collect(state: &RwLock<State>, begin: usize) -> Self {
        let mut text = String::new();
        let mut streams = Vec::new();
        let mut number = u32::try_from(begin).unwrap_or(u32::MAX);
        // Those that begin meanwhile wait for the next time: this must come to an end.
        let end = state.read().directory.count();
        while number < end {
            let state = state.read();
            for next in (number..end).take(NAMES_PER_LOCK) {
                let start = text.len();
                text.push_str(state.directory.name(next).unwrap_or_default());
                streams.push((start..text.len(), next));
                number = next + 1;
            }
        }
        let name = |range: &Range<usize>| text.get(range.clone());
        streams.sort_unstable_by(|(one, _), (other, _)| name(one).cmp(&name(other)));
        Self { text, streams }
    }

    /// Both lists in one.
    pub(super) fn merge_into(self, state: &RwLock<State>, mut sorted: &[u32]) -> Arc<[u32]> {
        let mut merged = Vec::with_capacity(sorted.len() + self.streams.len());
        for (range, number) in self.streams {
            let name = self.text.get(range).unwrap_or_default();
            let before = count_before(&state.read(), sorted, name);
            let (front, back) = sorted.split_at(before);
            merged.extend_from_slice(front);
            merged.push(number);
            sorted = back;
        }
        merged.extend_from_slice(sorted);
        merged.into()
    }
}

/// How many of `sorted` stand before `name`: looks ever farther from the front, then between, so
/// that few new names among many are as cheap as many among few.
fn count_before(state: &State, sorted: &[u32], name: &str) -> usize {
    let is_before = |number: &u32| state.directory.name(*number).unwrap_or_default() < name;
    let mut reach = 1;
    while sorted.get(reach - 1).is_some_and(is_before) {
        reach *= 2;
    }
    let near = reach / 2;
    let far = reach.min(sorted.len());
    near + sorted.get(near..far).unwrap_or_default().partition_point(is_before)
}
