//! Calls that arrive when they are due, whether or not those before them are done: who waits for the
//! answer before the next question never sees what piles up behind a slow one ("coordinated
//! omission").

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Calls made by several threads, each with its own; given the thread and the number of its call.
pub type Calls<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// How long calls took, in nanoseconds from the moment at which each was due.
#[derive(Debug)]
pub struct Paced {
    /// Their times.
    pub times: Histogram<u64>,
    /// Calls a second that were done.
    pub rate: f64,
}

/// As many calls as fit into `time`, one behind the other on each thread: how many a second.
#[must_use]
pub fn closed(threads: usize, time: Duration, most: usize, call: Calls<'_>) -> f64 {
    let (done, took) = race(threads, |thread, start| {
        let left = |done: usize| done < most && start.elapsed() < time;
        let mut done = 0;
        while left(done) {
            call(thread, done);
            done += 1;
        }
        done
    });
    done.into_iter().sum::<usize>() as f64 / took.as_secs_f64()
}

/// `each` calls of every thread, `rate` a second in all.
#[must_use]
pub fn open(threads: usize, each: usize, rate: f64, call: Calls<'_>) -> Paced {
    let gap = Duration::from_secs_f64(threads as f64 / rate);
    let (parts, took) = race(threads, |thread, start| {
        let mut times = Histogram::<u64>::new(3).unwrap();
        // The threads take turns.
        let first = start + gap.mul_f64(thread as f64 / threads as f64);
        for number in 0..each {
            let due = first + gap.mul_f64(number as f64);
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            call(thread, number);
            times.record(due.elapsed().as_nanos() as u64).unwrap();
        }
        times
    });
    let mut times = Histogram::<u64>::new(3).unwrap();
    parts.into_iter().for_each(|part| times.add(part).unwrap());
    let rate = times.len() as f64 / took.as_secs_f64();
    Paced { times, rate }
}

/// Runs `work` on so many threads, which begin at one moment; gives what they gave, and the time
/// until the last has ended.
fn race<T: Send>(threads: usize, work: impl Fn(usize, Instant) -> T + Sync) -> (Vec<T>, Duration) {
    let barrier = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let (work, barrier) = (&work, &barrier);
        let run = |thread| {
            scope.spawn(move || {
                barrier.wait();
                work(thread, Instant::now())
            })
        };
        let threads: Vec<_> = (0..threads).map(run).collect();
        barrier.wait();
        let start = Instant::now();
        let all = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        (all, start.elapsed())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slow_call_holds_up_counts() {
        let pause = Duration::from_millis(200);
        let slow = |_, number| {
            if number == 10 {
                thread::sleep(pause);
            }
        };
        let paced = open(1, 100, 500.0, &slow);
        // One call in a hundred was slow; those that were due meanwhile waited for it.
        let median = Duration::from_nanos(paced.times.value_at_quantile(0.5));
        assert!(median > pause / 4, "{median:?}");
        assert_eq!(paced.times.len(), 100);
    }
}
