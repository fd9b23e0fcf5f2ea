//! Work that several threads do together while their caller waits.

use crate::sync::thread;

/// How many threads can run at once on this machine; one where it does not say.
#[must_use]
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Runs `work` on so many threads at once, the caller's own among them, and gives what each came
/// to. On fewer, where no more can be made: at least once. A panic in one of them goes on in the
/// caller's, once all have ended.
pub fn run<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..threads).map_while(|_| spawn(scope, work)).collect();
        let mut results = vec![work()];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

#[cfg(not(shuttle))]
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    work: &'scope (impl Fn() -> T + Sync),
) -> Option<thread::ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().name("annals-work".to_owned()).spawn_scoped(scope, work).ok()
}

#[cfg(shuttle)]
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    work: &'scope (impl Fn() -> T + Sync),
) -> Option<thread::ScopedJoinHandle<'scope, T>> {
    Some(scope.spawn(work))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_threads_work_at_once_and_each_gives_its_own() {
        let (met, count) = (Barrier::new(3), AtomicUsize::new(0));
        let mut results = run(3, || {
            met.wait();
            count.fetch_add(1, Ordering::Relaxed)
        });
        results.sort_unstable();
        assert_eq!(results, [0, 1, 2]);
        assert_eq!(run(0, || 7), [7]);
    }

    #[test]
    #[should_panic(expected = "one of them")]
    fn a_panic_goes_on() {
        let count = AtomicUsize::new(0);
        run(2, || assert_eq!(count.fetch_add(1, Ordering::Relaxed), 0, "one of them"));
    }
}
