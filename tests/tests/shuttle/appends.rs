//! Who appends against whom: one wins, the others learn the truth, receipts have no gaps.

use annals::{Commit, ErrorKind, ExpectedVersion, Position, QueryItem, Read, Receipt, Version};

use crate::rig::{
    DURABILITIES, Machine, check_all, check_receipts, event, explore, racers, together, whole,
};

const ANY: ExpectedVersion = ExpectedVersion::Any;

/// Group commit: each gets its own place, and what it was told is there and durable.
#[test]
fn receipts_are_distinct_and_gapless() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let (writer, disk) = (store.clone(), machine.clone());
            let receipts = together(racers(3, move |n| {
                let own = format!("own-{n}");
                let first = writer.append(&own, ExpectedVersion::NoStream, &whole(n, 2, 10));
                let first = first.unwrap();
                assert!(writer.position() >= first.position);
                assert_eq!(writer.version(&own).unwrap(), first.version);
                if n == 0 {
                    let left = disk.after_a_crash();
                    assert!(left.position() >= first.position, "acknowledged and lost");
                }
                let second = writer.append("shared-1", ANY, &[event(n, 9)]).unwrap();
                assert!(second.first_position > first.position);
                assert!(second.recorded_at >= first.recorded_at);
                [first, second]
            }));
            let receipts: Vec<Receipt> = receipts.into_iter().flatten().collect();
            check_receipts(&store, &receipts);
            check_all(&store);
            assert_eq!(store.version("shared-1").unwrap(), Version::new(3));
        });
    }
}

#[test]
fn one_wins_the_version() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let racer = store.clone();
            let won = together(racers(3, move |n| {
                let expected = ExpectedVersion::at(0);
                match racer.append("prize-1", expected, &whole(n, 2, 10)) {
                    Ok(receipt) => {
                        assert_eq!(receipt.version, Version::new(2));
                        true
                    }
                    Err(error) => {
                        assert_eq!(error.conflict(), Some(Version::new(2)), "{error}");
                        // What it was told, it finds at once.
                        assert_eq!(racer.version("prize-1").unwrap(), Version::new(2));
                        false
                    }
                }
            }));
            assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
            assert_eq!(check_all(&store).len(), 2);
        });
    }
}

/// Each tries again with what it was told, and comes through.
#[test]
fn who_tries_again_gets_through() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let racer = store.clone();
            together(racers(3, move |n| {
                let mut believed = Version::NONE;
                for number in 0..2 {
                    loop {
                        let expected = ExpectedVersion::Version(believed);
                        match racer.append("busy-1", expected, &[event(n, number)]) {
                            Ok(receipt) => {
                                assert_eq!(receipt.version, believed.plus(1));
                                believed = receipt.version;
                                break;
                            }
                            Err(error) => {
                                let actual = error.conflict().unwrap();
                                assert!(actual > believed);
                                believed = actual;
                            }
                        }
                    }
                }
            }));
            assert_eq!(check_all(&store).len(), 6);
        });
    }
}

/// Append conditions: who is refused is told of the first match, and reads it at once.
#[test]
fn one_meets_the_condition() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let before = store.append("other-1", ANY, &[event(9, 9).tag("prize")]).unwrap();
            let racer = store.clone();
            let won = together(racers(3, move |n| {
                let query = QueryItem::new().event_type("Raced").tag("prize");
                let commit = Commit::new()
                    .append(format!("racer-{n}"), ANY, vec![event(n, 0).tag("prize")])
                    .fail_if(query.clone(), before.position);
                let outcome = if n == 1 {
                    racer.submit(&commit).and_then(annals::Submitted::wait)
                } else {
                    racer.commit(&commit)
                };
                match outcome.map_err(|error| error.kind().clone()) {
                    Ok(_) => true,
                    Err(ErrorKind::ConditionFailed { position }) => {
                        assert_eq!(position, Position::new(2));
                        let behind = Read::all().matching(query).after(before.position);
                        let first = racer.read(behind).next().expect("it was told of it");
                        assert_eq!(first.unwrap().position(), position);
                        false
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }));
            assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
            assert_eq!(store.position(), Position::new(2));
        });
    }
}

/// Commits over several streams that overlap, named in another order by each.
#[test]
fn commits_that_overlap_in_their_streams() {
    for durability in DURABILITIES {
        explore(move || {
            let store = Machine::new(durability).open();
            let racer = store.clone();
            let outcomes = together(racers(3, move |n| {
                let [from, to] = [n % 3, (n + 1) % 3].map(|stream| format!("account-{stream}"));
                let [one, two] =
                    [0, 1].map(|part| vec![event(n, part).tag(format!("part:{part}/2"))]);
                let empty = ExpectedVersion::at(0);
                let commit = Commit::new().append(from, empty, one).append(to, empty, two);
                racer.commit(&commit).map_err(|error| error.conflict().unwrap())
            }));
            // The streams are in a ring: one commit excludes both others.
            let receipts: Vec<Receipt> = outcomes.iter().flatten().cloned().collect();
            assert_eq!(receipts.len(), 1);
            assert!(outcomes.iter().flat_map(|o| o.as_ref().err()).all(|v| *v == Version::new(1)));
            check_receipts(&store, &receipts);
            check_all(&store);
        });
    }
}
