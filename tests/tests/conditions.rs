//! Append conditions: what stands against a commit, where the first such event lies, and that
//! commits in flight count.

use std::io;
use std::sync::Barrier;
use std::thread;

use annals::{
    Commit, Durability, ErrorKind, Event, EventId, ExpectedVersion, IndexKind, Invalid, NewEvent,
    Position, Query, QueryItem, Read, Receipt, Result, Store, Version, limits, rebuild_index,
};
use annals_env::{Faults, OperationKind};
use annals_tests::kinds;
use annals_tests::setting::each_setting;
use annals_tests::world::{World, new_disk};

const ANY: ExpectedVersion = ExpectedVersion::Any;
const START: Position = Position::START;

fn event(kind: &'static str) -> NewEvent {
    NewEvent::json(kind, "{}")
}

fn append(store: &Store, stream: &str, events: &[NewEvent]) -> Receipt {
    store.append(stream, ANY, events).unwrap()
}

/// Appends to a stream of its own on this condition.
fn probe(store: &Store, query: impl Into<Query>, after: Position) -> Result<Receipt> {
    let probe = [event("Probed")];
    store.commit(&Commit::new().append("probe", ANY, &probe).fail_if(query, after))
}

/// Where the first match lies that the refusal tells of.
fn failed_at(outcome: Result<Receipt>) -> Position {
    match outcome.map_err(|error| error.kind().clone()) {
        Err(ErrorKind::ConditionFailed { position }) => position,
        other => panic!("{other:?}"),
    }
}

fn invalid(outcome: Result<Receipt>) -> Invalid {
    match outcome.map_err(|error| error.kind().clone()) {
        Err(ErrorKind::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

fn tagged(tag: &str) -> QueryItem {
    QueryItem::new().tag(tag)
}

#[test]
fn after_the_start_at_the_head_and_beyond_it() {
    each_setting(|setting| {
        let store = setting.open();
        probe(&store, tagged("a"), START).unwrap();
        let first = append(&store, "s", &[event("T").tag("a"), event("T").tag("a")]);
        assert_eq!(failed_at(probe(&store, tagged("a"), START)), first.first_position);
        let between = first.first_position;
        assert_eq!(failed_at(probe(&store, tagged("a"), between)), first.position);
        probe(&store, tagged("a"), first.position).unwrap();
        let head = store.position();
        probe(&store, tagged("a"), head).unwrap();
        // Whoever names such a position speaks of another history, whatever the query finds.
        for beyond in [store.position().plus(1), Position::MAX] {
            for query in [Query::from(tagged("a")), tagged("nobody").into(), Query::all()] {
                invalid(probe(&store, query, beyond));
            }
        }
        assert_eq!(store.position(), head.plus(1));
        assert!(store.counters().conflicts >= 2);
    });
}

#[test]
fn on_any_event_at_all() {
    each_setting(|setting| {
        let store = setting.open();
        let first = probe(&store, Query::all(), START).unwrap();
        assert_eq!(failed_at(probe(&store, Query::all(), START)), first.position);
        let second = probe(&store, Query::all(), first.position).unwrap();
        assert_eq!(failed_at(probe(&store, Query::all(), START)), first.position);
        assert_eq!(failed_at(probe(&store, Query::all(), first.position)), second.position);
        probe(&store, Query::all(), second.position).unwrap();
    });
}

#[test]
fn all_of_several_must_hold() {
    each_setting(|setting| {
        let store = setting.open();
        let a = append(&store, "s", &[event("T").tag("a")]).position;
        let b = append(&store, "s", &[event("T").tag("b")]).position;
        let both = |after_a, after_b| {
            let commit = Commit::new()
                .append("probe", ANY, vec![event("Probed")])
                .fail_if(tagged("a"), after_a)
                .fail_if(tagged("nobody"), START)
                .fail_if(tagged("b"), after_b);
            store.commit(&commit)
        };
        assert_eq!(failed_at(both(START, b)), a);
        assert_eq!(failed_at(both(a, START)), b);
        assert_eq!(failed_at(both(a, a)), b);
        let either = failed_at(both(START, START));
        assert!(either == a || either == b);
        assert_eq!(store.version("probe").unwrap(), Version::NONE);
        both(a, b).unwrap();
    });
}

#[test]
fn as_many_as_are_allowed() {
    each_setting(|setting| {
        let store = setting.open();
        let last = append(&store, "s", &[event("T").tag("last")]).position;
        let with = |conditions: usize, last_after| {
            let commit = Commit::new().append("probe", ANY, vec![event("Probed")]);
            let commit = (1..conditions)
                .fold(commit, |commit, n| commit.fail_if(tagged(&format!("t{n}")), START));
            store.commit(&commit.fail_if(tagged("last"), last_after))
        };
        assert_eq!(failed_at(with(limits::CONDITIONS_PER_COMMIT_MAX, START)), last);
        with(limits::CONDITIONS_PER_COMMIT_MAX, last).unwrap();
        invalid(with(limits::CONDITIONS_PER_COMMIT_MAX + 1, last));
    });
}

#[test]
fn together_with_expectations() {
    each_setting(|setting| {
        let store = setting.open();
        let at = append(&store, "s", &[event("T").tag("a")]).position;
        let commit = |expected: ExpectedVersion, after| {
            let commit = Commit::new().append("s", expected, vec![event("Next")]);
            store.commit(&commit.fail_if(tagged("a"), after))
        };
        assert_eq!(
            commit(ExpectedVersion::at(3), at).unwrap_err().conflict(),
            Some(Version::new(1))
        );
        assert_eq!(failed_at(commit(ExpectedVersion::at(1), START)), at);
        // Both stand against it: it is told of one of them.
        match commit(ExpectedVersion::NoStream, START).unwrap_err().kind() {
            ErrorKind::Conflict { actual, .. } => assert_eq!(actual.get(), 1),
            ErrorKind::ConditionFailed { position } => assert_eq!(*position, at),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.version("s").unwrap().get(), 1);
        assert_eq!(commit(ExpectedVersion::at(1), at).unwrap().version.get(), 2);
    });
}

/// What the commit itself writes does not stand against it.
#[test]
fn on_the_very_stream_and_tags_that_are_written() {
    each_setting(|setting| {
        let store = setting.open();
        let commit = |after| {
            let events = vec![event("Counted").tag("mine"), event("Counted").tag("mine")];
            let own = QueryItem::new().category("counter").event_type("Counted").tag("mine");
            store.commit(&Commit::new().append("counter-1", ANY, events).fail_if(own, after))
        };
        let mut known = START;
        for _ in 0..20 {
            let receipt = commit(known).unwrap();
            assert_eq!(failed_at(commit(known)), receipt.first_position);
            assert_eq!(failed_at(commit(receipt.first_position)), receipt.position);
            known = receipt.position;
        }
    });
}

/// Events in which the same few words stand as category, type, tag and id.
fn mixed_events(store: &Store) {
    for n in 0..48_u64 {
        let word = |n: u64| ["x", "y", "z"][usize::try_from(n % 3).unwrap()];
        let mut event = event(word(n / 3));
        if n % 4 > 0 {
            event = event.tag(word(n / 9));
        }
        if n % 4 > 1 {
            event = event.tag(word(n / 9 + 1));
        }
        if n % 5 == 0 {
            event = event.correlation_id(u128::from(n % 3));
        }
        if n % 7 == 0 {
            event = event.causation_id(u128::from(n % 3));
        }
        append(store, &format!("{}-{}", word(n), n % 2), &[event]);
    }
}

fn mixed_queries() -> Vec<Query> {
    let item = QueryItem::new;
    let id = EventId::from_u128;
    vec![
        Query::all(),
        item().category("x").into(),
        item().event_type("x").into(),
        item().tag("x").into(),
        item().tags(["x", "y"]).into(),
        item().tags(["y", "y"]).into(),
        item().event_types(["x", "z"]).into(),
        item().event_types(["x", "w"]).category("y").into(),
        item().category("y").event_type("x").tag("z").into(),
        item().correlation_id(id(1)).into(),
        item().causation_id(id(1)).into(),
        item().correlation_id(id(0)).causation_id(id(0)).into(),
        item().category("probe").into(),
        item().category("x-0").tag("x").into(),
        item().tag("w").into(),
        Query::any([item().tag("x"), item().event_type("y").tag("z")]),
        Query::any([item().tag("w"), item().category("z").tags(["x", "y"])]),
        Query::any([item().tag("x"), item().tag("x"), item().category("w")]),
    ]
}

fn all_events(store: &Store) -> Vec<Event> {
    store.read_all().collect::<Result<_>>().unwrap()
}

/// Each query, as a condition after each position, says what a look at every event says.
fn conditions_are_what_events_say(store: &Store) {
    for query in mixed_queries() {
        let Ok(()) = query.check() else {
            invalid(probe(store, query, START));
            continue;
        };
        for after in (0..=48).map(Position::new) {
            let events = all_events(store);
            let mut behind = events.iter().filter(|event| event.position() > after);
            let first = behind.find(|event| query.matches(*event)).map(Event::position);
            let read = store.read(Read::all().matching(query.clone()).after(after).limit(1)).next();
            assert_eq!(read.map(|event| event.unwrap().position()), first, "{query:?}");
            let outcome = probe(store, query.clone(), after);
            match first {
                Some(first) => assert_eq!(failed_at(outcome), first, "{query:?} after {after}"),
                None => _ = outcome.unwrap_or_else(|e| panic!("{query:?} after {after}: {e}")),
            }
        }
    }
}

#[test]
fn categories_types_tags_and_ids() {
    each_setting(|setting| {
        let store = setting.open();
        mixed_events(&store);
        conditions_are_what_events_say(&store);
        store.close().unwrap();
        conditions_are_what_events_say(&setting.open());
    });
}

/// The index that answers may be another one each time.
#[test]
fn with_another_index_each_time() {
    each_setting(|setting| {
        let store = setting.open();
        mixed_events(&store);
        store.close().unwrap();
        for kind in kinds().into_iter().chain([IndexKind::Memory]) {
            rebuild_index(setting.path(), kind, &mut |_, _| {}).unwrap();
            let store = setting.options().index(kind).open(setting.path()).unwrap();
            let (x, first) = (tagged("x"), Position::new(2));
            assert_eq!(failed_at(probe(&store, x.clone(), START)), first, "{kind:?}");
            probe(&store, x, store.position()).unwrap();
            store.close().unwrap();
        }
        std::fs::remove_dir_all(setting.path().join("index")).unwrap();
        let store = setting.open();
        assert_eq!(failed_at(probe(&store, tagged("x"), START)), Position::new(2));
    });
}

/// Many writers, each with conditions on a tag of its own: none ever stands in another's way.
#[test]
fn of_different_tags_do_not_meet() {
    each_setting(|setting| {
        let store = setting.open();
        let start = Barrier::new(16);
        thread::scope(|scope| {
            for writer in 0..16 {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    start.wait();
                    let tag = format!("writer:{writer}");
                    let mut known = START;
                    for _ in 0..20 {
                        let events = vec![event("Counted").tag(tag.clone())];
                        let commit = Commit::new()
                            .append("shared", ANY, events)
                            .fail_if(tagged(&tag), known);
                        known = store.commit(&commit).unwrap().position;
                    }
                });
            }
        });
        assert_eq!(store.counters().conflicts, 0);
        assert_eq!(store.version("shared").unwrap().get(), 16 * 20);
    });
}

/// Every writer adds to one sum on the condition that nobody else has: the sum comes out right.
#[test]
fn see_commits_in_flight_from_many_threads() {
    each_setting(|setting| {
        let store = setting.open();
        let sum = Query::from(QueryItem::new().event_type("Summed").tag("sum:1"));
        thread::scope(|scope| {
            for writer in 0..16 {
                let (store, sum) = (&store, &sum);
                scope.spawn(move || {
                    let mut done = 0;
                    while done < 10 {
                        let newest = Read::all().matching(sum.clone()).backward().limit(1);
                        let newest = store.read(newest).next().map(Result::unwrap);
                        let total = newest.as_ref().map_or(0, |event| {
                            str::from_utf8(event.data()).unwrap().parse::<u64>().unwrap()
                        });
                        let after = newest.map_or(START, |event| event.position());
                        let next = NewEvent::json("Summed", (total + 1).to_string()).tag("sum:1");
                        let commit = Commit::new()
                            .append(format!("adder-{writer}"), ANY, vec![next])
                            .fail_if(sum.clone(), after);
                        match store.commit(&commit) {
                            Ok(_) => done += 1,
                            refused => assert!(failed_at(refused) > after),
                        }
                    }
                });
            }
        });
        let totals = store
            .read(Read::all().matching(sum))
            .map(|event| str::from_utf8(event.unwrap().data()).unwrap().parse::<u64>().unwrap());
        assert!(totals.eq(1..=160));
    });
}

/// A machine on which nothing is synced before somebody waits for it.
fn world_with_a_commit_in_flight() -> (annals_env::FaultyFs, World, Store, annals::Submitted) {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Sync).unwrap();
    append(&store, "s", &[event("T")]);
    let in_flight = Commit::new().append("s", ANY, vec![event("T").tag("a")]);
    let in_flight = store.submit(&in_flight).unwrap();
    assert!(store.position() < in_flight.receipt().position, "it is not visible yet");
    (disk, world, store, in_flight)
}

#[test]
fn a_match_in_flight_is_waited_for() {
    let (_disk, _world, store, in_flight) = world_with_a_commit_in_flight();
    let at = in_flight.receipt().position;
    assert_eq!(failed_at(probe(&store, tagged("a"), START)), at);
    assert!(store.position() >= at, "what it was told of is there");
    in_flight.wait().unwrap();
}

/// Who knows the position of a commit in flight, from its receipt, may build on it.
#[test]
fn the_position_may_be_one_in_flight() {
    let (_disk, _world, store, in_flight) = world_with_a_commit_in_flight();
    let at = in_flight.receipt().position;
    invalid(probe(&store, tagged("a"), at.plus(1)));
    let behind = probe(&store, tagged("a"), at).unwrap();
    assert_eq!(behind.position, at.plus(1));
    in_flight.wait().unwrap();
}

#[test]
fn what_is_in_flight_and_does_not_match_is_not_waited_for() {
    let (_disk, _world, store, in_flight) = world_with_a_commit_in_flight();
    let on = |query: QueryItem| {
        let commit = Commit::new().append("other", ANY, vec![event("U")]);
        store.submit(&commit.fail_if(query, START)).unwrap()
    };
    let other = on(tagged("b"));
    let another = on(tagged("a").event_type("U"));
    assert!(store.position() < in_flight.receipt().position, "nobody synced");
    for submitted in [another, other, in_flight] {
        submitted.wait().unwrap();
    }
}

/// A refusal must be true: what may not survive is no reason for one.
#[test]
fn a_match_in_flight_that_fails_refuses_nothing() {
    let (disk, _world, store, in_flight) = world_with_a_commit_in_flight();
    let head = store.position();
    disk.fail_next(OperationKind::Sync, io::ErrorKind::Other);
    let error = probe(&store, tagged("a"), START).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Failed, "{error}");
    let error = in_flight.wait().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(store.position(), head);
    assert_eq!(store.read(Read::all().matching(tagged("a"))).count(), 0);
}
