//! Aggregates: typed events in each codec, loading now and in the past, and everything that can be
//! wrong with an event.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use annals::{
    Aggregate, Aggregates, Applied, Codec, ContentKind, Error, ErrorKind, Event, EventReader,
    ExpectedVersion, Faults, NewEvent, OccurredAt, Payloads, Position, ReadOnlyStore, ReplayCause,
    ReplayFault, Selection, Store, Timestamp, UnknownTypes, Upcasters, Version,
};
use annals_env::{Clock, Env, ManualClock};
use annals_tests::files;
use annals_tests::ledger::{Ledger, LedgerEvent, PANICS, REFUSED, plain_fold};
use annals_tests::setting::each_kind;
use annals_tests::world::BEGINNING;
use serde::{Deserialize, Serialize};

const ANY: ExpectedVersion = ExpectedVersion::Any;
const CODECS: [Codec; 3] = [Codec::Json, Codec::Postcard, Codec::Bincode];

fn store() -> Store {
    Store::in_memory().unwrap()
}

fn ledgers(store: &Store) -> Aggregates<Ledger> {
    Aggregates::new(store.clone())
}

fn shapes() -> [LedgerEvent; 4] {
    [
        LedgerEvent::Added { amount: 7 },
        LedgerEvent::Noted("two\nlines".to_owned()),
        LedgerEvent::Moved(-3, 2),
        LedgerEvent::Cleared,
    ]
}

fn append(store: &Store, stream: &str, events: &[LedgerEvent]) {
    let payloads = Payloads::default();
    let events: Vec<NewEvent> = events.iter().map(|e| payloads.encode(e).unwrap()).collect();
    store.append(stream, ANY, &events).unwrap();
}

fn added(amount: i64) -> LedgerEvent {
    LedgerEvent::Added { amount }
}

fn noted(note: &str) -> LedgerEvent {
    LedgerEvent::Noted(note.to_owned())
}

#[track_caller]
fn fault<T>(outcome: Result<T, Error>) -> ReplayFault {
    let error = outcome.map(drop).unwrap_err();
    match error.kind() {
        ErrorKind::Replay(fault) => {
            assert_eq!(error.to_string(), fault.to_string());
            (**fault).clone()
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn invalid<T>(outcome: Result<T, Error>) -> String {
    let error = outcome.map(drop).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error:?}");
    error.to_string()
}

#[test]
fn each_shape_of_event_is_read_as_it_was_written_in_each_codec() {
    for codec in CODECS {
        let store = store();
        let payloads = Payloads::new(codec);
        let events = shapes().map(|event| payloads.encode(&event).unwrap());
        let types = events.each_ref().map(|event| &*event.event_type);
        assert_eq!(types, ["Added", "Noted", "Moved", "Cleared"]);
        let kind = if codec == Codec::Json { ContentKind::Json } else { ContentKind::Binary };
        assert!(events.iter().all(|event| event.content == kind && event.schema == 1));
        store.append("a-1", ANY, &events).unwrap();
        let read = store.read_stream("a-1").map(|event| payloads.decode(&event.unwrap()).unwrap());
        assert_eq!(read.collect::<Vec<LedgerEvent>>(), shapes());
        let loaded = ledgers(&store).codec(codec).load("a-1").unwrap();
        assert_eq!(loaded.state, plain_fold(&store, "a-1", &payloads));
        assert_eq!((loaded.version, loaded.position), (Version::new(4), Position::new(4)));
    }
    let json = Payloads::default();
    let data = shapes().map(|event| json.encode(&event).unwrap().data);
    let expected = [r#"{"amount":7}"#, r#""two\nlines""#, "[-3,2]", "{}"];
    assert_eq!(data.each_ref().map(|data| &**data), expected.map(str::as_bytes));
}

#[test]
fn json_is_read_whatever_the_codec_so_that_a_stream_can_change_over() {
    let store = store();
    append(&store, "a-1", &shapes());
    let ledgers = ledgers(&store).codec(Codec::Postcard);
    let done = ledgers.execute("a-1", |_| Ok::<_, Error>(vec![added(5)])).unwrap();
    assert_eq!(done.loaded.state.sum, 5);
    assert_eq!(store.last_event("a-1").unwrap().unwrap().content(), ContentKind::Binary);

    // With the JSON codec alone the binary event is a fault that says what to do.
    let fault = fault(self::ledgers(&store).load("a-1"));
    assert_eq!(fault.cause, ReplayCause::Payload);
    assert!(fault.what.contains("codec"), "{fault}");
}

#[test]
fn what_is_no_enum_is_refused() {
    #[derive(Serialize)]
    struct Plain {
        a: u8,
    }
    #[derive(Serialize, Deserialize)]
    struct Wrapped(LedgerEvent);
    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        One { a: u8 },
    }
    for codec in CODECS {
        let payloads = Payloads::new(codec);
        assert!(invalid(payloads.encode(&Plain { a: 1 })).contains("variant"));
        assert!(invalid(payloads.encode(&Tagged::One { a: 1 })).contains("variant"));
        assert!(invalid(payloads.encode(&Some(added(1)))).contains("variant"));
        assert!(invalid(payloads.encode(&"text")).contains("variant"));
        // A wrapper of an enum is as good as the enum.
        let event = payloads.encode(&Wrapped(added(1))).unwrap();
        assert_eq!(event, payloads.encode(&added(1)).unwrap());
    }
    #[derive(Debug, Deserialize)]
    #[serde(tag = "kind")]
    #[expect(dead_code, reason = "never made")]
    enum TaggedBack {
        Added { amount: i64 },
    }
    let store = store();
    append(&store, "a-1", &[added(1)]);
    let event = store.last_event("a-1").unwrap().unwrap();
    let fault = fault(Payloads::default().decode::<TaggedBack>(&event));
    assert_eq!(fault.cause, ReplayCause::Payload);
    assert_eq!(Payloads::default().decode::<Wrapped>(&event).unwrap().0, added(1));
}

#[test]
fn a_stream_never_written_is_at_version_0_with_the_default_state() {
    let store = store();
    let loaded = ledgers(&store).load("a-1").unwrap();
    assert_eq!((loaded.version, loaded.position), (Version::NONE, Position::START));
    assert_eq!(loaded.state, Ledger::default());
    assert!(invalid(ledgers(&store).load("")).contains("stream name"));
}

#[test]
fn a_bad_payload_is_told_with_its_place() {
    let bad = [
        (NewEvent::json("Added", "{"), Codec::Json),
        (NewEvent::json("Added", ""), Codec::Json),
        (NewEvent::json("Added", r#"{"amount":1} 2"#), Codec::Json),
        (NewEvent::json("Added", r#"{"amount":"1"}"#), Codec::Json),
        (NewEvent::json("Moved", "[1]"), Codec::Json),
        (NewEvent::json("Cleared", "nothing"), Codec::Json),
        (NewEvent::new("Added", ContentKind::Text, r#"{"amount":1}"#), Codec::Json),
        (NewEvent::binary("Added", [2].to_vec()), Codec::Json),
        (NewEvent::binary("Added", b"".to_vec()), Codec::Postcard),
        (NewEvent::binary("Added", [2, 2].to_vec()), Codec::Postcard),
        (NewEvent::binary("Cleared", [2].to_vec()), Codec::Postcard),
        // A text that says that it is 2^63 bytes long, or two gigabytes.
        (NewEvent::binary("Noted", [&[0xff; 9][..], &[0x7f]].concat()), Codec::Postcard),
        (NewEvent::binary("Noted", [253, 0, 0, 0, 0, 0, 0, 0, 0x80].to_vec()), Codec::Bincode),
        (NewEvent::binary("Noted", [252, 0, 0, 0, 0x80].to_vec()), Codec::Bincode),
        (NewEvent::binary("Added", b"".to_vec()), Codec::Bincode),
        (NewEvent::binary("Added", [2, 2].to_vec()), Codec::Bincode),
    ];
    for (event, codec) in bad {
        let store = store();
        append(&store, "b-1", &[added(1)]);
        append(&store, "a-1", &[added(1), added(2)]);
        store.append("a-1", ANY, std::slice::from_ref(&event)).unwrap();
        append(&store, "a-1", &[added(4)]);
        let ledgers = ledgers(&store).codec(codec);
        let fault = fault(ledgers.load("a-1"));
        assert_eq!(fault.cause, ReplayCause::Payload, "{event:?}: {fault}");
        assert_eq!((&*fault.stream, fault.version.get()), ("a-1", 3), "{event:?}");
        assert_eq!(fault.position.get(), 4);
        assert_eq!(*fault.event_type, *event.event_type);

        // Asked to, it goes on.
        let loaded = ledgers.faults(Faults::Collect(1)).load("a-1").unwrap();
        assert_eq!(loaded.faults, [fault]);
        assert_eq!((loaded.state.sum, loaded.state.events), (7, 3));
        assert_eq!(loaded.version.get(), 4);
    }
}

#[test]
fn an_unknown_type_is_a_fault_or_passed_over() {
    let store = store();
    append(&store, "a-1", &[added(1)]);
    store.append("a-1", ANY, &[NewEvent::json("Audited", "not even JSON")]).unwrap();
    append(&store, "a-1", &[added(2)]);
    let ledgers = ledgers(&store);
    let fault = fault(ledgers.load("a-1"));
    assert_eq!((fault.cause, fault.version.get()), (ReplayCause::UnknownType, 2));
    let loaded = ledgers.unknown_types(UnknownTypes::Skip).load("a-1").unwrap();
    assert_eq!((loaded.state.sum, loaded.version.get()), (3, 3));
    assert!(loaded.faults.is_empty());

    // One of the payload's own enums is no event type.
    #[derive(Debug, Deserialize)]
    enum Painted {
        Painted(Colour),
    }
    #[derive(Debug, Deserialize)]
    enum Colour {
        Red,
    }
    store.append("c-1", ANY, &[NewEvent::json("Painted", r#""Blue""#)]).unwrap();
    let event = store.last_event("c-1").unwrap().unwrap();
    let error = Payloads::default().decode::<Painted>(&event);
    assert_eq!(self::fault(error).cause, ReplayCause::Payload);
    assert!(matches!(serde_json::from_str(r#""Red""#), Ok(Colour::Red)));
}

#[test]
fn an_event_that_fails_half_done_leaves_nothing_behind() {
    for (note, cause) in [(REFUSED, ReplayCause::Refused), (PANICS, ReplayCause::Panicked)] {
        let store = store();
        let mut events = vec![added(1), noted("first")];
        for _ in 0..3 {
            events.extend([noted(note), added(1), noted("later")]);
        }
        append(&store, "a-1", &events);
        let ledgers = ledgers(&store);
        let fault = fault(ledgers.load("a-1"));
        assert_eq!((fault.cause, fault.version.get()), (cause, 3));
        assert!(fault.to_string().contains("this note"), "{fault}");

        let loaded = ledgers.clone().faults(Faults::Collect(3)).load("a-1").unwrap();
        let versions: Vec<u64> = loaded.faults.iter().map(|fault| fault.version.get()).collect();
        assert_eq!(versions, [3, 6, 9]);
        assert_eq!(loaded.state.notes, ["first", "later", "later", "later"]);
        assert_eq!((loaded.state.sum, loaded.state.events), (4, 8));

        // One more than may be collected.
        let fault = self::fault(ledgers.faults(Faults::Collect(2)).load("a-1"));
        assert_eq!(fault.version.get(), 9);
    }
}

#[test]
fn old_schemas_are_led_to_the_current_one_at_any_point_in_time() {
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Total(u64);
    #[derive(Serialize, Deserialize)]
    enum OrderEvent {
        Placed { cents: u64 },
    }
    impl Aggregate for Total {
        type Event = OrderEvent;
        const NAME: &'static str = "total";
        fn apply(&mut self, OrderEvent::Placed { cents }: OrderEvent, _: &Event) -> Applied {
            self.0 += cents;
            Ok(())
        }
    }
    let upcasters = Upcasters::new()
        // A number in text, by bytes.
        .raw(("Made", 1), |mut raw| {
            let text = std::str::from_utf8(&raw.data)?;
            raw.data = format!(r#"{{"euros":{}}}"#, text.parse::<u64>()?).into();
            raw.content = ContentKind::Json;
            raw.schema = 2;
            Ok(raw)
        })
        .rename(("Made", 2), ("Placed", 1))
        .json(("Placed", 1), |mut data| {
            let euros = data["euros"].as_u64().ok_or("there are no euros")?;
            data["cents"] = (euros * 100).into();
            Ok(data)
        })
        .json(("Placed", 2), |mut data| match data["cents"].as_u64() {
            Some(13) => panic!("thirteen"),
            cents => {
                data["cents"] = cents.into();
                Ok(data)
            }
        });
    assert_eq!(upcasters.schema("Placed"), 3);
    assert_eq!(upcasters.schema("Other"), 1);
    let store = store();
    let event =
        |kind: &'static str, schema, data: &'static str| NewEvent::json(kind, data).schema(schema);
    let history = [
        NewEvent::new("Made", ContentKind::Text, "1"),
        event("Made", 2, r#"{"euros":2}"#),
        event("Placed", 1, r#"{"euros":4}"#),
        event("Placed", 2, r#"{"cents":8}"#),
        event("Placed", 3, r#"{"cents":16}"#),
    ];
    store.append("order-1", ANY, &history).unwrap();
    let orders = Aggregates::<Total>::new(store.clone()).upcasters(upcasters);
    for (version, cents) in [0, 100, 300, 700, 708, 724].into_iter().enumerate() {
        let loaded = orders.load_at("order-1", Version::new(version as u64)).unwrap();
        assert_eq!(loaded.state, Total(cents));
    }
    let new = orders.payloads().encode(&OrderEvent::Placed { cents: 1 }).unwrap();
    assert_eq!(new.schema, 3);

    for (number, (bad, cause)) in [
        (event("Placed", 4, "{}"), ReplayCause::UnknownSchema),
        (event("Placed", 0, "{}"), ReplayCause::UnknownSchema),
        (event("Placed", 1, "{}"), ReplayCause::Upcaster),
        (event("Placed", 2, r#"{"cents":13}"#), ReplayCause::Panicked),
        (event("Placed", 2, "{"), ReplayCause::Upcaster),
        (event("Placed", 2, "{}"), ReplayCause::Payload),
        (NewEvent::binary("Placed", b"1".to_vec()), ReplayCause::Upcaster),
        (event("Made", 1, "x"), ReplayCause::Upcaster),
    ]
    .into_iter()
    .enumerate()
    {
        let stream = format!("order-bad{number}");
        store.append(&stream, ANY, &[event("Placed", 3, r#"{"cents":1}"#), bad]).unwrap();
        let fault = fault(orders.load(&stream));
        assert_eq!((fault.cause, fault.version.get()), (cause, 2), "{fault}");
        let all = orders.clone().faults(Faults::Collect(1)).load(&stream).unwrap();
        assert_eq!((all.state, all.version.get()), (Total(1), 2));
        assert_eq!(all.faults, [fault]);
        let event = store.last_event(&stream).unwrap().unwrap();
        let decoded = self::fault(orders.payloads().decode::<OrderEvent>(&event));
        assert_eq!(decoded, all.faults[0]);
    }
}

#[test]
fn upcasters_that_lead_in_a_circle_end() {
    let upcasters = Upcasters::new()
        .rename(("Added", 2), ("Put", 2))
        .rename(("Put", 2), ("Added", 2))
        .raw(("Noted", 1), Ok)
        .current("Moved", 5);
    let store = store();
    let ledgers = ledgers(&store).upcasters(upcasters);
    store.append("a-1", ANY, &[NewEvent::json("Added", "{}").schema(2)]).unwrap();
    store.append("a-2", ANY, &[NewEvent::json("Noted", r#""a""#)]).unwrap();
    for stream in ["a-1", "a-2"] {
        let fault = fault(ledgers.load(stream));
        assert_eq!(fault.cause, ReplayCause::Upcaster);
        assert!(fault.what.contains("circle"), "{fault}");
    }
    // What is declared is written, and nothing leads to it.
    assert_eq!(ledgers.payloads().encode(&LedgerEvent::Moved(1, 1)).unwrap().schema, 5);
    append(&store, "a-3", &[LedgerEvent::Moved(1, 1)]);
    assert_eq!(fault(ledgers.load("a-3")).cause, ReplayCause::UnknownSchema);
}

/// A store and its clock, which moves on by a second with each append.
fn clocked() -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(BEGINNING));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Env::in_memory() };
    (Store::options().index(annals::IndexKind::Memory).env(env).open("/store").unwrap(), clock)
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(BEGINNING.as_micros() + seconds * 1_000_000)
}

#[test]
fn the_past_is_loaded_by_version_position_and_moment() {
    let (store, clock) = clocked();
    for number in 1..=9 {
        clock.advance(std::time::Duration::from_secs(1));
        append(&store, ["a-1", "b-1"][number % 2], &[added(1 << number), noted("x")]);
    }
    clock.advance(std::time::Duration::from_secs(1));
    let ledgers = ledgers(&store);
    let payloads = Payloads::default();
    for number in 0..=18 {
        let position = Position::new(number);
        let then = store.as_of(position).unwrap();
        let expected = plain_fold(&then, "a-1", &payloads);
        let loaded = ledgers.load_as_of("a-1", position).unwrap();
        assert_eq!(loaded.state, expected, "{position}");
        assert_eq!(loaded.version, then.version("a-1").unwrap());
        let by_version = ledgers.load_at("a-1", loaded.version).unwrap();
        assert_eq!(by_version.state, expected);
        assert_eq!(by_version.position, loaded.position);
        // The view by itself, too.
        assert_eq!(Aggregates::<Ledger, _>::new(&then).load("a-1").unwrap().state, expected);
    }
    for second in 0..=9 {
        let then = store.as_of(seconds(second)).unwrap();
        let loaded = ledgers.load_as_of("a-1", seconds(second)).unwrap();
        assert_eq!(loaded.state, plain_fold(&then, "a-1", &payloads), "{second}");
    }
    // Before the first event there is nothing, and of what is to come nobody knows.
    let before = ledgers.load_as_of("a-1", seconds(-1_000_000)).unwrap();
    assert_eq!((before.version, before.state), (Version::NONE, Ledger::default()));
    assert!(invalid(ledgers.load_as_of("a-1", seconds(10))).contains("not yet past"));
    assert!(invalid(ledgers.load_as_of("a-1", Position::new(19))).contains("19"));
    let beyond = invalid(ledgers.load_at("a-1", Version::new(9)));
    assert!(beyond.contains("version 9") && beyond.contains("last is 8"), "{beyond}");
    assert!(invalid(ledgers.load_at("c-1", Version::new(1))).contains("last is 0"));
    assert_eq!(ledgers.load_at("c-1", Version::NONE).unwrap().state, Ledger::default());
    // What is as of a point knows nothing later.
    let then = ledgers.as_of(Position::new(4)).unwrap();
    assert!(invalid(then.load_at("a-1", Version::new(3))).contains("last is 2"));
}

#[test]
fn what_lies_before_damage_can_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::options().index(annals::IndexKind::Memory).open(folder.path()).unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    append(&store, "a-1", &[added(1), added(2)]);
    append(&store, "a-1", &[LedgerEvent::Noted("the damaged one".to_owned()), added(4)]);
    drop(ledgers);
    store.close().unwrap();
    files::damage_text(folder.path(), b"the damaged one");
    let store = annals::ReadOnlyStore::open(folder.path()).unwrap();
    let ledgers = Aggregates::<Ledger, _>::new(store.head());
    assert_eq!(ledgers.load_at("a-1", Version::new(2)).unwrap().state.sum, 3);
    assert_eq!(ledgers.load_as_of("a-1", Position::new(2)).unwrap().state.sum, 3);
    let diff = ledgers.diff("a-1", Version::new(1), Version::new(2)).unwrap();
    assert_eq!((diff.before.state.sum, diff.after.state.sum), (1, 3));
    for version in [3, 4] {
        let error = ledgers.load_at("a-1", Version::new(version)).unwrap_err();
        assert!(error.damage().is_some(), "{error}");
    }
    let json = annals::fold::JsonFold::Count;
    let state = json.stream(&store, "a-1", Some(Version::new(2))).unwrap();
    assert_eq!(state.version.get(), 2);
    assert!(json.stream(&store, "a-1", Some(Version::new(3))).is_err());
}

#[test]
fn a_type_that_nobody_knows_is_passed_over_whatever_its_schema() {
    let store = Store::in_memory().unwrap();
    append(&store, "a-1", &[added(1)]);
    let audited = annals::NewEvent::json("Audited", "{}").schema(2);
    store.append("a-1", annals::ExpectedVersion::Any, &[audited]).unwrap();
    let ledgers = Aggregates::<Ledger>::new(store.clone());
    let error = ledgers.load("a-1").unwrap_err();
    let ErrorKind::Replay(fault) = error.kind() else { panic!("{error}") };
    assert_eq!(fault.cause, ReplayCause::UnknownType);
    let skipping = ledgers.clone().unknown_types(UnknownTypes::Skip);
    assert_eq!(skipping.load("a-1").unwrap().state.sum, 1);
    // Of a known type the schema counts.
    let noted = annals::NewEvent::json("Noted", "\"x\"").schema(2);
    store.append("a-1", annals::ExpectedVersion::Any, &[noted]).unwrap();
    let error = skipping.load("a-1").unwrap_err();
    let ErrorKind::Replay(fault) = error.kind() else { panic!("{error}") };
    assert_eq!(fault.cause, ReplayCause::UnknownSchema);
}

#[test]
fn a_diff_is_the_events_between_two_points_and_the_states_at_them() {
    let (store, clock) = clocked();
    for number in 1..=6 {
        clock.advance(std::time::Duration::from_secs(1));
        append(&store, "a-1", &[added(number)]);
        append(&store, "b-1", &[added(1)]);
    }
    let ledgers = ledgers(&store);
    let diff = ledgers.diff("a-1", Version::new(2), seconds(4)).unwrap();
    assert_eq!((diff.before.state.sum, diff.after.state.sum), (3, 10));
    let versions: Vec<u64> = diff.events.map(|event| event.unwrap().version().get()).collect();
    assert_eq!(versions, [3, 4]);
    let none = ledgers.diff("a-1", Position::new(3), Version::new(2)).unwrap();
    assert_eq!(none.events.count(), 0);
    let all = ledgers.diff("a-1", Version::NONE, Version::new(6)).unwrap();
    assert_eq!(all.events.count(), 6);
    assert_eq!(ledgers.diff("c-1", Version::NONE, Version::NONE).unwrap().events.count(), 0);
    assert!(invalid(ledgers.diff("a-1", Version::new(2), Version::new(1))).contains("turn"));
    assert!(invalid(ledgers.diff("a-1", Version::new(2), Version::new(7))).contains("7"));
}

#[test]
fn what_was_true_then_as_known_now_is_folded_by_when_it_occurred() {
    let (store, clock) = clocked();
    clock.advance(std::time::Duration::from_secs(100));
    let payloads = Payloads::default();
    // In the order of the stream, each with the second in which it occurred.
    let occurred = [Some(30), Some(10), None, Some(20), Some(10), Some(150)];
    for (number, second) in occurred.into_iter().enumerate() {
        let mut event = payloads.encode(&noted(&number.to_string())).unwrap();
        if let Some(second) = second {
            event = event.occurred_at(seconds(second));
        }
        store.append("a-1", ANY, &[event]).unwrap();
    }
    let ledgers = ledgers(&store);
    let notes = |second| -> Vec<String> {
        ledgers.load_occurred_by("a-1", seconds(second)).unwrap().state.notes
    };
    assert!(notes(9).is_empty());
    assert_eq!(notes(10), ["1", "4"]);
    assert_eq!(notes(29), ["1", "4", "3"]);
    assert_eq!(notes(99), ["1", "4", "3", "0"]);
    // Who does not say when it occurred means when it was recorded.
    assert_eq!(notes(100), ["1", "4", "3", "0", "2"]);
    // The caller's clock may be ahead.
    assert_eq!(notes(1_000), ["1", "4", "3", "0", "2", "5"]);
    assert_eq!(ledgers.load("a-1").unwrap().state.notes, ["0", "1", "2", "3", "4", "5"]);
    let loaded = ledgers.load_occurred_by("a-1", seconds(10)).unwrap();
    assert_eq!((loaded.version.get(), loaded.position.get()), (6, 5));
    // To the nanosecond.
    let moment: OccurredAt = "2026-03-03T12:00:00.000000500Z".parse().unwrap();
    let before: OccurredAt = "2026-03-03T12:00:00.000000499Z".parse().unwrap();
    let event = payloads.encode(&added(1)).unwrap().occurred_at(moment);
    store.append("b-1", ANY, &[event]).unwrap();
    assert_eq!(ledgers.load_occurred_by("b-1", before).unwrap().state.sum, 0);
    assert_eq!(ledgers.load_occurred_by("b-1", moment).unwrap().state.sum, 1);

    // A fault is one in this order too.
    append(&store, "a-1", &[noted(REFUSED)]);
    assert_eq!(fault(ledgers.load_occurred_by("a-1", seconds(100))).version.get(), 7);
    let collecting = ledgers.clone().faults(Faults::Collect(1));
    let loaded = collecting.load_occurred_by("a-1", seconds(100)).unwrap();
    assert_eq!(loaded.state.notes, ["1", "4", "3", "0", "2"]);
    assert_eq!(loaded.faults.len(), 1);
}

#[test]
fn all_aggregates_are_folded_as_of_one_point() {
    let store = store();
    let (ledgers, payloads) = (ledgers(&store), Payloads::default());
    for number in 0..600 {
        let stream = format!("{}-{}", ["order", "orders", "cart"][number % 3], number % 150);
        append(&store, &stream, &[added(1), noted("x")]);
    }
    append(&store, "order", &[added(1)]);
    let noon = store.position();
    append(&store, "order-late", &[added(1)]);
    append(&store, "order-0", &[added(1)]);

    let mut chosen = Vec::new();
    let then = ledgers.as_of(noon).unwrap();
    let view = store.as_of(noon).unwrap();
    for (selection, prefix) in [
        (Selection::category("order"), "order-"),
        (Selection::Prefix("order".to_owned()), "order"),
        (Selection::Prefix(String::new()), ""),
        (Selection::Streams(vec!["cart-2".to_owned(), "nobody".to_owned()]), "none"),
    ] {
        let found = then.fold_all(&selection, Vec::new, |found, loaded| {
            found.push((loaded.stream, loaded.version, loaded.state));
            Ok(())
        });
        let mut found: Vec<_> = found.unwrap().into_iter().flatten().collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        for (stream, version, state) in &found {
            assert_eq!(*state, plain_fold(&view, stream, &payloads), "{stream}");
            assert_eq!(*version, view.version(stream).unwrap());
        }
        let names: Vec<String> = found.into_iter().map(|found| found.0).collect();
        let expected = match &selection {
            Selection::Streams(names) => names.clone(),
            _ => {
                let category = |name: &String| {
                    prefix != "order-" || name == "order" || name.starts_with("order-")
                };
                let wide = prefix.trim_end_matches('-');
                let listed = EventReader::streams(&view, wide).map(|one| one.unwrap().name);
                listed.filter(category).collect()
            }
        };
        assert_eq!(names, expected, "{selection:?}");
        chosen.push(names.len());
    }
    assert_eq!(chosen, [51, 101, 151, 2]);

    // The first error ends it: the caller's own, and a replay's.
    let everything = Selection::Prefix(String::new());
    let failed = ledgers.fold_all(
        &everything,
        || 0,
        |_, loaded| match &*loaded.stream {
            "order-0" => Err(Error::from_other(ErrorKind::Io, "enough")),
            _ => Ok(()),
        },
    );
    assert_eq!(failed.unwrap_err().to_string(), "enough");
    append(&store, "cart-2", &[noted(PANICS)]);
    let fault = fault(ledgers.fold_all(&everything, || 0, |_, _| Ok(())));
    assert_eq!((&*fault.stream, fault.cause), ("cart-2", ReplayCause::Panicked));
    assert!(ledgers.fold_all(&Selection::category("order"), || 0, |_, _| Ok(())).is_ok());
}

#[test]
fn a_process_beside_the_writer_loads_too() {
    each_kind(|setting| {
        let store = setting.open();
        let writing = ledgers(&store);
        for number in 0..20 {
            writing.execute("a-1", |_| Ok::<_, Error>(vec![added(number)])).unwrap();
        }
        let beside = ReadOnlyStore::open(setting.path()).unwrap();
        let ledgers = Aggregates::<Ledger, _>::new(beside);
        let payloads = Payloads::default();
        assert_eq!(ledgers.load("a-1").unwrap().state, plain_fold(&store, "a-1", &payloads));
        let then = store.as_of(Position::new(7)).unwrap();
        let expected = plain_fold(&then, "a-1", &payloads);
        assert_eq!(ledgers.load_at("a-1", Version::new(7)).unwrap().state, expected);
        assert_eq!(ledgers.load_as_of("a-1", Position::new(7)).unwrap().state, expected);
        assert!(ledgers.check_snapshots("a-1").unwrap().bad.is_empty());
    });
}

#[test]
fn a_panic_in_a_fold_over_all_stops_the_other_threads() {
    const STREAMS: u64 = 3_000;
    let store = store();
    for number in 0..STREAMS {
        append(&store, &format!("a-{number}"), &[added(1)]);
    }
    let (first, others) = (AtomicBool::new(true), AtomicU64::new(0));
    let fold = |_: &mut (), _| {
        if first.swap(false, Ordering::Relaxed) {
            panic!("the caller's fold fell over");
        }
        others.fetch_add(1, Ordering::Relaxed);
        // The panic is told of meanwhile.
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    };
    let all = Selection::category("a");
    let ledgers = ledgers(&store);
    let folded = catch_unwind(AssertUnwindSafe(|| ledgers.fold_all(&all, || (), fold)));
    assert!(folded.is_err());
    let others = others.into_inner();
    assert!(others < STREAMS / 2, "{others} of {STREAMS} streams were loaded all the same");
}
