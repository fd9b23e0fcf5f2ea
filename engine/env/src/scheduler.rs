//! Background work: small steps, run by threads in a service and by the test in a simulation.

mod manual;
mod thread;

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use manual::ManualScheduler;
pub use thread::ThreadScheduler;

/// When a step wants to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more to do.
    Now,
    /// When so much time has passed, or earlier when woken.
    After(Duration),
    /// When woken.
    Idle,
    /// Never.
    Done,
}

/// One kind of background work, done in bounded steps.
pub trait Step: Send + Sync {
    /// A short name, for thread names and tests.
    fn name(&self) -> &'static str;

    /// Does a bounded piece of work. Never called twice at once.
    fn step(&self) -> Next;

    /// A step panicked: `message` is what it said. It will not run again.
    fn panicked(&self, message: &str);
}

/// Who runs the steps.
pub trait Scheduler: Debug + Send + Sync {
    /// Starts to run `step`, first when woken.
    ///
    /// # Errors
    /// Where no thread can be made.
    fn start(&self, step: Arc<dyn Step>) -> std::io::Result<Box<dyn Task>>;
}

/// A started step. Dropping it stops it: when the drop returns, the step is not running and will
/// not run again (unless the drop happens inside the step itself, which then ends after it).
pub trait Task: Debug + Send + Sync {
    /// Asks for the step to run soon. Never lost: a wake during a step makes it run once more.
    fn wake(&self);
}

/// Runs a step once. One that panics is told so and is done.
fn run_once(step: &dyn Step) -> Next {
    catch_unwind(AssertUnwindSafe(|| step.step())).unwrap_or_else(|panic| {
        step.panicked(message(panic.as_ref()));
        Next::Done
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}
