//! Streams' versions in memory, as an expert keeps them beside a store of keys.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::engine::Append;

/// The versions of the streams that were written since the store was opened, and the newest
/// position. Both move on when a write is begun: a store that fails to write is not used on.
#[derive(Debug)]
pub(super) struct Heads(Mutex<State>);

#[derive(Debug)]
struct State {
    position: u64,
    versions: HashMap<String, u64>,
}

impl Heads {
    /// Of a store whose newest event has this position.
    pub(super) fn new(position: u64) -> Self {
        Self(Mutex::new(State { position, versions: HashMap::new() }))
    }

    /// Checks the expected version, and gives the position in front of the append's events. What is
    /// not known is looked up by `stored`.
    pub(super) fn take(&self, append: &Append<'_>, stored: impl FnOnce() -> u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        let (events, position) = (append.events.len() as u64, state.position);
        let after = append.version + events;
        match state.versions.get_mut(append.stream) {
            Some(version) => {
                assert_eq!(*version, append.version, "{} is elsewhere", append.stream);
                *version = after;
            }
            None => {
                assert_eq!(stored(), append.version, "{} is elsewhere", append.stream);
                state.versions.insert(append.stream.to_owned(), after);
            }
        }
        state.position += events;
        position
    }
}
