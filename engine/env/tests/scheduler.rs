//! Both schedulers: no wake is lost, a stopped step stays stopped, a panic is told.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use annals_env::sync::Mutex;
use annals_env::sync::atomic::{AtomicU64, Ordering};
use annals_env::{
    Clock, ManualClock, ManualScheduler, Next, Scheduler, Step, SystemClock, Task, ThreadScheduler,
};
use annals_types::Timestamp;

const LONG: Duration = Duration::from_secs(20);

/// A step that does what a closure says; the closure is told how often it ran before.
struct Scripted<F> {
    name: &'static str,
    runs: AtomicU64,
    script: F,
    panics: Mutex<Sender<String>>,
}

impl<F: Fn(u64) -> Next + Send + Sync> Step for Scripted<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn step(&self) -> Next {
        (self.script)(self.runs.fetch_add(1, Ordering::SeqCst))
    }

    fn panicked(&self, message: &str) {
        // The receiver is gone where a test does not look at panics.
        let _ = self.panics.lock().send(message.to_owned());
    }
}

fn scripted<F: Fn(u64) -> Next + Send + Sync>(
    name: &'static str,
    script: F,
) -> (Arc<Scripted<F>>, Receiver<String>) {
    let (panics, told) = channel();
    let runs = AtomicU64::new(0);
    (Arc::new(Scripted { name, runs, script, panics: Mutex::new(panics) }), told)
}

fn manual() -> (ManualScheduler, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    (ManualScheduler::new(Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

#[test]
fn a_thread_waits_for_its_first_wake_and_has_a_name() {
    let (ran, told) = channel();
    let ran = Mutex::new(ran);
    let (step, _) = scripted("worker", move |_| {
        ran.lock().send(std::thread::current().name().unwrap().to_owned()).unwrap();
        Next::Idle
    });
    let task = ThreadScheduler.start(step).unwrap();
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
    task.wake();
    assert_eq!(told.recv_timeout(LONG).unwrap(), "annals-worker");
}

#[test]
fn a_wake_during_a_step_runs_it_once_more() {
    let (entered, on_entry) = channel();
    let (leave, on_leave) = channel::<()>();
    let (entered, on_leave) = (Mutex::new(entered), Mutex::new(on_leave));
    let (step, _) = scripted("busy", move |runs| {
        entered.lock().send(runs).unwrap();
        on_leave.lock().recv().unwrap();
        Next::Idle
    });
    let task = ThreadScheduler.start(step).unwrap();
    task.wake();
    assert_eq!(on_entry.recv_timeout(LONG).unwrap(), 0);
    task.wake();
    task.wake();
    leave.send(()).unwrap();
    assert_eq!(on_entry.recv_timeout(LONG).unwrap(), 1);
    leave.send(()).unwrap();
    // The two wakes were one.
    assert!(on_entry.recv_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn no_wake_is_lost_between_threads() {
    let asked = Arc::new(AtomicU64::new(0));
    let (seen, told) = channel();
    let seen = Mutex::new(seen);
    let (step, _) = scripted("counter", {
        let asked = Arc::clone(&asked);
        move |_| {
            seen.lock().send(asked.load(Ordering::SeqCst)).unwrap();
            Next::Idle
        }
    });
    let task = ThreadScheduler.start(step).unwrap();
    for number in 1..=2_000 {
        asked.store(number, Ordering::SeqCst);
        task.wake();
        // Now and then wait for the step, so that the wake meets it at different places.
        if number % 3 == 0 {
            while told.recv_timeout(LONG).unwrap() < number {}
        }
    }
    while told.recv_timeout(LONG).unwrap() < 2_000 {}
}

#[test]
fn a_pause_ends_by_itself_or_by_a_wake() {
    let (ran, told) = channel();
    let ran = Mutex::new(ran);
    let (step, _) = scripted("pausing", move |runs| {
        ran.lock().send(runs).unwrap();
        match runs {
            0 => Next::After(Duration::from_millis(1)),
            1 => Next::After(Duration::MAX),
            2 => Next::After(Duration::from_secs(3_600)),
            3 => Next::Now,
            _ => Next::Done,
        }
    });
    let task = ThreadScheduler.start(step).unwrap();
    task.wake();
    assert_eq!(told.recv_timeout(LONG).unwrap(), 0);
    assert_eq!(told.recv_timeout(LONG).unwrap(), 1);
    for woken in 2..4 {
        assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
        task.wake();
        assert_eq!(told.recv_timeout(LONG).unwrap(), woken);
    }
    assert_eq!(told.recv_timeout(LONG).unwrap(), 4);
    task.wake();
    // Done: the step is gone, and with it the sender.
    assert!(told.recv_timeout(LONG).is_err());
}

#[test]
fn drop_waits_for_the_step_and_stops_it() {
    let (entered, on_entry) = channel();
    let entered = Mutex::new(entered);
    let left = Arc::new(AtomicU64::new(0));
    let (step, _) = scripted("slow", {
        let left = Arc::clone(&left);
        move |_| {
            entered.lock().send(()).unwrap();
            std::thread::sleep(Duration::from_millis(30));
            left.fetch_add(1, Ordering::SeqCst);
            Next::Now
        }
    });
    let weak = Arc::downgrade(&step);
    let task = ThreadScheduler.start(step).unwrap();
    task.wake();
    on_entry.recv_timeout(LONG).unwrap();
    drop(task);
    let after = left.load(Ordering::SeqCst);
    assert!(after >= 1);
    assert!(weak.upgrade().is_none());
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(left.load(Ordering::SeqCst), after);
}

#[test]
fn an_idle_step_can_be_dropped_without_a_wake() {
    let (step, _) = scripted("idle", |_| Next::Idle);
    drop(ThreadScheduler.start(step).unwrap());
}

/// A task that its own step drops.
type Own = Arc<Mutex<Option<Box<dyn Task>>>>;

#[test]
fn a_step_may_drop_its_own_task() {
    let own = Own::default();
    let (ran, told) = channel();
    let ran = Mutex::new(ran);
    let (step, _) = scripted("suicidal", {
        let own = Arc::clone(&own);
        move |runs| {
            drop(own.lock().take());
            ran.lock().send(runs).unwrap();
            Next::Now
        }
    });
    let mut held = own.lock();
    let task = held.insert(ThreadScheduler.start(step).unwrap());
    task.wake();
    drop(held);
    assert_eq!(told.recv_timeout(LONG).unwrap(), 0);
    // The thread ends after the step, and the sender with it.
    assert!(told.recv_timeout(LONG).is_err());
}

#[test]
fn a_panic_is_told_once_and_ends_the_step() {
    for started in [true, false] {
        let (step, panics) = scripted("broken", |runs| {
            assert!(runs < 2, "run {runs} is one too many");
            Next::Now
        });
        let (manual, _) = manual();
        let scheduler: &dyn Scheduler = if started { &ThreadScheduler } else { &manual };
        let task = scheduler.start(step).unwrap();
        task.wake();
        manual.run_until_idle();
        assert_eq!(panics.recv_timeout(LONG).unwrap(), "run 2 is one too many");
        task.wake();
        manual.run_until_idle();
        assert!(manual.names().is_empty());
        drop(task);
        assert!(panics.try_recv().is_err());
    }
}

#[test]
fn the_manual_scheduler_runs_only_what_is_due() {
    let (scheduler, clock) = manual();
    let (step, _) = scripted("a", |runs| match runs {
        0 => Next::Now,
        1 => Next::Idle,
        2 => Next::After(Duration::from_millis(100)),
        _ => Next::Done,
    });
    let task = scheduler.start(Arc::clone(&step) as Arc<dyn Step>).unwrap();
    let runs = || step.runs.load(Ordering::SeqCst);
    assert_eq!(scheduler.names(), ["a"]);
    assert!(scheduler.due().is_empty());
    assert_eq!(scheduler.run_until_idle(), 0);
    assert!(!scheduler.run_one("a"));
    assert!(!scheduler.run_any(7));

    task.wake();
    task.wake();
    assert_eq!(scheduler.due(), ["a"]);
    assert!(!scheduler.run_one("b"));
    assert_eq!(scheduler.run_until_idle(), 2);

    task.wake();
    assert!(scheduler.run_one("a"));
    assert_eq!((runs(), scheduler.next_due()), (3, Some(Duration::from_millis(100))));
    assert_eq!(scheduler.run_until_idle(), 0);
    clock.advance(Duration::from_millis(99));
    // The wall clock says nothing about pauses.
    clock.set(Timestamp::MAX);
    assert_eq!(scheduler.run_until_idle(), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(scheduler.run_until_idle(), 1);

    assert_eq!(scheduler.next_due(), None);
    assert!(scheduler.names().is_empty());
    task.wake();
    assert!(!scheduler.run_one("a"));
    assert_eq!(runs(), 4);
    // Of what is done nothing is kept.
    assert_eq!(Arc::strong_count(&step), 1);
}

#[test]
fn the_same_choices_run_the_same_steps() {
    let order = |seed: u64| -> Vec<&'static str> {
        let (scheduler, _) = manual();
        let log = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let log = Arc::clone(&log);
                let (step, _) = scripted(name, move |runs| {
                    log.lock().push(name);
                    if runs < 9 { Next::Now } else { Next::Done }
                });
                scheduler.start(step).unwrap()
            })
            .collect();
        tasks.iter().for_each(|task| task.wake());
        let mut choice = seed;
        while scheduler.run_any(choice) {
            choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        let log = log.lock().clone();
        assert_eq!(log.len(), 30);
        log
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn steps_may_wake_start_and_drop_tasks() {
    let (scheduler, _) = manual();
    let own = Own::default();
    let others = Arc::new(Mutex::new(Vec::new()));
    let child_runs = Arc::new(AtomicU64::new(0));
    let (step, _) = scripted("parent", {
        let (own, others, scheduler) = (Arc::clone(&own), Arc::clone(&others), scheduler.clone());
        let child_runs = Arc::clone(&child_runs);
        move |runs| {
            // A step that runs the scheduler does not run itself.
            assert!(!scheduler.run_one("parent"));
            let child_runs = Arc::clone(&child_runs);
            let (child, _) = scripted("child", move |_| {
                child_runs.fetch_add(1, Ordering::SeqCst);
                Next::Idle
            });
            let child = scheduler.start(child).unwrap();
            child.wake();
            others.lock().push(child);
            if runs == 1 {
                others.lock().remove(0);
            }
            if runs == 2 {
                drop(own.lock().take());
            }
            Next::Now
        }
    });
    let mut held = own.lock();
    held.insert(scheduler.start(step).unwrap()).wake();
    drop(held);
    assert!(scheduler.run_one("parent"));
    assert!(scheduler.run_one("parent"));
    assert!(scheduler.run_one("parent"));
    assert_eq!(scheduler.names(), ["child", "child"]);
    assert_eq!(scheduler.run_until_idle(), 2);
    assert_eq!(child_runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_manual_drop_waits_for_a_step_on_another_thread() {
    let (scheduler, _) = manual();
    let (entered, on_entry) = channel();
    let entered = Mutex::new(entered);
    let left = Arc::new(AtomicU64::new(0));
    let (step, _) = scripted("slow", {
        let left = Arc::clone(&left);
        move |_| {
            entered.lock().send(()).unwrap();
            std::thread::sleep(Duration::from_millis(30));
            left.fetch_add(1, Ordering::SeqCst);
            Next::Now
        }
    });
    let weak = Arc::downgrade(&step);
    let task = scheduler.start(step).unwrap();
    task.wake();
    std::thread::scope(|scope| {
        scope.spawn(|| scheduler.run_one("slow"));
        on_entry.recv_timeout(LONG).unwrap();
        drop(task);
        assert_eq!(left.load(Ordering::SeqCst), 1);
        assert!(weak.upgrade().is_none());
    });
    assert!(scheduler.names().is_empty());
}

#[test]
fn a_task_outlives_its_manual_scheduler() {
    let (step, _) = scripted("orphan", |_| Next::Idle);
    let scheduler = ManualScheduler::new(Arc::new(SystemClock));
    let task = scheduler.start(step).unwrap();
    drop(scheduler);
    task.wake();
}
