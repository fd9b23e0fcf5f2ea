//! Appends that are not waited for at once.

use annals::{Commit, Durability, ExpectedVersion, Receipt, Version};
use shuttle::future::block_on;

use crate::rig::{
    DURABILITIES, Machine, check_all, check_receipts, event, explore, racers, together,
};

const ANY: ExpectedVersion = ExpectedVersion::Any;

/// Pipelined commits beside one that waits: waited for in another order, awaited, or dropped.
#[test]
fn they_keep_their_order_and_come_through() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let writer = store.clone();
            let receipts = together(racers(3, move |n| {
                if n == 2 {
                    return vec![writer.append("shared-1", ANY, &[event(n, 0)]).unwrap()];
                }
                let own = format!("own-{n}");
                let submit = |at: u64| {
                    let commit =
                        Commit::new().append(&own, ExpectedVersion::at(at), vec![event(n, at)]);
                    writer.submit(&commit).unwrap()
                };
                let (first, second, third) = (submit(0), submit(1), submit(2));
                let (last, middle) = if n == 0 {
                    let last = third.wait().unwrap();
                    assert!(writer.position() >= last.position);
                    (last, block_on(second).unwrap())
                } else {
                    let middle = second.receipt().clone();
                    drop(second);
                    (block_on(third).unwrap(), middle)
                };
                let first = first.wait().unwrap();
                assert!(first.position < middle.position && middle.position < last.position);
                assert_eq!(writer.version(&own).unwrap(), Version::new(3));
                vec![first, middle, last]
            }));
            let receipts: Vec<Receipt> = receipts.into_iter().flatten().collect();
            check_receipts(&store, &receipts);
            check_all(&store);
        });
    }
}

/// Nobody waits, appends or closes: the background makes them durable and wakes who awaits it.
#[test]
fn awaited_in_the_background() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let submitted: Vec<_> = (0..2)
                .map(|n| {
                    let commit = Commit::new().append(format!("own-{n}"), ANY, vec![event(n, 0)]);
                    store.submit(&commit.durable()).unwrap()
                })
                .collect();
            let waiting: Vec<_> = submitted
                .into_iter()
                .map(|submitted| {
                    let machine = machine.clone();
                    shuttle::thread::spawn(move || {
                        let receipt = block_on(submitted).unwrap();
                        let left = machine.after_a_power_cut();
                        assert!(left.position() >= receipt.position, "durable and lost");
                    })
                })
                .collect();
            waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
            assert_eq!(check_all(&store).len(), 2);
        });
    }
}

/// In a buffered store each says for itself what it has survived when it returns.
#[test]
fn durable_appends_in_a_buffered_store() {
    explore(|| {
        let machine = Machine::new(Durability::Buffered);
        let store = machine.open();
        let (writer, disk) = (store.clone(), machine.clone());
        together(racers(3, move |n| {
            let commit = Commit::new().append(format!("own-{n}"), ANY, vec![event(n, 0)]);
            match n {
                0 => {
                    let receipt = writer.commit(&commit.durable()).unwrap();
                    assert!(disk.after_a_power_cut().position() >= receipt.position);
                }
                1 => {
                    let receipt = writer.commit(&commit).unwrap();
                    let left = disk.after_a_crash();
                    assert!(left.position() >= receipt.position, "a kill took it");
                    writer.sync().unwrap();
                    assert!(disk.after_a_power_cut().position() >= receipt.position);
                }
                _ => {
                    let receipt = writer.commit(&commit).unwrap();
                    assert!(writer.position() >= receipt.position);
                }
            }
        }));
        assert_eq!(check_all(&store).len(), 3);
    });
}
