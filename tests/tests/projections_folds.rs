//! The ready-made folds, against figures made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals::fold::{ByCategory, ByDay, ByStream, ByType, Figures, JsonFold};
use annals::{
    ContentKind, ErrorKind, ExpectedVersion, NewEvent, Position, Projection, Projector,
    ReplayCause, Store, Timestamp, Version, catch_up_together,
};
use annals_env::{Clock, Env, ManualClock};
use serde_json::{Value, json};

const ANY: ExpectedVersion = ExpectedVersion::Any;

/// The stream, the type, the size of the data, and when.
const EVENTS: [(&str, &str, usize, &str); 7] = [
    ("order-1", "Placed", 2, "2026-03-03T23:59:59.999999Z"),
    ("order-2", "Placed", 30, "2026-03-04T00:00:00Z"),
    ("order-1", "Paid", 9, "2026-03-04T12:00:00Z"),
    ("user-1", "Named", 2, "2026-03-04T12:00:00Z"),
    ("order-1", "Sent", 400, "2026-03-06T00:00:00Z"),
    ("clock", "Ticked", 0, "2026-03-06T01:00:00Z"),
    ("order-2", "Paid", 7, "2026-03-06T02:00:00Z"),
];

fn store() -> Store {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Env::in_memory() };
    let store = Store::options().index(annals::IndexKind::Memory).env(env).open("/store").unwrap();
    for (stream, kind, size, moment) in EVENTS {
        clock.set(moment.parse().unwrap());
        store.append(stream, ANY, &[NewEvent::binary(kind, vec![b'x'; size])]).unwrap();
    }
    store
}

fn count<'a>(keys: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key.to_owned()).or_default() += 1);
    counts
}

#[test]
fn counts_at_every_position() {
    let store = store();
    for position in 0..=EVENTS.len() {
        let view = store.as_of(Position::new(position as u64)).unwrap();
        let seen = || EVENTS.into_iter().take(position);
        macro_rules! check {
            ($fold:ty, $key:expr) => {
                let fold = <$fold>::over(&view).unwrap();
                let expected = count(seen().map($key));
                let counts: BTreeMap<String, u64> =
                    fold.iter().map(|(key, events)| (key.to_owned(), events)).collect();
                assert_eq!(counts, expected);
                expected.iter().for_each(|(key, events)| assert_eq!(fold.of(key), *events));
                assert_eq!(fold.of("nothing"), 0);
            };
        }
        check!(ByType, |event| event.1);
        check!(ByStream, |event| event.0);
        check!(ByCategory, |event| event.0.split('-').next().unwrap());
        check!(ByDay, |event| &event.3[..10]);
    }
}

#[test]
fn figures_at_every_position() {
    let store = store();
    for position in 0..=EVENTS.len() {
        let view = store.as_of(Position::new(position as u64)).unwrap();
        let seen = &EVENTS[..position];
        let figures = Figures::over(&view).unwrap();
        let stats = view.stats().unwrap();
        assert_eq!((figures.events, figures.streams), (stats.events, stats.streams));
        let sizes = || seen.iter().map(|event| event.2 as u64);
        assert_eq!(figures.data_bytes, sizes().sum::<u64>());
        assert_eq!(figures.data_bytes_min, sizes().min().unwrap_or(0));
        assert_eq!(figures.data_bytes_max, sizes().max().unwrap_or(0));
        let mean = (position > 0).then(|| sizes().sum::<u64>() / position as u64);
        assert_eq!(figures.data_bytes_mean(), mean);
        let moments = (figures.first.map(|seen| seen.recorded_at()), figures.last);
        assert_eq!(moments.0, stats.recorded_first);
        assert_eq!(moments.1.map(|seen| seen.recorded_at()), stats.recorded_last);
        let last = figures.last.map_or(Position::START, |seen| seen.position());
        assert_eq!(last, view.position());
    }
}

#[test]
fn kept_and_resumed() {
    let store = store();
    let mut types = Projector::<ByType>::open(store.clone()).unwrap();
    let mut days = Projector::<ByDay>::open(store.clone()).unwrap();
    let mut figures = Projector::<Figures>::open(store.clone()).unwrap();
    catch_up_together(&mut [&mut types, &mut days, &mut figures]).unwrap();
    store.append("order-1", ANY, &[NewEvent::json("Closed", "{}")]).unwrap();
    macro_rules! check {
        ($fold:ty, $before:expr) => {
            let mut again = Projector::<$fold>::open(store.clone()).unwrap();
            assert_eq!(again.state(), $before.state());
            again.catch_up().unwrap();
            assert_eq!(again.into_state(), <$fold>::over(&store).unwrap());
        };
    }
    check!(ByType, types);
    check!(ByDay, days);
    check!(Figures, figures);
}

fn folded(fold: JsonFold, datas: &[Value]) -> Value {
    let store = Store::in_memory().unwrap();
    for data in datas {
        store.append("s-1", ANY, &[NewEvent::json("T", data.to_string())]).unwrap();
    }
    fold.stream(&store, "s-1", None).unwrap().value
}

#[test]
fn merge_patches_as_in_the_examples_of_rfc_7396() {
    for (target, patch, result) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (json!({"e": 1}), json!({"a": 1}), json!({"a": 1, "e": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        assert_eq!(folded(JsonFold::Merge, &[target, patch]), result);
    }
    assert_eq!(folded(JsonFold::Merge, &[]), json!({}));
    let exact = json!({"max": u64::MAX, "min": i64::MIN, "third": 1.0 / 3.0});
    assert_eq!(folded(JsonFold::Merge, std::slice::from_ref(&exact)), exact);
}

#[test]
fn a_stream_of_json_at_each_version() {
    let store = Store::in_memory().unwrap();
    let events =
        [("Placed", r#"{"n":1}"#), ("Paid", "[1]"), ("Placed", "7"), ("Paid", r#"{"m":2}"#)];
    for (kind, data) in events {
        store.append("s-1", ANY, &[NewEvent::json(kind, data)]).unwrap();
        store.append("s-2", ANY, &[NewEvent::json("Other", "{}")]).unwrap();
    }
    let states = |fold: JsonFold| {
        (0..=4_u64)
            .map(move |to| (to, fold.stream(&store, "s-1", Some(Version::new(to))).unwrap()))
            .inspect(|(to, state)| {
                assert_eq!(state.version.get(), *to);
                assert_eq!(state.position.get(), (to * 2).saturating_sub(1));
                assert_eq!(state.recorded_at.is_some(), *to > 0);
                assert!(state.faults.is_empty());
            })
            .map(|(_, state)| state.value)
            .collect::<Vec<_>>()
    };
    let (merge, last, counts) = (
        states.clone()(JsonFold::Merge),
        states.clone()(JsonFold::LastByType),
        states(JsonFold::Count),
    );
    assert_eq!(merge, [json!({}), json!({"n": 1}), json!([1]), json!(7), json!({"m": 2})]);
    assert_eq!(last[4], json!({"Placed": 7, "Paid": {"m": 2}}));
    assert_eq!(last[2], json!({"Placed": {"n": 1}, "Paid": [1]}));
    assert_eq!(counts[4], json!({"Placed": 2, "Paid": 2}));
}

#[test]
fn a_state_is_that_of_the_view_that_is_asked() {
    let store = store();
    for position in 0..=EVENTS.len() {
        let view = store.as_of(Position::new(position as u64)).unwrap();
        let state = JsonFold::Count.stream(&view, "order-1", None).unwrap();
        assert_eq!(state.version, view.version("order-1").unwrap());
    }
    let nobody = JsonFold::Merge.stream(&store, "nobody", None).unwrap();
    assert_eq!((nobody.version, nobody.value), (Version::NONE, json!({})));
    let beyond = JsonFold::Count.stream(&store, "order-1", Some(Version::new(4))).unwrap_err();
    assert!(matches!(beyond.kind(), ErrorKind::Invalid(_)));
    let text = "version 4 lies beyond the newest event of order-1, which has version 3";
    assert_eq!(beyond.to_string(), text);
    assert!(JsonFold::Count.stream(&store, "", None).is_err());
}

#[test]
fn data_that_is_not_json_is_a_fault_or_passed_over() {
    let store = Store::in_memory().unwrap();
    let deep = "[".repeat(100_000);
    let events = [
        NewEvent::json("A", r#"{"a":1}"#),
        NewEvent::json("B", r#"{"b":"#),
        NewEvent::binary("C", "1"),
        NewEvent::new("D", ContentKind::Text, "1"),
        NewEvent::json("E", deep),
        NewEvent::json("F", r#"{"f":6}"#),
    ];
    store.append("s-1", ANY, &events).unwrap();
    for fold in [JsonFold::Merge, JsonFold::LastByType] {
        let error = fold.stream(&store, "s-1", None).unwrap_err();
        let ErrorKind::Replay(fault) = error.kind() else { panic!("{error}") };
        assert_eq!((fault.cause, fault.version), (ReplayCause::Payload, Version::new(2)));
        assert_eq!((fault.stream.as_str(), fault.event_type.as_str()), ("s-1", "B"));
        assert!(error.to_string().starts_with("event 2 (B, version 2 of s-1): its data is not"));
        let state = fold.stream_with_faults(&store, "s-1", None).unwrap();
        let versions: Vec<u64> = state.faults.iter().map(|fault| fault.version.get()).collect();
        assert_eq!(versions, [2, 3, 4, 5]);
        assert_eq!(state.version, Version::new(6));
    }
    let state = JsonFold::Merge.stream_with_faults(&store, "s-1", None).unwrap();
    assert_eq!(state.value, json!({"a": 1, "f": 6}));
    let counts = JsonFold::Count.stream(&store, "s-1", None).unwrap();
    assert_eq!(counts.value.as_object().unwrap().len(), 6);
}
