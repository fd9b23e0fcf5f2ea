//! Questions that make no sense, and those that only look so: each is refused with a reason or
//! answered with nothing, by every verb alike.

use annals::{
    Commit, Error, ErrorKind, ExpectedVersion, Invalid, NewEvent, Position, Query, QueryItem, Read,
    ReadOnlyStore, Result, Store, Timestamp, Version, limits,
};
use annals_tests::setting::{each_kind, each_setting};

const ANY: ExpectedVersion = ExpectedVersion::Any;

fn item() -> QueryItem {
    QueryItem::new()
}

fn event() -> NewEvent {
    NewEvent::json("T", "{}").tag("a")
}

fn invalid<T: std::fmt::Debug>(outcome: Result<T>) -> Invalid {
    match outcome.unwrap_err().kind() {
        ErrorKind::Invalid(invalid) => invalid.clone(),
        other => panic!("{other:?}"),
    }
}

fn a_few_events(store: &Store) {
    for n in 0..10 {
        store.append(&format!("s-{n}"), ANY, &[event(), event()]).unwrap();
    }
}

/// Whether a reason is the one that is due.
type IsExpected<'a> = &'a dyn Fn(&Invalid) -> bool;

/// What each verb that takes a query says of it.
fn refusals(store: &Store, query: &Query) -> Vec<Error> {
    let read = || Read::all().matching(query.clone());
    let mut errors = Vec::new();
    let mut reads = vec![read(), read().backward(), read().limit(0), read().limit(1)];
    reads.push(read().after(Position::MAX));
    reads.push(Read::stream("s-1").matching(query.clone()));
    reads.push(Read::stream("nobody").matching(query.clone()));
    for read in reads {
        errors.push(store.explain(&read).unwrap_err());
        let mut events = store.read(read);
        errors.push(events.next().unwrap().unwrap_err());
        assert!(events.next().is_none(), "nothing comes behind a refusal");
    }
    errors.push(store.follow().matching(query.clone()).start().unwrap_err());
    errors.push(store.follow().matching(query.clone()).visible().start().unwrap_err());
    let commit = Commit::new().append("s-1", ANY, vec![event()]);
    let commit = commit.fail_if(query.clone(), Position::START);
    errors.push(store.commit(&commit).unwrap_err());
    errors.push(store.submit(&commit).unwrap_err());
    errors
}

#[test]
fn queries_that_say_nothing_or_too_much() {
    each_setting(|setting| {
        let store = setting.open();
        a_few_events(&store);
        let long = "x".repeat(limits::TAG_BYTES_MAX + 1);
        let too_long = "x".repeat(limits::STREAM_NAME_BYTES_MAX + 1);
        let many = |count: usize| (0..count).map(|n| format!("tag-{n}"));
        let max = limits::QUERY_TERMS_MAX;
        let is_empty = |invalid: &Invalid| *invalid == Invalid::EmptyQuery;
        let is_large = |invalid: &Invalid| matches!(invalid, Invalid::TooLarge { .. });
        let other = |_: &Invalid| true;
        let cases: Vec<(Query, IsExpected<'_>)> = vec![
            (Query::any([]), &is_empty),
            (Query::default(), &is_empty),
            (item().into(), &is_empty),
            (Query::any([item().tag("a"), item()]), &is_empty),
            (item().tags(many(10_000)).into(), &is_large),
            (item().event_types(many(10_000)).into(), &is_large),
            (Query::any(many(10_000).map(|tag| item().tag(tag))), &is_large),
            (item().tags(many(max + 1)).into(), &is_large),
            (item().tags(many(max)).category("s").into(), &is_large),
            (item().tag(long.clone()).into(), &is_large),
            (item().event_type(long).into(), &is_large),
            (item().category(too_long).into(), &is_large),
            (item().tag("").into(), &other),
            (item().event_type("").into(), &other),
            (item().tag(" a").into(), &other),
            (item().tag("a\n").into(), &other),
            (item().event_type("\u{7}").into(), &other),
            (item().category("s-1").into(), &other),
        ];
        for (query, is_expected) in cases {
            let head = store.position();
            for error in refusals(&store, &query) {
                let ErrorKind::Invalid(invalid) = error.kind() else { panic!("{error}") };
                assert!(is_expected(invalid), "{invalid:?}");
                assert!(error.to_string().len() < 500, "{error}");
            }
            assert_eq!(store.position(), head);
        }
    });
}

#[test]
fn queries_as_large_as_they_may_be() {
    each_setting(|setting| {
        let store = setting.open();
        a_few_events(&store);
        let max = limits::QUERY_TERMS_MAX;
        let many = |count: usize| (0..count).map(|n| format!("tag-{n}"));
        let none: Query = item().tags(many(max)).into();
        let any = Query::any(many(max - 1).chain(["a".to_owned()]).map(|tag| item().tag(tag)));
        let of_types: Query = item().event_types(many(max - 2).chain(["T".into()])).tag("a").into();
        for (query, expected) in [(none, 0), (any, 20), (of_types, 20)] {
            let read = Read::all().matching(query.clone());
            assert_eq!(store.read(read.clone()).count(), expected);
            assert_eq!(store.read(read.backward()).count(), expected);
            let commit = Commit::new().append("s-1", ANY, vec![NewEvent::json("U", "{}")]);
            let outcome = store.commit(&commit.fail_if(query, Position::START));
            assert_eq!(outcome.is_ok(), expected == 0);
        }
        let same: Query = item().tags(vec!["a"; max]).into();
        assert_eq!(store.read(Read::all().matching(same)).count(), 20);
    });
}

/// Ranges in which nothing lies, and names that nothing has, are no mistakes.
#[test]
fn nothing_is_an_answer() {
    each_setting(|setting| {
        let store = setting.open();
        let check = |store: &Store| {
            let beyond = store.position().plus(1);
            let all = || Read::all().matching(item().tag("a"));
            let reads = [
                Read::all().from(beyond),
                Read::all().from(Position::MAX),
                Read::all().after(store.position()),
                Read::all().after(Position::MAX),
                Read::all().limit(0),
                Read::all().since(Timestamp::MAX),
                Read::all().until(Timestamp::MIN),
                Read::all().since(Timestamp::MAX).until(Timestamp::MIN),
                all().from(beyond),
                all().after(Position::MAX),
                all().since(Timestamp::MAX),
                Read::all().matching(item().tag("nobody")),
                Read::all().matching(item().category("nobody")),
                Read::all().matching(item().category("")),
                Read::all().matching(item().correlation_id(7)),
                Read::stream("nobody"),
                Read::stream("s"),
                Read::stream("s-1").from(beyond),
                Read::stream("s-1").from_version(Version::new(1_000)),
                Read::stream("s-1").from_version(Version::MAX),
                Read::stream("s-1").matching(item().tag("nobody")),
                Read::stream("s-1").matching(item().category("other")),
            ];
            for read in reads {
                for read in [read.clone(), read.backward()] {
                    store.explain(&read).unwrap();
                    assert_eq!(store.read(read.clone()).count(), 0, "{read:?}");
                }
            }
            assert_eq!(store.head().event(beyond).unwrap().map(|event| event.position()), None);
            assert!(store.head().event(Position::START).unwrap().is_none());
            assert!(store.head().event(Position::MAX).unwrap().is_none());
            assert_eq!(store.streams().prefix("nobody").count(), 0);
            assert_eq!(store.streams().category("s-1").count(), 0);
        };
        check(&store);
        a_few_events(&store);
        check(&store);
        let whole = [
            Read::all().from(Position::START),
            Read::all().from(Position::new(1)),
            Read::all().limit(u64::MAX),
            Read::all().since(Timestamp::MIN).until(Timestamp::MAX),
            Read::all().matching(Query::all()),
            Read::all().matching(item().category("s")),
        ];
        for read in whole {
            assert_eq!(store.read(read.clone()).count(), 20, "{read:?}");
            assert_eq!(store.read(read.backward()).count(), 20);
        }
        assert_eq!(store.read_stream("s-1").count(), 2);
        let from_none = Read::stream("s-1").from_version(Version::NONE);
        assert_eq!(store.read(from_none).count(), 2);
    });
}

#[test]
fn a_version_without_a_stream() {
    each_kind(|setting| {
        let store = setting.open();
        a_few_events(&store);
        for read in [
            Read::all().from_version(Version::new(1)),
            Read::all().from_version(Version::NONE),
            Read::all().from_version(Version::new(1)).matching(item().tag("a")),
        ] {
            invalid(store.explain(&read));
            invalid(store.read(read).next().unwrap());
        }
    });
}

#[test]
fn names_that_no_stream_has() {
    each_kind(|setting| {
        let store = setting.open();
        a_few_events(&store);
        let long = "s".repeat(limits::STREAM_NAME_BYTES_MAX + 1);
        let check = |name: &str| {
            invalid(store.read_stream(name).next().unwrap());
            invalid(store.read(Read::stream(name).limit(0)).next().unwrap());
            invalid(store.version(name));
            invalid(store.last_event(name));
            invalid(store.append(name, ANY, &[event()]));
            let expecting = Commit::new().append("s-1", ANY, vec![event()]).expect(name, ANY);
            invalid(store.commit(&expecting));
        };
        ["", " s", "s ", "a\tb", "\0", &long].into_iter().for_each(check);
        let longest = "s".repeat(limits::STREAM_NAME_BYTES_MAX);
        assert_eq!(store.version(&longest).unwrap(), Version::NONE);
        store.append(&longest, ANY, &[event()]).unwrap();
        assert_eq!(store.read(Read::all().matching(item().category(longest))).count(), 1);
    });
}

#[test]
fn commits_with_nothing_to_write() {
    each_kind(|setting| {
        let store = setting.open();
        let none: Vec<NewEvent> = Vec::new();
        let nothing = [
            Commit::new(),
            Commit::new().durable(),
            Commit::new().expect("s", ExpectedVersion::NoStream),
            Commit::new().fail_if(Query::all(), Position::START),
            Commit::new().append("s", ANY, none.clone()),
            Commit::new().append("s", ANY, vec![event()]).append("t", ANY, none),
        ];
        for commit in nothing {
            assert_eq!(invalid(store.commit(&commit)), Invalid::NoEvents);
            assert_eq!(invalid(store.submit(&commit)), Invalid::NoEvents);
        }
        let same = Commit::new().append("s", ANY, vec![event().id(1_u128)]).append(
            "t",
            ANY,
            vec![event().id(1_u128)],
        );
        assert!(matches!(invalid(store.commit(&same)), Invalid::SameId(_)));
        assert_eq!(store.position(), Position::START);
        assert_eq!(store.counters().conflicts, 0);
    });
}

/// A store opened for reading refuses and answers alike.
#[test]
fn asked_of_a_store_for_reading() {
    each_kind(|setting| {
        let store = setting.open();
        a_few_events(&store);
        store.close().unwrap();
        let store = ReadOnlyStore::open(setting.path()).unwrap();
        invalid(store.read(Read::all().matching(Query::any([]))).next().unwrap());
        invalid(store.read(Read::all().from_version(Version::new(1))).next().unwrap());
        invalid(store.read_stream("").next().unwrap());
        invalid(store.version(" "));
        invalid(store.as_of(Position::new(21)));
        invalid(store.as_of(Timestamp::MAX));
        assert_eq!(store.read(Read::all().from(Position::MAX)).count(), 0);
        assert_eq!(store.read(Read::all().matching(item().tag("a"))).count(), 20);
    });
}
