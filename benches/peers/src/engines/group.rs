//! Appends of several threads as one transaction, for engines that have one writer: who finds nobody
//! at it writes what all have brought.

use std::sync::{Condvar, Mutex};

use annals::NewEvent;

use crate::engine::Append;

/// Where threads meet.
#[derive(Debug, Default)]
pub(super) struct Group {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<Owned>,
    /// The number of the group that gathers.
    gathering: u64,
    /// Groups below this are written.
    written: u64,
    leading: bool,
}

/// An append that another thread may write.
#[derive(Debug)]
struct Owned {
    stream: String,
    version: u64,
    events: Vec<NewEvent>,
}

impl Group {
    /// Returns once `write` has been called with this append, by this thread or another.
    pub(super) fn append(&self, append: Append<'_>, write: impl Fn(&[Append<'_>])) {
        let mut state = self.state.lock().unwrap();
        if !state.leading && state.pending.is_empty() {
            // Alone.
            state.leading = true;
            drop(state);
            write(&[append]);
            self.state.lock().unwrap().leading = false;
            self.changed.notify_all();
            return;
        }
        let Append { stream, version, events } = append;
        state.pending.push(Owned { stream: stream.to_owned(), version, events: events.to_vec() });
        let mine = state.gathering;
        while state.written <= mine {
            if state.leading {
                state = self.changed.wait(state).unwrap();
                continue;
            }
            state.leading = true;
            state.gathering += 1;
            let (group, written) = (std::mem::take(&mut state.pending), state.gathering);
            drop(state);
            let appends: Vec<Append<'_>> = group
                .iter()
                .map(|owned| Append {
                    stream: &owned.stream,
                    version: owned.version,
                    events: &owned.events,
                })
                .collect();
            write(&appends);
            state = self.state.lock().unwrap();
            state.leading = false;
            state.written = written;
            self.changed.notify_all();
        }
    }
}
