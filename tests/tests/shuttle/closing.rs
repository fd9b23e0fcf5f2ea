//! A store that is closed while others use it.

use std::io;

use annals::{Commit, ErrorKind, ExpectedVersion};
use shuttle::rand::Rng;

use crate::rig::{DURABILITIES, Machine, check_all, event, explore, sized};

const ANY: ExpectedVersion = ExpectedVersion::Any;

/// Each append is there afterwards, or was refused; what was submitted before is there as well.
#[test]
fn while_appends_run() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let writers: Vec<_> = (0..2)
                .map(|n| {
                    let store = store.clone();
                    shuttle::thread::spawn(move || {
                        let mut taken = 0;
                        for number in 0..3 {
                            let commit = Commit::new().append("s-1", ANY, vec![event(n, number)]);
                            let outcome = if number == 1 {
                                store.submit(&commit).and_then(annals::Submitted::wait)
                            } else {
                                store.commit(&commit)
                            };
                            match outcome {
                                Ok(_) => taken += 1,
                                Err(error) => {
                                    assert_eq!(*error.kind(), ErrorKind::Closed, "{error}");
                                    break;
                                }
                            }
                        }
                        taken
                    })
                })
                .collect();
            let other = store.clone();
            let closer = shuttle::thread::spawn(move || other.close().unwrap());
            store.close().unwrap();
            closer.join().unwrap();
            let taken: u64 = writers.into_iter().map(|thread| thread.join().unwrap()).sum();
            let again = machine.opened_again();
            assert_eq!(check_all(&again).len() as u64, taken);
            assert!(again.recovered_tail().is_none());
        });
    }
}

/// A reader keeps its view over the end of the store, with the index in memory.
#[test]
fn while_a_view_is_read() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            store.append("s-1", ANY, &[event(0, 0), event(0, 1)]).unwrap();
            let view = store.head();
            let reader = shuttle::thread::spawn(move || {
                assert_eq!(check_all(&view).len(), 2);
                assert_eq!(view.version("s-1").unwrap().get(), 2);
            });
            let writer = store.clone();
            let writer = shuttle::thread::spawn(move || {
                // The last handle but one may be this thread's.
                writer.append("s-1", ANY, &[event(1, 0)]).map_or(0, |_| 1)
            });
            drop(store);
            let taken = writer.join().unwrap();
            reader.join().unwrap();
            assert_eq!(check_all(&machine.opened_again()).len(), 2 + taken);
        });
    }
}

/// Once a store is closed, nobody of it touches the disk any more, whatever failed before: the next
/// one may have been opened meanwhile.
#[test]
fn nothing_is_written_behind_the_end() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let disk = machine.disk.clone();
            let failing = disk.operations() + 1 + shuttle::rand::thread_rng().r#gen::<u64>() % 12;
            disk.fail_at(failing, io::ErrorKind::Other);
            // Closed at any time, or by who is refused, while others may still be at the disk.
            let write = |n: u64| {
                let (store, disk) = (store.clone(), disk.clone());
                shuttle::thread::spawn(move || {
                    for number in 0..3 {
                        // So large that space is reserved and segments end.
                        if store.append("s-1", ANY, &[sized(n, number, 7_000)]).is_err() {
                            break;
                        }
                    }
                    store.close().ok();
                    disk.operations()
                })
            };
            let writers = [write(0), write(1), write(2)];
            let mut counts = Vec::new();
            if shuttle::rand::thread_rng().r#gen() {
                store.close().ok();
                counts.push(disk.operations());
            }
            counts.extend(writers.map(|thread| thread.join().unwrap()));
            let last = disk.operations();
            assert!(counts.iter().all(|count| *count == last), "{counts:?}, and then {last}");
            check_all(&machine.opened_again());
        });
    }
}
