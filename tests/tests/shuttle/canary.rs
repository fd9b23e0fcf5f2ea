//! The rig finds races: planted ones, of the kinds that the engine must not have.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use annals::ExpectedVersion;
use annals_env::sync::atomic::{AtomicU64, Ordering};
use annals_env::sync::{Condvar, Mutex};

use crate::rig::{
    DURABILITIES, Machine, check_all, check_that_it_repeats, explore_times, racers, together, whole,
};

/// Enough for races so small.
const TIMES: usize = 500;

/// What a race that must fail said when it did.
fn found(race: impl Fn() + Send + Sync + 'static) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| explore_times(TIMES, race)));
    let panic = panic.expect_err("the planted race was not found");
    let said = panic.downcast_ref::<String>().cloned();
    said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// A group as the log has it, in little.
#[derive(Default)]
struct Group {
    done: Mutex<bool>,
    turn: Condvar,
}

fn leader_and_follower(lead: fn(&Group)) {
    let group = Arc::new(Group::default());
    let leader = {
        let group = Arc::clone(&group);
        shuttle::thread::spawn(move || lead(&group))
    };
    let mut done = group.done.lock();
    while !*done {
        group.turn.wait(&mut done);
    }
    drop(done);
    leader.join().unwrap();
}

#[test]
fn a_lost_wake_up() {
    // Right: what is waited for changes under the lock.
    let right = |group: &Group| {
        *group.done.lock() = true;
        group.turn.notify_all();
    };
    explore_times(TIMES, move || leader_and_follower(right));
    // Wrong: woken before it is so.
    let wrong = |group: &Group| {
        group.turn.notify_all();
        *group.done.lock() = true;
    };
    let said = found(move || leader_and_follower(wrong));
    assert!(said.contains("deadlock"), "{said}");
}

fn writer_and_reader(publish: fn(&[AtomicU64; 2])) {
    // What is written, and how far it is visible.
    let log = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let writer = {
        let log = Arc::clone(&log);
        shuttle::thread::spawn(move || publish(&log))
    };
    let [written, visible] = &*log;
    let seen = visible.load(Ordering::SeqCst);
    assert!(written.load(Ordering::SeqCst) >= seen, "visible before it is written");
    writer.join().unwrap();
}

#[test]
fn visible_before_it_is_written() {
    let right = |[written, visible]: &[AtomicU64; 2]| {
        written.store(1, Ordering::SeqCst);
        visible.store(1, Ordering::SeqCst);
    };
    explore_times(TIMES, move || writer_and_reader(right));
    let wrong = |[written, visible]: &[AtomicU64; 2]| {
        visible.store(1, Ordering::SeqCst);
        written.store(1, Ordering::SeqCst);
    };
    let said = found(move || writer_and_reader(wrong));
    assert!(said.contains("visible before it is written"), "{said}");
}

/// The engine does the same in the same order of steps.
#[test]
fn the_same_schedule_is_the_same_run() {
    for durability in DURABILITIES {
        check_that_it_repeats(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let racer = store.clone();
            together(racers(3, move |n| {
                racer.append("shared-1", ExpectedVersion::Any, &whole(n, 2, 4_000)).unwrap();
                assert!(!check_all(&racer).is_empty());
            }));
            store.close().unwrap();
            assert_eq!(check_all(&machine.opened_again()).len(), 6);
        });
    }
}

#[test]
fn two_decide_on_the_same_version() {
    let said = found(|| {
        let version = Arc::new(Mutex::new(0_u64));
        let racers: Vec<_> = (0..2)
            .map(|_| {
                let version = Arc::clone(&version);
                shuttle::thread::spawn(move || {
                    // Decided outside the lock, and not again inside.
                    let seen = *version.lock();
                    *version.lock() = seen + 1;
                })
            })
            .collect();
        racers.into_iter().for_each(|racer| racer.join().unwrap());
        assert_eq!(*version.lock(), 2, "both won");
    });
    assert!(said.contains("both won"), "{said}");
}
