//! Ids that callers set, used by several at the same time.

use annals::{Commit, ErrorKind, ExpectedVersion, Receipt};
use annals_tests::workload::seeded;

use crate::rig::{DURABILITIES, Machine, check_all, event, explore, racers, together};

/// The same commit is tried by three at once: one is the first, the others get its receipt, and
/// nobody is told that somebody else used the id or changed the stream.
#[test]
fn racing_retries_get_the_first_receipt() {
    for durability in DURABILITIES {
        for expected in [ExpectedVersion::Any, ExpectedVersion::NoStream] {
            explore(move || {
                let store = Machine::new(durability).open();
                let racer = store.clone();
                let receipts: Vec<Receipt> = together(racers(3, move |n| {
                    let events = [0, 1].map(|part| event(7, part).id(seeded::id(part)));
                    let commit = Commit::new().append("order-1", expected, &events);
                    match n {
                        0 => racer.submit(&commit).unwrap().wait().unwrap(),
                        1 => racer.commit(&commit.durable()).unwrap(),
                        _ => racer.commit(&commit).unwrap(),
                    }
                }));
                let first: Vec<_> = receipts.iter().filter(|receipt| !receipt.repeated).collect();
                assert_eq!(first.len(), 1, "{receipts:?}");
                for receipt in &receipts {
                    let mut same = receipt.clone();
                    same.repeated = false;
                    assert_eq!(same, *first[0]);
                }
                assert_eq!(check_all(&store).len(), 2);
            });
        }
    }
}

/// Different events with one id: one is there, the others are told where.
#[test]
fn one_uses_an_id() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let racer = store.clone();
            let won = together(racers(3, move |n| {
                let events = [event(n, 0).id(seeded::id(1))];
                match racer.append(&format!("of-{n}"), ExpectedVersion::Any, &events) {
                    Ok(receipt) => {
                        assert!(!receipt.repeated);
                        true
                    }
                    Err(error) => {
                        let ErrorKind::IdReused { position, .. } = error.kind() else {
                            panic!("{error}");
                        };
                        let there = racer.head().event(*position).unwrap().unwrap();
                        assert_eq!(there.id(), seeded::id(1));
                        false
                    }
                }
            }));
            assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
            assert_eq!(check_all(&store).len(), 1);
        });
    }
}

/// The first try is on its way when others repeat it with an expectation that no longer holds: they
/// get its receipt all the same.
#[test]
fn a_retry_that_expects_something_else() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            store.append("order-1", ExpectedVersion::Any, &[event(9, 9)]).unwrap();
            let events = [0, 1].map(|part| event(7, part).id(seeded::id(part)));
            let commit = |expected| Commit::new().append("order-1", expected, events.to_vec());
            let first = store.submit(&commit(ExpectedVersion::Any)).unwrap();
            let (racer, again) = (store.clone(), commit(ExpectedVersion::NoStream));
            let receipts: Vec<Receipt> =
                together(racers(2, move |_| racer.commit(&again).unwrap()));
            let first = first.wait().unwrap();
            for receipt in receipts {
                assert!(receipt.repeated);
                assert_eq!(receipt.first_position, first.first_position);
            }
            assert_eq!(check_all(&store).len(), 3);
        });
    }
}
