//! One thread a step.

use crate::sync::thread::{self, JoinHandle};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::{Next, Scheduler, Step, Task, run_once};
use crate::sync::{Condvar, Mutex};

/// Runs each step on a thread of its own, named `annals-` and the step's name, which sleeps while
/// there is nothing to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadScheduler;

impl Scheduler for ThreadScheduler {
    fn start(&self, step: Arc<dyn Step>) -> io::Result<Box<dyn Task>> {
        let signal = Arc::new(Signal::default());
        let thread = thread::Builder::new().name(format!("annals-{}", step.name())).spawn({
            let signal = Arc::clone(&signal);
            move || {
                let mut next = Next::Idle;
                while next != Next::Done && signal.wait(next) {
                    next = run_once(step.as_ref());
                }
            }
        })?;
        Ok(Box::new(ThreadTask { signal, thread: Some(thread) }))
    }
}

/// How a task speaks to its thread.
#[derive(Debug, Default)]
struct Signal {
    asked: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Asked {
    wake: bool,
    stop: bool,
}

impl Signal {
    /// Waits until the step is due; false: it must stop. Takes the wake before the step begins, so
    /// that one which comes during the step counts for the next.
    fn wait(&self, next: Next) -> bool {
        let deadline = match next {
            // A moment too far off to be told is never.
            Next::After(pause) => Instant::now().checked_add(pause),
            Next::Now | Next::Idle | Next::Done => None,
        };
        let mut asked = self.asked.lock();
        let mut due = next == Next::Now;
        while !(asked.stop || asked.wake || due) {
            match deadline {
                Some(deadline) => {
                    due = self.changed.wait_until(&mut asked, deadline).timed_out();
                }
                None => self.changed.wait(&mut asked),
            }
        }
        asked.wake = false;
        !asked.stop
    }

    fn ask(&self, ask: impl FnOnce(&mut Asked)) {
        ask(&mut self.asked.lock());
        self.changed.notify_one();
    }
}

#[derive(Debug)]
struct ThreadTask {
    signal: Arc<Signal>,
    /// Taken by the drop.
    thread: Option<JoinHandle<()>>,
}

impl Task for ThreadTask {
    fn wake(&self) {
        self.signal.ask(|asked| asked.wake = true);
    }
}

impl Drop for ThreadTask {
    fn drop(&mut self) {
        self.signal.ask(|asked| asked.stop = true);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // An error is a panic in `Step::panicked`, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}
