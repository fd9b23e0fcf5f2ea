//! Followers: each event once, none left out, and never a wake-up missed.

use annals::{Commit, Event, ExpectedVersion, QueryItem, Store};
use shuttle::thread::JoinHandle;

use crate::rig::{DURABILITIES, Machine, event, explore, whole};

const ANY: ExpectedVersion = ExpectedVersion::Any;

fn write(store: &Store, n: u64) -> JoinHandle<()> {
    let store = store.clone();
    shuttle::thread::spawn(move || {
        store.append(&format!("own-{n}"), ANY, &whole(n, 2, 9_000)).unwrap();
        let commit = Commit::new().append("shared-1", ANY, vec![event(n, 7)]);
        if n == 0 {
            store.commit(&commit).unwrap();
        } else {
            drop(store.submit(&commit).unwrap());
        }
    })
}

/// Followers of what is durable and of what is visible wait for as many events as there will be.
#[test]
fn every_event_once_and_in_order() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let follow = |visible: bool| {
                let follow = store.follow();
                let follow = if visible { follow.visible() } else { follow };
                let (mut follower, machine) = (follow.start().unwrap(), machine.clone());
                shuttle::thread::spawn(move || {
                    for number in 1..=6 {
                        let event = follower.next().expect("the store is open").unwrap();
                        assert_eq!(event.position().get(), number, "a hole or a double");
                        if !visible && number % 3 == 0 {
                            let left = machine.after_a_power_cut();
                            assert!(left.position() >= event.position(), "not durable");
                        }
                    }
                })
            };
            let work = [write(&store, 0), write(&store, 1), follow(false), follow(true)];
            work.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

/// The store is closed under a follower that waits: it got all that matched, and ends.
#[test]
fn closing_ends_who_follows() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let wanted = QueryItem::new().tag("writer:1");
            let follower = store.follow().matching(wanted).start().unwrap();
            let following = shuttle::thread::spawn(move || {
                let events: Vec<Event> = follower.map(Result::unwrap).collect();
                assert!(events.iter().all(|event| event.tags().any(|tag| tag == "writer:1")));
                assert!(events.is_sorted_by(|a, b| a.position() < b.position()));
                events.len()
            });
            let writers = [write(&store, 0), write(&store, 1)];
            writers.into_iter().for_each(|thread| thread.join().unwrap());
            store.close().unwrap();
            // It may have been late, but it ends.
            assert!(following.join().unwrap() <= 3);
        });
    }
}
