//! The disk fails or is full while several append: everybody is told, and told the truth.

use std::io;

use annals::{Commit, ErrorKind, ExpectedVersion, Receipt, Result, Submitted, Version};
use annals_env::OperationKind;
use shuttle::future::block_on;

use crate::rig::{DURABILITIES, Machine, check_all, explore, racers, together, whole};

const ANY: ExpectedVersion = ExpectedVersion::Any;

type Outcome = (String, Result<Receipt>);

/// Each of three writers appends twice: waiting, by `submit`, and awaiting.
fn write(machine: &Machine) -> Vec<Outcome> {
    let store = machine.open();
    let disk = machine.disk.clone();
    let outcomes = together(racers(3, move |n| {
        let attempt = |number: u64| {
            if n == 0 && number == 0 {
                disk.fail_next(OperationKind::Sync, io::ErrorKind::Other);
            }
            let stream = format!("own-{n}-{number}");
            let commit = Commit::new().append(stream.clone(), ANY, whole(n, 2, 10)).durable();
            let outcome = match n {
                0 => store.commit(&commit),
                1 => store.submit(&commit).and_then(Submitted::wait),
                _ => store.submit(&commit).and_then(block_on),
            };
            (stream, outcome)
        };
        vec![attempt(0), attempt(1)]
    }));
    outcomes.into_iter().flatten().collect()
}

/// A sync fails while a group waits for it: each waiter is told, nothing of it is shown, and after
/// another opening what was acknowledged is there and what was refused is not.
#[test]
fn a_sync_fails_while_a_group_waits() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let outcomes = write(&machine);
            let again = machine.opened_again();
            check_all(&again);
            let mut failed = 0;
            for (stream, outcome) in outcomes {
                let version = again.version(&stream).unwrap();
                match outcome.map_err(|error| error.kind().clone()) {
                    Ok(receipt) => assert_eq!(version, receipt.version, "{stream}"),
                    Err(ErrorKind::Failed) => {
                        failed += 1;
                        assert_eq!(version, Version::NONE, "{stream}");
                    }
                    Err(ErrorKind::OutcomeUnknown) => failed += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
            // The failure was ordered before the first append: it hits that one at the latest.
            assert!(failed > 0, "nobody was told");
        });
    }
}

/// Whoever waits for anything when the log fails is let go.
#[test]
fn nobody_waits_after_a_failure() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let follower = store.follow().start().unwrap();
            let following = shuttle::thread::spawn(move || follower.map(Result::unwrap).count());
            let (writer, disk) = (store.clone(), machine.disk.clone());
            let done = together(racers(3, move |n| match n {
                0 => {
                    disk.fail_next(OperationKind::Sync, io::ErrorKind::Other);
                    writer.append("a-1", ANY, &whole(n, 1, 10)).is_ok()
                }
                1 => writer.sync().is_ok(),
                _ => {
                    let seen = writer.position();
                    let ok = writer.append("a-1", ANY, &whole(n, 1, 10)).is_ok();
                    // Reads go on, and nothing is taken back.
                    assert!(check_all(&writer).len() as u64 >= seen.get());
                    ok
                }
            }));
            let shown = store.position();
            store.close().ok();
            // Only what is durable is followed.
            assert!(following.join().unwrap() as u64 <= shown.get());
            let again = machine.opened_again();
            assert!(again.position() >= shown);
            check_all(&again);
            let taken = [done[0], done[2]].into_iter().filter(|ok| *ok).count() as u64;
            assert!(again.position().get() >= taken);
        });
    }
}

/// A full disk refuses, changes nothing, and takes appends again once there is room.
#[test]
fn a_full_disk() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let used: u64 = machine
                .disk
                .files()
                .iter()
                .map(|path| machine.disk.read_file(path).unwrap().len() as u64)
                .sum();
            machine.disk.set_capacity(Some(used + 4_096));
            let (writer, disk) = (store.clone(), machine.disk.clone());
            let outcomes = together(racers(3, move |n| {
                let large = whole(n, 2, 7_000);
                if n == 2 {
                    disk.set_capacity(None);
                }
                let outcome = writer.append(&format!("own-{n}"), ANY, &large);
                match outcome.map_err(|error| error.kind().clone()) {
                    Ok(receipt) => Some(receipt),
                    Err(ErrorKind::DiskFull) if n < 2 => None,
                    Err(other) => panic!("{other:?}"),
                }
            }));
            for (n, outcome) in (0..).zip(&outcomes) {
                let version = store.version(&format!("own-{n}")).unwrap();
                let expected = outcome.as_ref().map_or(Version::NONE, |receipt| receipt.version);
                assert_eq!(version, expected);
            }
            let taken = outcomes.iter().flatten().count();
            assert_eq!(check_all(&store).len(), taken * 2);
            store.append("own-9", ANY, &whole(9, 2, 7_000)).unwrap();
            store.close().unwrap();
            assert_eq!(check_all(&machine.opened_again()).len(), taken * 2 + 2);
        });
    }
}
