//! Readers beside writers: views that do not change, no hole, nothing that could still be lost.

use annals::{Commit, Durability, ExpectedVersion, Position, Read, ReadOnlyStore, Store, View};

use crate::rig::{DURABILITIES, Machine, check_all, event, explore, whole};

const ANY: ExpectedVersion = ExpectedVersion::Any;
/// Of events so large, a few fill a segment.
const LARGE: usize = 5_000;

fn spawn(work: impl FnOnce() + Send + 'static) -> shuttle::thread::JoinHandle<()> {
    shuttle::thread::spawn(work)
}

/// Two writers of two commits each, so large that segments end under them.
fn writers(store: &Store) -> Vec<shuttle::thread::JoinHandle<()>> {
    let write = |n: u64| {
        let store = store.clone();
        spawn(move || {
            for _ in 0..2 {
                store.append(&format!("own-{n}"), ANY, &whole(n, 2, LARGE)).unwrap();
            }
        })
    };
    vec![write(0), write(1)]
}

/// All that a view answers is what it answered before, and its verbs agree.
fn check_view(view: &View) -> Vec<Position> {
    let events = check_all(view);
    let positions: Vec<Position> = events.iter().map(|event| event.position()).collect();
    for stream in ["own-0", "own-1"] {
        let own: Vec<_> = events.iter().filter(|event| event.stream() == stream).collect();
        assert_eq!(view.version(stream).unwrap().get(), own.len() as u64);
        let listed = view.read_stream(stream).map(|event| event.unwrap().position());
        assert!(listed.eq(own.iter().map(|event| event.position())));
        let last = view.last_event(stream).unwrap().map(|event| event.position());
        assert_eq!(last, own.last().map(|event| event.position()));
    }
    let back = view.read(Read::all().backward()).map(|event| event.unwrap().position());
    assert!(back.eq(positions.iter().rev().copied()));
    positions
}

/// Views while segments end and are sealed: the same answers each time, and each later view shows
/// what an earlier one did.
#[test]
fn views_stay_as_they_are() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let mut work = writers(&store);
            let reader = store.clone();
            work.push(spawn(move || {
                let early = reader.head();
                let seen = check_view(&early);
                let later = reader.head();
                assert!(later.position() >= early.position());
                assert!(check_view(&later).starts_with(&seen));
                assert_eq!(check_view(&early), seen, "the view changed");
                let again = reader.as_of(early.position()).unwrap();
                assert_eq!(check_view(&again), seen);
            }));
            work.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(store.stats().unwrap().segments > 1, "no segment ended");
            assert_eq!(check_view(&store.head()).len(), 8);
            let report = store.verify(&mut |_, _| {}).unwrap();
            assert!(report.is_clean(), "{:?}", report.damage);
        });
    }
}

/// What a reader has seen is there after the worst crash of that moment.
#[test]
fn nothing_is_seen_that_can_be_lost() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let mut work = writers(&store);
            let (reader, disk) = (store.clone(), machine);
            work.push(spawn(move || {
                for _ in 0..2 {
                    let seen = reader.position();
                    let left = disk.after_a_crash();
                    assert!(left.position() >= seen, "{seen} was seen and is lost");
                    check_all(&left);
                }
            }));
            work.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

/// What is said to have been recorded up to a moment does not change any more.
#[test]
fn a_moment_is_settled() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let write = |n: u64| {
                let store = store.clone();
                spawn(move || {
                    store.append(&format!("own-{n}"), ANY, &[event(n, 0)]).unwrap();
                    let commit = Commit::new().append("shared-1", ANY, vec![event(n, 1)]);
                    store.submit(&commit).unwrap().wait().unwrap();
                })
            };
            let mut work = vec![write(0), write(1)];
            let (reader, clock) = (store.clone(), machine.env().clock.clone());
            work.push(spawn(move || {
                let moment = clock.now();
                let then = reader.as_of(moment).unwrap();
                let all = reader.read_all().map(|event| event.unwrap());
                let up_to: u64 = all.filter(|event| event.recorded_at() <= moment).count() as u64;
                assert_eq!(then.position().get(), up_to);
                assert_eq!(reader.as_of(moment).unwrap().position(), then.position());
            }));
            work.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

/// A reader that shares nothing with the writer but the disk.
#[test]
fn a_reader_of_another_process() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let mut work = writers(&store);
            work.push(spawn(move || {
                let reader = ReadOnlyStore::open_in(machine.env(), &machine.path()).unwrap();
                let early = reader.head();
                let seen = check_view(&early);
                let refreshed = reader.refresh().unwrap();
                let later = reader.head();
                assert!(later.position() >= refreshed && refreshed >= early.position());
                assert!(check_view(&later).starts_with(&seen));
                assert_eq!(check_view(&early), seen, "the view changed");
                if durability == Durability::Sync {
                    assert!(machine.after_a_crash().position() >= later.position());
                }
            }));
            work.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}
