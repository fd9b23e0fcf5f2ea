//! Snapshots: when they are made, which stay, what is used of them, and that none makes an answer
//! wrong.

use annals::{
    Aggregate, Aggregates, Applied, Bytes, Codec, ContentKind, Error, ErrorKind, Event,
    EventReader, EventStore, ExpectedVersion, Faults, Keep, KeptState, NewState, Payloads,
    Position, Snapshots, StateKey, StateRole, Store, Version, limits,
};
use annals_tests::files;
use annals_tests::ledger::{Ledger, LedgerEvent, REFUSED, plain_fold};
use annals_tests::rigged::{Rig, Rigged};
use serde::{Deserialize, Serialize};

const CODECS: [Codec; 3] = [Codec::Json, Codec::Postcard, Codec::Bincode];

fn added(amount: i64) -> LedgerEvent {
    LedgerEvent::Added { amount }
}

fn append(store: &Store, stream: &str, events: &[LedgerEvent]) {
    let payloads = Payloads::default();
    let events: Vec<_> = events.iter().map(|event| payloads.encode(event).unwrap()).collect();
    store.append(stream, ExpectedVersion::Any, &events).unwrap();
}

fn key(stream: &str) -> StateKey {
    let (name, fold) = (stream.to_owned(), Ledger::NAME.to_owned());
    StateKey { role: StateRole::Snapshot, name, fold }
}

/// The versions of those that are kept, oldest first.
fn kept(store: &dyn EventReader, stream: &str) -> Vec<u64> {
    all(store, stream).iter().rev().map(|kept| kept.state.version.get()).collect()
}

/// Newest first.
fn all(store: &dyn EventReader, stream: &str) -> Vec<KeptState> {
    let mut all: Vec<KeptState> = Vec::new();
    while let Some(kept) =
        store.kept_state(&key(stream), all.last().map(|kept| kept.place)).unwrap()
    {
        all.push(kept);
    }
    all
}

#[test]
fn one_is_due_by_events_and_by_size() {
    let store = Store::in_memory().unwrap();
    let rule = Snapshots::default().every(10).times_its_size(4);
    let ledgers = Aggregates::<Ledger>::new(store.clone()).snapshots(rule);
    // A state that does not grow: its size is soon outweighed, and each tenth event is due.
    for number in 1..=40 {
        let done = ledgers.execute("a-1", |_| Ok::<_, Error>(vec![added(1)])).unwrap();
        assert_eq!(done.snapshot.is_some(), kept(&store, "a-1").last() == Some(&number));
    }
    let small = kept(&store, "a-1");
    let bytes = |version: u64| version * r#"{"amount":1}"#.len() as u64;
    let mut last = 0;
    for version in &small {
        let size = all(&store, "a-1").into_iter().find(|kept| kept.state.version.get() == *version);
        let size = size.unwrap().state.data.len() as u64;
        assert!(version - last >= 10 && bytes(version - last) >= 4 * size, "{small:?}");
        assert!(version - last == 10 || bytes(version - last - 1) < 4 * size, "{small:?}");
        last = *version;
    }
    assert!(!small.is_empty());

    // A state as large as all its events is not worth while.
    for number in 0..40 {
        let note = LedgerEvent::Noted(format!("{number:0100}"));
        let done = ledgers.execute("b-1", |_| Ok::<_, Error>(vec![note.clone()])).unwrap();
        assert!(done.snapshot.is_none());
    }
    // By hand it is made all the same, and neither reading makes any.
    assert_eq!(ledgers.snapshot("b-1").unwrap().get(), 40);
    append(&store, "c-1", &vec![added(1); 1_000]);
    ledgers.load("c-1").unwrap();
    ledgers.load_at("c-1", Version::new(500)).unwrap();
    assert!(kept(&store, "c-1").is_empty());
    // A long stream that nobody made one of gets it with the next event.
    let done = ledgers.execute("c-1", |_| Ok::<_, Error>(vec![added(1)])).unwrap();
    assert_eq!(done.snapshot.unwrap().unwrap().get(), 1_001);
    let by_hand = ledgers.snapshots(Snapshots::by_hand());
    append(&store, "d-1", &vec![added(1); 1_000]);
    assert!(by_hand.execute("d-1", |_| Ok::<_, Error>(vec![added(1)])).unwrap().snapshot.is_none());
}

#[test]
fn loading_begins_at_the_best_one_not_after_the_point() {
    for codec in CODECS {
        let store = Store::in_memory().unwrap();
        let ledgers = Aggregates::<Ledger>::new(store.clone()).codec(codec);
        for number in 1..=50 {
            append(&store, "a-1", &[added(number)]);
            append(&store, "b-1", &[added(1)]);
            if number % 10 == 0 {
                assert_eq!(ledgers.snapshot("a-1").unwrap().get(), number as u64);
            }
        }
        for version in 0..=50 {
            let loaded = ledgers.load_at("a-1", Version::new(version)).unwrap();
            let best = version / 10 * 10;
            assert_eq!(loaded.replayed.snapshot.unwrap_or_default().get(), best);
            assert_eq!(loaded.replayed.events, version - best);
            let then = store.as_of(loaded.position).unwrap();
            assert_eq!(loaded.state, plain_fold(&then, "a-1", ledgers.payloads()));
            let as_of = ledgers.load_as_of("a-1", loaded.position).unwrap();
            assert_eq!((as_of.state, as_of.replayed), (loaded.state, loaded.replayed));
        }
        assert_eq!(ledgers.load("b-1").unwrap().replayed.snapshot, None);
        let report = ledgers.check_snapshots("a-1").unwrap();
        assert_eq!((report.good, report.other_schema, report.bad), (5, 0, Vec::new()));
    }
}

#[test]
fn old_ones_stay_as_the_policy_says() {
    let versions = |keep: Keep| {
        let store = Store::in_memory().unwrap();
        let rule = Snapshots::by_hand().keep(keep);
        let ledgers = Aggregates::<Ledger>::new(store.clone()).snapshots(rule);
        for _ in 1..=30 {
            append(&store, "a-1", &[added(1)]);
            ledgers.snapshot("a-1").unwrap();
            // Twice at one version is one.
            ledgers.snapshot("a-1").unwrap();
        }
        assert_eq!(ledgers.check_snapshots("a-1").unwrap().bad, []);
        kept(&store, "a-1")
    };
    assert_eq!(versions(Keep::All), (1..=30).collect::<Vec<_>>());
    assert_eq!(versions(Keep::Last(3)), [28, 29, 30]);
    assert_eq!(versions(Keep::Last(1)), [30]);
    assert_eq!(versions(Keep::Last(0)), [30]);
    assert_eq!(versions(Keep::Spaced(10)), [1, 10, 20, 30]);
    assert_eq!(versions(Keep::Spaced(0)), (1..=30).collect::<Vec<_>>());
    assert_eq!(versions(Keep::Spaced(1_000)), [1, 30]);
}

/// The same stream folded by code with another schema number.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Newer(u64);

impl Aggregate for Newer {
    type Event = LedgerEvent;
    const NAME: &'static str = Ledger::NAME;
    const SCHEMA: u32 = 2;

    fn apply(&mut self, _: LedgerEvent, _: &Event) -> Applied {
        self.0 += 1;
        Ok(())
    }
}

#[test]
fn one_with_another_schema_is_ignored_and_replaced() {
    let store = Store::in_memory().unwrap();
    let older = Aggregates::<Ledger>::new(store.clone());
    let newer = Aggregates::<Newer>::new(store.clone());
    for _ in 0..3 {
        append(&store, "a-1", &[added(1)]);
        older.snapshot("a-1").unwrap();
    }
    let loaded = newer.load("a-1").unwrap();
    assert_eq!((loaded.state, loaded.replayed.snapshot), (Newer(3), None));
    assert_eq!(newer.check_snapshots("a-1").unwrap().other_schema, 3);
    newer.snapshot("a-1").unwrap();
    assert_eq!(kept(&store, "a-1"), [3]);
    assert_eq!(newer.load("a-1").unwrap().replayed.events, 0);
    // Older code beside it goes without, and leaves it alone.
    let loaded = older.load("a-1").unwrap();
    assert_eq!((loaded.state.sum, loaded.replayed.snapshot), (3, None));
    append(&store, "a-1", &[added(1)]);
    older.snapshot("a-1").unwrap();
    assert_eq!(kept(&store, "a-1"), [3, 4]);
    assert_eq!(newer.load("a-1").unwrap().replayed.events, 1);
}

#[test]
fn no_snapshot_makes_an_answer_wrong() {
    let right = |codec| {
        let store = Store::in_memory().unwrap();
        let ledgers = Aggregates::<Ledger>::new(store.clone()).codec(codec);
        append(&store, "b-1", &[added(1)]);
        append(&store, "a-1", &[added(1), added(2), added(4), added(8)]);
        ledgers.snapshot("a-1").unwrap();
        append(&store, "a-1", &[added(16)]);
        (store, ledgers)
    };
    let spoils: [(&str, Spoil); 5] = [
        ("empty", |state| state.data = Bytes::new()),
        ("cut", |state| state.data = state.data.slice(..state.data.len() - 1)),
        ("longer", |state| state.data = [&state.data[..], b"1"].concat().into()),
        ("other bytes", |state| state.data = vec![0xff; 40].into()),
        ("another kind", |state| {
            state.content = match state.content {
                ContentKind::Json => ContentKind::Binary,
                _ => ContentKind::Json,
            };
        }),
    ];
    for codec in CODECS {
        for (name, spoil) in spoils {
            let (store, ledgers) = right(codec);
            let good = all(&store, "a-1").remove(0);
            let mut bad = good.state.clone();
            spoil(&mut bad);
            EventStore::keep_state(&store, &bad, &[]).unwrap();
            let expected = plain_fold(&store, "a-1", &Payloads::default());
            let loaded = ledgers.load("a-1").unwrap();
            assert_eq!(loaded.state, expected, "{name}");
            // The one before it is as good as ever.
            assert_eq!(loaded.replayed.snapshot, Some(Version::new(4)), "{name}");
            let report = ledgers.check_snapshots("a-1").unwrap();
            assert_eq!((report.good, report.bad.len()), (1, 1), "{name} {report:?}");

            // Alone, too; and the next one takes its place.
            let (store, ledgers) = right(codec);
            let good = all(&store, "a-1").remove(0);
            let mut bad = good.state.clone();
            spoil(&mut bad);
            EventStore::keep_state(&store, &bad, &[good.place]).unwrap();
            let expected = plain_fold(&store, "a-1", &Payloads::default());
            let loaded = ledgers.load("a-1").unwrap();
            assert_eq!((loaded.state, loaded.replayed.snapshot), (expected, None), "{name}");
            ledgers.snapshot("a-1").unwrap();
            let usable = |kept: &KeptState| kept.state.version.get() == 5;
            let left = all(&store, "a-1");
            assert!(left.iter().all(usable), "{name} {left:?}");
        }
    }
}

type Spoil = fn(&mut NewState);

/// Its kept states are not what was kept.
struct Lying(Spoil);

impl Rig for Lying {
    fn found(&self, mut kept: Option<KeptState>) -> Option<KeptState> {
        kept.iter_mut().for_each(|kept| self.0(&mut kept.state));
        kept
    }
}

#[test]
fn one_of_another_version_is_neither_kept_nor_believed() {
    let lies: [Spoil; 4] = [
        |state| state.version = Version::new(3),
        |state| state.version = Version::new(6),
        |state| state.version = Version::NONE,
        |state| state.checkpoint.position = Position::new(1),
    ];
    for lie in lies {
        let store = Store::in_memory().unwrap();
        let ledgers = Aggregates::<Ledger>::new(store.clone());
        append(&store, "b-1", &[added(1)]);
        append(&store, "a-1", &[added(1), added(2), added(4), added(8)]);
        ledgers.snapshot("a-1").unwrap();
        append(&store, "a-1", &[added(16)]);
        let mut bad = all(&store, "a-1").remove(0).state;
        lie(&mut bad);
        let refused = store.keep_state(&bad, &[]).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Invalid(_)), "{refused}");
        let lied_to = Aggregates::<Ledger, _>::new(Rigged::new(store.head(), Lying(lie)));
        let loaded = lied_to.load("a-1").unwrap();
        assert_eq!((loaded.state.sum, loaded.replayed.snapshot), (31, None));
    }
}

#[test]
fn one_that_another_codec_wrote_is_not_read() {
    let store = Store::in_memory().unwrap();
    append(&store, "a-1", &[added(1), added(2)]);
    for codec in CODECS {
        Aggregates::<Ledger>::new(store.clone()).codec(codec).snapshot("a-1").unwrap();
        for other in CODECS {
            let loaded = Aggregates::<Ledger>::new(store.clone()).codec(other).load("a-1").unwrap();
            assert_eq!(loaded.state.sum, 3);
            let used = codec == Codec::Json || codec == other;
            assert_eq!(loaded.replayed.snapshot.is_some(), used, "{codec:?} {other:?}");
        }
    }
    // A number that each binary form could read in the other's, as another one.
    append(&store, "b-1", &vec![added(0); 251]);
    for codec in CODECS {
        Aggregates::<Newer>::new(store.clone()).codec(codec).snapshot("b-1").unwrap();
        for other in CODECS {
            let loaded = Aggregates::<Newer>::new(store.clone()).codec(other).load("b-1").unwrap();
            assert_eq!(loaded.state, Newer(251), "{codec:?} {other:?}");
        }
    }
}

#[test]
fn a_false_state_is_found_by_the_check() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    append(&store, "a-1", &[added(1), added(2)]);
    ledgers.snapshot("a-1").unwrap();
    let good = all(&store, "a-1").remove(0);
    // The same in other words is no other state.
    let json: serde_json::Value = serde_json::from_slice(&good.state.data).unwrap();
    let spaced = serde_json::to_vec_pretty(&json).unwrap();
    let state = NewState { data: spaced.into(), ..good.state.clone() };
    EventStore::keep_state(&store, &state, &[]).unwrap();
    assert_eq!(ledgers.check_snapshots("a-1").unwrap().good, 2);

    let false_one = Ledger { sum: 4, events: 2, ..Ledger::default() };
    let data = serde_json::to_vec(&false_one).unwrap().into();
    let state = NewState { data, ..good.state };
    let place = EventStore::keep_state(&store, &state, &[]).unwrap();
    let report = ledgers.check_snapshots("a-1").unwrap();
    assert_eq!((report.good, report.bad.len()), (2, 1));
    assert_eq!((report.bad[0].version.get(), report.bad[0].place), (2, place));
    assert!(report.bad[0].what.contains("another state"));
    // Of a stream that was never written there are none.
    assert_eq!(ledgers.check_snapshots("z-1").unwrap(), Default::default());
}

#[test]
fn what_cannot_be_kept_is_told_by_hand_and_does_no_harm_by_itself() {
    let store = Store::in_memory().unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone())
        .codec(Codec::Postcard)
        .snapshots(Snapshots::default().every(1).times_its_size(0));
    let invalid = |outcome: Result<Version, Error>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error:?}");
        error.to_string()
    };
    assert!(invalid(ledgers.snapshot("a-1")).contains("no events"));

    let large = "x".repeat(limits::STATE_BYTES_MAX / 2);
    let note = || LedgerEvent::Noted(large.clone());
    let done = ledgers.execute("a-1", |_| Ok::<_, Error>(vec![note()])).unwrap();
    assert!(done.snapshot.unwrap().is_ok());
    let done = ledgers.execute("a-1", |_| Ok::<_, Error>(vec![note()])).unwrap();
    assert!(done.snapshot.is_none());
    let error = invalid(ledgers.snapshot("a-1"));
    assert!(error.contains("snapshot") && error.contains("16777216"), "{error}");

    // A state that lacks an event is not kept.
    append(&store, "b-1", &[added(1), LedgerEvent::Noted(REFUSED.to_owned())]);
    let collecting = ledgers.faults(Faults::Collect(5));
    assert!(invalid(collecting.snapshot("b-1")).contains("lacks an event"));
    let done = collecting.execute("b-1", |_| Ok::<_, Error>(vec![added(2)])).unwrap();
    assert!(done.snapshot.is_none());
    assert_eq!((done.loaded.state.sum, done.loaded.faults.len()), (3, 1));
}

/// Takes events and keeps no state.
struct Forgetful;

impl Rig for Forgetful {
    fn keep(&self) -> annals::Result<()> {
        Err(Error::from_other(ErrorKind::DiskFull, "the disk is full"))
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_changes_nothing_of_the_decision() {
    let store = Store::in_memory().unwrap();
    let rule = Snapshots::default().every(1).times_its_size(0);
    let ledgers =
        Aggregates::<Ledger, _>::new(Rigged::new(store.clone(), Forgetful)).snapshots(rule);
    let done = ledgers.execute("a-1", |_| Ok::<_, Error>(vec![added(1)])).unwrap();
    let failed = done.snapshot.unwrap().unwrap_err();
    assert_eq!(*failed.kind(), ErrorKind::DiskFull);
    assert_eq!((done.loaded.state.sum, done.receipt.unwrap().version.get()), (1, 1));
    assert_eq!(store.version("a-1").unwrap().get(), 1);
    assert_eq!(*ledgers.snapshot("a-1").unwrap_err().kind(), ErrorKind::DiskFull);
}

#[test]
fn one_of_a_stream_that_lost_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let options = Store::options().index(annals::IndexKind::Memory);
    let store = options.open(folder.path()).unwrap();
    append(&store, "a-1", &[added(1)]);
    append(&store, "a-1", &[added(2)]);
    append(&store, "a-1", &[LedgerEvent::Noted("the lost one".to_owned())]);
    append(&store, "b-1", &[added(1)]);
    store.close().unwrap();
    files::damage_text(folder.path(), b"the lost one");
    annals::repair(folder.path(), &mut |_, _| {}).unwrap();
    let store = options.open(folder.path()).unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    let loaded = ledgers.load("a-1").unwrap();
    assert_eq!((loaded.version.get(), loaded.position.get(), loaded.state.sum), (3, 2, 3));
    // It is of the last event that there is.
    assert_eq!(ledgers.snapshot("a-1").unwrap().get(), 2);
    assert_eq!(ledgers.check_snapshots("a-1").unwrap().good, 1);
    assert_eq!(store.verify_deep(&mut |_, _| {}).unwrap().damage, []);
    append(&store, "a-1", &[added(4)]);
    let loaded = ledgers.load("a-1").unwrap();
    assert_eq!((loaded.version.get(), loaded.state.sum), (4, 7));
    assert_eq!(loaded.replayed.snapshot, Some(Version::new(2)));
}

#[test]
fn a_false_one_is_found_where_faults_are_collected_too() {
    let store = Store::in_memory().unwrap();
    append(&store, "a-1", &[added(1), LedgerEvent::Noted(REFUSED.to_owned()), added(2)]);
    let checkpoint = store.head().checkpoint();
    let state = NewState {
        key: key("a-1"),
        schema: Ledger::SCHEMA,
        version: Version::new(3),
        checkpoint,
        content: ContentKind::Json,
        data: serde_json::to_vec(&Ledger { sum: 999, ..Ledger::default() }).unwrap().into(),
    };
    store.keep_state(&state, &[]).unwrap();
    let ledgers = Aggregates::<Ledger>::new(store).faults(Faults::Collect(5));
    assert_eq!(ledgers.check_snapshots("a-1").unwrap().bad.len(), 1);
}

#[test]
fn no_policy_keeps_more_than_it_can_look_through() {
    let store = Store::in_memory().unwrap();
    let rule = Snapshots::by_hand().keep(Keep::Last(1_000));
    let ledgers = Aggregates::<Ledger>::new(store.clone()).snapshots(rule);
    for _ in 0..2 * Keep::LAST_MAX {
        append(&store, "a-1", &[added(1)]);
        ledgers.snapshot("a-1").unwrap();
    }
    assert_eq!(kept(&store, "a-1").len(), Keep::LAST_MAX);
}
