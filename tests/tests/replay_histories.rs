//! Replay is deterministic: over random histories, twice, with snapshots and without, from any of
//! them, in one go or in parts, now and at every point of the past, the state is the same.
//! `PROPTEST_CASES` sets the number of histories (default 200).

use annals::{
    Aggregates, Codec, Error, ExpectedVersion, Keep, NewEvent, Payloads, Position, Read, Snapshots,
    Store, Version,
};
use annals_tests::budget;
use annals_tests::ledger::{Ledger, LedgerEvent, plain_fold};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

#[derive(Clone, Debug)]
enum Step {
    /// Appends to the stream with this number, decided in one go or event by event.
    Append(usize, Vec<LedgerEvent>, How),
    /// Makes a snapshot by hand.
    Snapshot(usize),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Raw,
    Executed,
    OneByOne,
}

const STREAMS: [&str; 3] = ["a-1", "a-2", "b-1"];

fn event() -> impl Strategy<Value = LedgerEvent> {
    prop_oneof![
        4 => (-1_000..1_000_i64).prop_map(|amount| LedgerEvent::Added { amount }),
        2 => "[a-z]{0,4}".prop_map(LedgerEvent::Noted),
        2 => (any::<i32>(), any::<u8>()).prop_map(|(n, times)| LedgerEvent::Moved(n.into(), times)),
        1 => Just(LedgerEvent::Cleared),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![Just(How::Raw), Just(How::Executed), Just(How::OneByOne)];
    prop_oneof![
        5 => (0..3_usize, vec(event(), 1..6), how).prop_map(|(at, e, how)| Step::Append(at, e, how)),
        1 => (0..3_usize).prop_map(Step::Snapshot),
    ]
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![
        Just(Keep::All),
        (1..10_u64).prop_map(Keep::Spaced),
        (1..4_usize).prop_map(Keep::Last)
    ]
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Json), Just(Codec::Postcard), Just(Codec::Bincode)]
}

fn run(ledgers: &Aggregates<Ledger>, store: &Store, step: &Step) {
    let execute = |stream, events: &[LedgerEvent]| {
        let done = ledgers.execute(stream, |_| Ok::<_, Error>(events.to_vec())).unwrap();
        // What was folded on in memory is what is loaded.
        assert_eq!(done.loaded.state, ledgers.load(stream).unwrap().state);
        assert!(done.snapshot.is_none_or(|made| made.is_ok()));
    };
    match step {
        Step::Append(stream, events, How::Raw) => {
            let encode = |event| ledgers.payloads().encode(event).unwrap();
            let events: Vec<NewEvent> = events.iter().map(encode).collect();
            store.append(STREAMS[*stream], ExpectedVersion::Any, &events).unwrap();
        }
        Step::Append(stream, events, How::Executed) => execute(STREAMS[*stream], events),
        Step::Append(stream, events, How::OneByOne) => {
            events.iter().for_each(|event| execute(STREAMS[*stream], std::slice::from_ref(event)));
        }
        Step::Snapshot(stream) => {
            let stream = STREAMS[*stream];
            let made = ledgers.snapshot(stream);
            assert_eq!(made.is_ok(), store.version(stream).unwrap() > Version::NONE);
        }
    }
}

fn config() -> Config {
    Config {
        cases: budget::from_env("PROPTEST_CASES", 200),
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_way_to_a_state_gives_the_same(
        steps in vec(step(), 1..20),
        codec in codec(),
        events in 1..8_u64,
        times in 0..4_u32,
        keep in keep(),
    ) {
        let store = Store::in_memory().unwrap();
        let rule = Snapshots::default().every(events).times_its_size(times).keep(keep);
        let ledgers = Aggregates::<Ledger>::new(store.clone()).codec(codec).snapshots(rule);
        for step in &steps {
            run(&ledgers, &store, step);
        }
        let payloads = Payloads::new(codec);

        // The same history in a store of its own has no snapshots: but its stamps are others, so
        // that it is compared through views of this one.
        for number in 0..=store.position().get() {
            let position = Position::new(number);
            let then = store.as_of(position).unwrap();
            for stream in STREAMS {
                let expected = plain_fold(&then, stream, &payloads);
                let version = then.version(stream).unwrap();
                for _ in 0..2 {
                    let loaded = ledgers.load_as_of(stream, position).unwrap();
                    prop_assert_eq!(&loaded.state, &expected);
                    prop_assert_eq!(loaded.version, version);
                    let last = then.last_event(stream).unwrap().map(|event| event.position());
                    prop_assert_eq!(loaded.position, last.unwrap_or_default());
                    let by_version = ledgers.load_at(stream, version).unwrap();
                    prop_assert_eq!(&by_version.state, &expected);
                    prop_assert_eq!(by_version.position, loaded.position);
                }
            }
        }
        for stream in STREAMS {
            let report = ledgers.check_snapshots(stream).unwrap();
            prop_assert!(report.bad.is_empty() && report.other_schema == 0, "{:?}", report);
            let version = store.version(stream).unwrap();
            let diff = ledgers.diff(stream, Version::NONE, version).unwrap();
            prop_assert_eq!(diff.events.count() as u64, version.get());
            prop_assert_eq!(store.read(Read::stream(stream)).count() as u64, version.get());
            // All in the order in which it was recorded: nobody said when it occurred.
            let late = annals::Timestamp::from_micros(i64::MAX / 2);
            let occurred = ledgers.load_occurred_by(stream, late).unwrap();
            prop_assert_eq!(occurred.state, ledgers.load(stream).unwrap().state);
        }
    }
}
