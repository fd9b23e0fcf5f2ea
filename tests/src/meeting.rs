//! Where threads of a race wait for each other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A barrier at which nobody waits for a thread that has panicked: the others panic as well, so
/// that the test fails instead of hanging.
#[derive(Debug)]
pub struct Meeting {
    members: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrived: usize,
    meetings: u64,
    broken: bool,
}

/// A thread's part in a [`Meeting`]. Each of its members has one.
#[derive(Debug)]
pub struct Member<'a> {
    meeting: &'a Meeting,
}

impl Meeting {
    /// A place where so many threads meet again and again.
    #[must_use]
    pub fn new(members: usize) -> Self {
        Self { members, state: Mutex::default(), changed: Condvar::new() }
    }

    /// One of the threads that meet here.
    #[must_use]
    pub fn join(&self) -> Member<'_> {
        Member { meeting: self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member<'_> {
    /// Returns when all members have come.
    ///
    /// # Panics
    /// Where another member has panicked.
    pub fn wait(&self) {
        let mut state = self.meeting.state();
        let meeting = state.meetings;
        state.arrived += 1;
        if state.arrived == self.meeting.members {
            state.arrived = 0;
            state.meetings += 1;
            self.meeting.changed.notify_all();
        }
        while state.meetings == meeting && !state.broken {
            let waited = self.meeting.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let broken = state.broken;
        drop(state);
        if broken {
            // Without a word: the thread that panicked first has said what it was.
            std::panic::resume_unwind(Box::new("another thread of the race panicked"));
        }
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.meeting.state().broken = true;
            self.meeting.changed.notify_all();
        }
    }
}
