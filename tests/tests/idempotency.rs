//! Commits whose events have ids of their own can be repeated: nothing is written twice, and the
//! first receipt comes back. Any other use of the ids is refused.

use std::fs;
use std::sync::Barrier;
use std::thread;

use annals::{
    Commit, ContentKind, Durability, ErrorKind, EventId, ExpectedVersion, NewEvent, Position,
    QueryItem, Receipt, Result, Store, Timestamp, rebuild_index,
};
use annals_env::{Faults, FirstChoices};
use annals_tests::kinds;
use annals_tests::setting::each_setting;
use annals_tests::world::{World, new_disk};

const ANY: ExpectedVersion = ExpectedVersion::Any;

fn id(number: u128) -> EventId {
    EventId::from_u128(0x1234_0000 + number)
}

fn event(number: u128) -> NewEvent {
    NewEvent::json("Paid", format!(r#"{{"number":{number}}}"#)).id(id(number))
}

fn noted() -> NewEvent {
    NewEvent::json("Noted", "{}")
}

/// Events of two streams, most with ids, which expect the streams not to be there.
fn payment() -> Commit<'static> {
    Commit::new()
        .append("account-1", ExpectedVersion::NoStream, vec![event(1), noted()])
        .append("account-2", ExpectedVersion::NoStream, vec![event(2), event(3)])
        .append("account-1", ExpectedVersion::NoStream, vec![event(4)])
        .fail_if(QueryItem::new().category("account"), Position::START)
}

fn is_repeated(first: &Receipt, repeated: &Receipt) {
    assert!(!first.repeated && repeated.repeated);
    let mut repeated = repeated.clone();
    repeated.repeated = false;
    assert_eq!(*first, repeated);
}

/// The ids that were refused, with where they stand.
fn reused(outcome: Result<Receipt>) -> (EventId, Position) {
    match outcome.map_err(|error| error.kind().clone()) {
        Err(ErrorKind::IdReused { id, position }) => (id, position),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_receipt_whatever_came_since() {
    each_setting(|setting| {
        let store = setting.open();
        store.append("before", ANY, &[noted(), noted()]).unwrap();
        let first = store.commit(&payment()).unwrap();
        assert_eq!(first.streams.len(), 2);
        let again = |store: &Store| {
            let (head, events) = (store.position(), store.counters().log.events);
            is_repeated(&first, &store.commit(&payment()).unwrap());
            is_repeated(&first, &store.commit(&payment().durable()).unwrap());
            is_repeated(&first, &store.submit(&payment()).unwrap().wait().unwrap());
            is_repeated(&first, &store.submit(&payment().durable()).unwrap().wait().unwrap());
            assert_eq!(store.counters().repeated, 4);
            assert_eq!((store.position(), store.counters().log.events), (head, events));
        };
        again(&store);
        store.close().unwrap();
        let store = setting.open();
        again(&store);
        for _ in 0..40 {
            store.append("account-1", ANY, &[noted()]).unwrap();
            store.append("after", ANY, &vec![noted(); 24]).unwrap();
        }
        is_repeated(&first, &store.commit(&payment()).unwrap());
        store.close().unwrap();
        again(&setting.open());
        fs::remove_dir_all(setting.path().join("index")).unwrap();
        again(&setting.open());
        for kind in kinds() {
            rebuild_index(setting.path(), kind, &mut |_, _| {}).unwrap();
            let store = setting.options().index(kind).open(setting.path()).unwrap();
            again(&store);
        }
        again(&setting.open());
    });
}

/// What only the first try could fulfil is not asked again: its stamp too.
#[test]
fn with_a_stamp_of_the_caller() {
    each_setting(|setting| {
        let store = setting.open();
        let stamped = || payment().recorded_at(Timestamp::from_micros(1_000_000));
        let first = store.commit(&stamped()).unwrap();
        assert_eq!(first.recorded_at.as_micros(), 1_000_000);
        store.append("after", ANY, &[noted()]).unwrap();
        is_repeated(&first, &store.commit(&stamped()).unwrap());
        is_repeated(&first, &store.commit(&payment()).unwrap());
    });
}

#[test]
fn one_event_and_many() {
    each_setting(|setting| {
        let store = setting.open();
        for (number, count) in [(100, 1), (200, 2), (1_000, 700)] {
            let events: Vec<NewEvent> = (0..count).map(|n| event(number + n)).collect();
            let first = store.append("s", ANY, &events).unwrap();
            assert!(first.streams.is_empty());
            is_repeated(&first, &store.append("s", ANY, &events).unwrap());
            is_repeated(&first, &store.append("s", ExpectedVersion::at(9_999), &events).unwrap());
        }
    });
}

#[test]
fn any_other_use_of_the_ids() {
    each_setting(|setting| {
        let store = setting.open();
        store.append("before", ANY, &[noted()]).unwrap();
        let events = vec![event(1), noted(), event(2), event(3)];
        let first = store.append("s", ANY, &events).unwrap();
        let at = |index: u64| first.first_position.plus(index);
        let tries = |store: &Store| {
            let head = store.position();
            let others: Vec<(&str, Vec<NewEvent>, u128, u64)> = vec![
                ("another order", vec![event(2), noted(), event(1), event(3)], 2, 2),
                ("a subset", vec![event(2)], 2, 2),
                ("the beginning", vec![event(1), noted(), event(2)], 1, 0),
                ("the end", vec![event(3)], 3, 3),
                ("without the one that has none", vec![event(1), event(2), event(3)], 1, 0),
                ("an event more", [&events[..], &[noted()]].concat(), 1, 0),
                ("an event with a new id more", [&events[..], &[event(9)]].concat(), 1, 0),
                ("an event before it", [&[noted()], &events[..]].concat(), 1, 0),
                ("a new id first", vec![event(9), event(2)], 2, 2),
                (
                    "an id where there was none",
                    vec![event(1), noted().id(id(8)), event(2), event(3)],
                    1,
                    0,
                ),
                (
                    "an id left out",
                    vec![event(1), noted(), NewEvent { id: None, ..event(2) }, event(3)],
                    1,
                    0,
                ),
            ];
            for (what, other, used, index) in others {
                let told = reused(store.append("s", ANY, &other));
                assert_eq!(told, (id(used), at(index)), "{what}");
            }
            let changes: Vec<(&str, NewEvent)> = vec![
                ("type", NewEvent { event_type: "Sent".into(), ..event(1) }),
                ("schema", event(1).schema(2)),
                ("kind", NewEvent { content: ContentKind::Text, ..event(1) }),
                ("data", NewEvent { data: "{}".into(), ..event(1) }),
                ("metadata", event(1).metadata("{}")),
                ("tag", event(1).tag("t")),
                ("correlation", event(1).correlation_id(1)),
                ("causation", event(1).causation_id(1)),
                ("time", event(1).occurred_at(Timestamp::from_micros(1))),
            ];
            for (what, changed) in changes {
                let other = [&[changed], &events[1..]].concat();
                assert_eq!(reused(store.append("s", ANY, &other)), (id(1), at(0)), "{what}");
            }
            let note = [&events[..1], &[noted().tag("t")], &events[2..]].concat();
            assert_eq!(reused(store.append("s", ANY, &note)), (id(1), at(0)));
            assert_eq!(reused(store.append("other", ANY, &events)), (id(1), at(0)));
            let split = Commit::new().append("s", ANY, events[..2].to_vec()).append(
                "other",
                ANY,
                events[2..].to_vec(),
            );
            assert_eq!(reused(store.commit(&split)), (id(1), at(0)));
            assert_eq!(store.position(), head);
            is_repeated(&first, &store.append("s", ANY, &events).unwrap());
        };
        tries(&store);
        store.append("s", ANY, &[event(50)]).unwrap();
        tries(&store);
        store.close().unwrap();
        tries(&setting.open());
    });
}

/// The same events in parts of another shape are the same commit.
#[test]
fn in_parts_of_another_shape() {
    each_setting(|setting| {
        let store = setting.open();
        let first = store.append("s", ANY, &[event(1), event(2), noted()]).unwrap();
        let parts = Commit::new().append("s", ANY, vec![event(1)]).append(
            "s",
            ANY,
            vec![event(2), noted()],
        );
        is_repeated(&first, &store.commit(&parts).unwrap());
    });
}

#[test]
fn without_ids_nothing_is_repeated() {
    each_setting(|setting| {
        let store = setting.open();
        for version in 1..=3 {
            let receipt = store.append("s", ANY, &[noted()]).unwrap();
            assert_eq!((receipt.repeated, receipt.version.get()), (false, version));
        }
        assert_eq!(store.counters().repeated, 0);
    });
}

/// An event whose caller set no id has one as well; nobody else can take it.
#[test]
fn the_id_that_an_event_was_given() {
    each_setting(|setting| {
        let store = setting.open();
        let check = |store: &Store| {
            let receipt = store.append("s", ANY, &[noted(), noted()]).unwrap();
            let last = store.last_event("s").unwrap().unwrap();
            assert!(!last.has_own_id());
            for stream in ["s", "other"] {
                let told = reused(store.append(stream, ANY, &[noted().id(last.id())]));
                assert_eq!(told, (last.id(), receipt.position));
            }
            (last.id(), receipt.position)
        };
        let (given, position) = check(&store);
        store.close().unwrap();
        let store = setting.open();
        let told = reused(store.append("s", ANY, &[noted().id(given)]));
        assert_eq!(told, (given, position));
        check(&store);
    });
}

/// No two events ever have the same id, even where a caller guesses one that is still to be given.
#[test]
fn an_id_that_is_still_to_be_given() {
    each_setting(|setting| {
        let store = setting.open();
        store.append("s", ANY, &[noted()]).unwrap();
        let given = store.last_event("s").unwrap().unwrap().id();
        let next = EventId::from_u128(given.as_u128() + 2);
        // Refused, or taken and not given again: either keeps ids apart.
        let _outcome = store.append("s", ANY, &[noted().id(next)]);
        for _ in 0..4 {
            store.append("s", ANY, &[noted()]).unwrap();
        }
        let mut ids: Vec<EventId> = store.read_all().map(|event| event.unwrap().id()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "two events have one id");
    });
}

#[test]
fn many_threads_with_the_same_commit() {
    each_setting(|setting| {
        let store = setting.open();
        let start = Barrier::new(16);
        for round in 0..20_u128 {
            let commit = || {
                let events = vec![event(round * 10), noted(), event(round * 10 + 1)];
                Commit::new().append("s", ExpectedVersion::at(round as u64 * 3), events)
            };
            let receipts: Vec<Receipt> = thread::scope(|scope| {
                let racers: Vec<_> = (0..16)
                    .map(|racer| {
                        let (store, start) = (&store, &start);
                        scope.spawn(move || {
                            start.wait();
                            if racer % 2 == 0 {
                                store.commit(&commit()).unwrap()
                            } else {
                                store.submit(&commit()).unwrap().wait().unwrap()
                            }
                        })
                    })
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            });
            let (repeated, first): (Vec<_>, Vec<_>) =
                receipts.iter().partition(|receipt| receipt.repeated);
            assert_eq!(first.len(), 1);
            repeated.iter().for_each(|repeated| is_repeated(first[0], repeated));
        }
        assert_eq!(store.position().get(), 60);
    });
}

/// A machine on which nothing is synced before somebody waits for it.
#[test]
fn while_the_first_is_in_flight() {
    let world = World::new(new_disk(Faults::default()), 1);
    let store = world.open(Durability::Sync).unwrap();
    let first = store.submit(&payment()).unwrap();
    assert_eq!(store.position(), Position::START);
    let part = Commit::new().append("account-2", ANY, vec![event(2), event(3)]);
    assert_eq!(reused(store.commit(&part)).0, id(2));
    is_repeated(first.receipt(), &store.commit(&payment()).unwrap());
    let first = first.wait().unwrap();
    is_repeated(&first, &store.commit(&payment()).unwrap());
}

/// Whoever asks for durability gets it, although the first try was acknowledged without.
#[test]
fn repeated_to_make_it_durable() {
    for by_submit in [false, true] {
        let disk = new_disk(Faults::default());
        let world = World::new(disk.clone(), 1);
        let store = world.open(Durability::Buffered).unwrap();
        let first = store.commit(&payment()).unwrap();
        let is_there = |disk: annals_env::FaultyFs| {
            let store = World::new(disk, 2).open(Durability::Sync).unwrap();
            store.position() == first.position
        };
        assert!(!is_there(disk.power_cut(&mut FirstChoices)), "it is not durable yet");
        is_repeated(&first, &store.commit(&payment()).unwrap());
        assert!(!is_there(disk.power_cut(&mut FirstChoices)), "nobody asked for it");
        let again = payment().durable();
        let repeated = match by_submit {
            false => store.commit(&again).unwrap(),
            true => store.submit(&again).unwrap().wait().unwrap(),
        };
        is_repeated(&first, &repeated);
        for image in disk.power_cuts(10, 1).images {
            assert!(is_there(image), "it was acknowledged as durable");
        }
    }
}

/// The outcome of an append was unknown. Whatever it was, the retry makes it so once.
#[test]
fn after_a_power_cut_that_kept_it_or_not() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Buffered).unwrap();
    store.append("before", ANY, &[noted()]).unwrap();
    store.sync().unwrap();
    let first = store.commit(&payment()).unwrap();
    let (mut kept, mut lost) = (0, 0);
    for image in disk.power_cuts(30, 1).images {
        let store = World::new(image, 2).open(Durability::Sync).unwrap();
        let receipt = store.commit(&payment()).unwrap();
        if receipt.repeated {
            is_repeated(&first, &receipt);
            kept += 1;
        } else {
            assert_ne!(receipt.epoch, first.epoch);
            lost += 1;
        }
        assert_eq!(store.position().get(), 6);
        assert!(store.commit(&payment()).unwrap().repeated);
    }
    assert!(kept > 0 && lost > 0, "{kept} kept, {lost} lost");
}
