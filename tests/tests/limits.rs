//! Every limit at its value and one beyond, and what else an append or a read must refuse.

use annals::limits::{
    COMMIT_BYTES_MAX, DATA_BYTES_MAX, EVENT_TYPE_BYTES_MAX, EVENTS_PER_COMMIT_MAX,
    METADATA_BYTES_MAX, STREAM_NAME_BYTES_MAX, TAG_BYTES_MAX, TAGS_PER_EVENT_MAX,
};
use annals::{
    Error, ErrorKind, EventId, ExpectedVersion, Invalid, NewEvent, Position, Read, Store,
    Timestamp, Version,
};
use annals_env::MemoryFs;
use annals_tests::check::{self, collect};
use annals_tests::model::{self, Model};
use annals_tests::workload::seeded;
use annals_tests::world::World;

const ANY: ExpectedVersion = ExpectedVersion::Any;

fn event() -> NewEvent {
    NewEvent::json("T", "{}")
}

/// The append is taken, and what comes back is what went in.
fn is_taken(store: &Store, stream: &str, events: &[NewEvent]) {
    let mut model = Model::new();
    for event in collect(store.read_all()).unwrap() {
        assert_ne!(event.stream(), stream, "each case has a stream of its own");
        model.accept(&model::any(event.stream(), vec![NewEvent::default()]), None, None);
    }
    let commit = model::any(stream, events.to_vec());
    let receipt = store.append(stream, ANY, events).unwrap();
    check::accepted(&mut model, &commit, &receipt).unwrap();
    check::read(store, &model, &Read::stream(stream), receipt.position).unwrap();
    check::stream_end(store, &model, stream, receipt.position).unwrap();
}

/// The append is refused, in words that have all of `words`, and nothing is written.
fn is_refused(store: &Store, stream: &str, events: &[NewEvent], words: &[&str]) -> Error {
    let before = store.position();
    let error = store.append(stream, ANY, events).unwrap_err();
    assert!(check::is_invalid(&error), "{:?}", error.kind());
    for word in words {
        assert!(error.to_string().contains(word), "{error} does not say {word}");
    }
    assert_eq!(store.position(), before);
    error
}

#[test]
fn stream_names() {
    let store = Store::in_memory().unwrap();
    let longest = "n".repeat(STREAM_NAME_BYTES_MAX);
    is_taken(&store, &longest, &[event()]);
    is_refused(&store, &format!("{longest}n"), &[event()], &["stream name", "513", "512", "bytes"]);
    // Bytes, not characters.
    let wide = "ä".repeat(STREAM_NAME_BYTES_MAX / 2);
    is_taken(&store, &wide, &[event()]);
    is_refused(&store, &format!("{wide}n"), &[event()], &["stream name", "513"]);
    is_taken(&store, "n", &[event()]);
    is_refused(&store, "", &[event()], &["stream name", "empty"]);
}

#[test]
fn characters_of_names() {
    let store = Store::in_memory().unwrap();
    for name in ["a b", "-", "order-", "a/b\\c:d*?", "漢字-1", "𝄞", "..", "a\u{301}"] {
        is_taken(&store, name, &[event()]);
    }
    for name in [" a", "a ", "\ta", "a\n", "a\0b", "\u{7f}", "a\u{85}", "\u{a0}a", "\r", " "] {
        is_refused(&store, name, &[event()], &["stream name", "white space"]);
        let typed = NewEvent::json(name.to_owned(), "{}");
        is_refused(&store, "s", &[typed], &["event 1", "event type", "white space"]);
        let tagged = event().tag("fine").tag(name.to_owned());
        is_refused(&store, "s", &[event(), tagged], &["event 2", "tag", "white space"]);
    }
    is_refused(&store, "s", &[NewEvent::json("", "{}")], &["event type", "empty"]);
    is_refused(&store, "s", &[event().tag("")], &["tag", "empty"]);
}

#[test]
fn event_types() {
    let store = Store::in_memory().unwrap();
    let longest = "t".repeat(EVENT_TYPE_BYTES_MAX);
    is_taken(&store, "s", &[NewEvent::json(longest.clone(), "{}")]);
    let longer = NewEvent::json(longest + "t", "{}");
    is_refused(&store, "s", &[event(), longer], &["event 2", "event type", "257", "256"]);
}

#[test]
fn tags() {
    let store = Store::in_memory().unwrap();
    let longest = "k".repeat(TAG_BYTES_MAX);
    let mut full = event();
    for _ in 0..TAGS_PER_EVENT_MAX {
        full = full.tag(longest.clone());
    }
    is_taken(&store, "s", &[full.clone()]);
    is_refused(&store, "s", &[full.tag("k")], &["129", "128", "tags"]);
    is_refused(&store, "s", &[event().tag(longest + "k")], &["tag", "257", "256"]);
}

#[test]
fn data() {
    let store = Store::in_memory().unwrap();
    let largest = vec![0xa5; DATA_BYTES_MAX];
    is_taken(&store, "s", &[NewEvent::binary("T", largest.clone())]);
    let mut larger = largest;
    larger.push(1);
    is_refused(&store, "s", &[NewEvent::binary("T", larger)], &["data", "16777217", "16777216"]);
    is_taken(&store, "empty", &[NewEvent::binary("T", Vec::new())]);
}

#[test]
fn metadata() {
    let store = Store::in_memory().unwrap();
    let largest = vec![b' '; METADATA_BYTES_MAX];
    is_taken(&store, "s", &[event().metadata(largest.clone())]);
    let mut larger = largest;
    larger.push(b' ');
    is_refused(&store, "s", &[event().metadata(larger)], &["metadata", "1048577", "1048576"]);
}

#[test]
fn events_of_a_commit() {
    let store = Store::in_memory().unwrap();
    let mut events = vec![event(); EVENTS_PER_COMMIT_MAX];
    is_taken(&store, "s", &events);
    events.push(event());
    is_refused(&store, "s", &events, &["commit", "65537", "65536", "events"]);
}

#[test]
fn bytes_of_a_commit() {
    let store = Store::in_memory().unwrap();
    let part = DATA_BYTES_MAX / 2;
    let count = COMMIT_BYTES_MAX / part;
    let mut events = vec![NewEvent::binary("T", vec![7; part]); count];
    // The name of the stream and the types count too.
    let last = part - count - "s".len();
    events[count - 1] = NewEvent::binary("T", vec![8; last]);
    is_taken(&store, "s", &events);
    events[0] = NewEvent::binary("TT", vec![7; part]);
    is_refused(&store, "s", &events, &["commit", "67108865", "67108864", "bytes"]);
}

#[test]
fn the_largest_commits_survive_reopening() {
    let world = World::new(MemoryFs::new(), 1);
    let store = world.open(annals::Durability::Sync).unwrap();
    is_taken(&store, "large", &[NewEvent::binary("T", vec![1; DATA_BYTES_MAX])]);
    is_taken(&store, "many", &vec![event(); EVENTS_PER_COMMIT_MAX]);
    is_taken(&store, "small", &[event()]);
    let head = store.position();
    store.close().unwrap();
    let store = world.open(annals::Durability::Sync).unwrap();
    assert_eq!(store.position(), head);
    assert_eq!(store.read_all().map(Result::unwrap).count() as u64, head.get());
    assert!(store.verify(&mut |_, _| {}).unwrap().is_clean());
}

#[test]
fn a_commit_without_events() {
    let store = Store::in_memory().unwrap();
    let error = is_refused(&store, "s", &[], &["at least one event"]);
    assert_eq!(*error.kind(), ErrorKind::Invalid(Invalid::NoEvents));
    assert_eq!(store.version("s").unwrap(), Version::NONE);
}

#[test]
fn an_id_twice_in_a_commit() {
    let store = Store::in_memory().unwrap();
    let id = seeded::id(1);
    let error =
        is_refused(&store, "s", &[event().id(id), event(), event().id(id)], &["two events"]);
    assert_eq!(*error.kind(), ErrorKind::Invalid(Invalid::SameId(id)));
}

#[test]
fn an_id_used_before() {
    let world = World::new(MemoryFs::new(), 1);
    let store = world.open(annals::Durability::Sync).unwrap();
    let id = seeded::id(1);
    store.append("a", ANY, &[event(), event().id(id)]).unwrap();
    let reused = |store: &Store, unused: u64| {
        let before = store.position();
        let again = [event().id(seeded::id(unused)), event().id(id)];
        let error = store.append("b", ANY, &again).unwrap_err();
        let position = Position::new(2);
        assert_eq!(*error.kind(), ErrorKind::IdReused { id, position });
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        assert_eq!(store.position(), before);
    };
    reused(&store, 2);
    // The refused commit took no id.
    store.append("b", ANY, &[event().id(seeded::id(2))]).unwrap();
    store.close().unwrap();
    reused(&world.open(annals::Durability::Buffered).unwrap(), 3);
}

#[test]
fn a_derived_id_can_be_taken_by_nobody_else_unnoticed() {
    let store = Store::in_memory().unwrap();
    store.append("a", ANY, &[event(), event()]).unwrap();
    let ids: Vec<EventId> = collect(store.read_all()).unwrap().iter().map(|e| e.id()).collect();
    assert_ne!(ids[0], ids[1]);
    let event = collect(store.read_all()).unwrap().remove(0);
    assert!(!event.has_own_id());
}

#[test]
fn expectations() {
    let store = Store::in_memory().unwrap();
    let conflict = |expected: ExpectedVersion, actual: u64| {
        let error = store.append("s", expected, &[event()]).unwrap_err();
        assert_eq!(error.conflict(), Some(Version::new(actual)), "{expected}");
        let (stream, actual) = ("s".to_owned(), Version::new(actual));
        assert_eq!(*error.kind(), ErrorKind::Conflict { stream, expected, actual });
        let says =
            if actual == Version::NONE { "not exist".to_owned() } else { actual.to_string() };
        assert!(error.to_string().contains(&says), "{error}");
        assert!(error.to_string().contains("stream s "), "{error}");
    };
    conflict(ExpectedVersion::Exists, 0);
    conflict(ExpectedVersion::at(1), 0);
    store.append("s", ExpectedVersion::at(0), &[event()]).unwrap();
    conflict(ExpectedVersion::NoStream, 1);
    conflict(ExpectedVersion::at(0), 1);
    conflict(ExpectedVersion::at(2), 1);
    conflict(ExpectedVersion::at(u64::MAX), 1);
    store.append("s", ExpectedVersion::Exists, &[event()]).unwrap();
    store.append("s", ExpectedVersion::at(2), &[event()]).unwrap();
    store.append("other", ExpectedVersion::NoStream, &[event()]).unwrap();
    assert_eq!(store.version("s").unwrap(), Version::new(3));
    assert_eq!(store.position(), Position::new(4));
}

#[test]
fn bounds_of_reads() {
    let store = Store::in_memory().unwrap();
    for seed in 0..5 {
        store.append(["a", "b"][seed % 2], ANY, &seeded::events(seed as u64 * 10, 2, 40)).unwrap();
    }
    let positions = |read: Read| -> Vec<u64> {
        let events = collect(store.read(read)).unwrap();
        events.iter().map(|event| event.position().get()).collect()
    };
    let all = Read::all;
    let at = Position::new;
    assert_eq!(positions(all().from(at(9))), [9, 10]);
    assert_eq!(positions(all().from(at(0)).limit(2)), [1, 2]);
    assert_eq!(positions(all().after(at(9))), [10]);
    assert_eq!(positions(all().after(at(0)).limit(1)), [1]);
    for beyond in [at(11), at(1_000_000), Position::MAX] {
        assert!(positions(all().from(beyond)).is_empty());
        assert!(positions(all().after(beyond).backward()).is_empty());
    }
    assert!(positions(all().after(at(10))).is_empty());
    assert!(positions(all().limit(0)).is_empty());
    assert!(positions(all().limit(0).backward()).is_empty());
    assert_eq!(positions(all().limit(u64::MAX)).len(), 10);
    assert_eq!(positions(all().from(at(3)).after(at(7))), [8, 9, 10]);
    assert_eq!(positions(all().after(at(8)).limit(1).backward()), [10]);
    let version = Version::new;
    let a = || Read::stream("a");
    assert_eq!(positions(a().from_version(version(5))), [9, 10]);
    assert_eq!(positions(a().from_version(version(5)).backward()), [10, 9]);
    assert_eq!(positions(a().from_version(version(0)).limit(1)), [1]);
    assert!(positions(a().from_version(version(7))).is_empty());
    assert!(positions(a().from_version(version(u64::MAX))).is_empty());
    assert_eq!(positions(a().from_version(version(2)).from(at(6))), [6, 9, 10]);
    let stamp = Timestamp::from_micros;
    assert_eq!(positions(all().since(stamp(i64::MIN)).until(stamp(i64::MAX))).len(), 10);
    assert!(positions(all().since(stamp(i64::MAX))).is_empty());
    assert!(positions(all().until(stamp(i64::MIN))).is_empty());
    assert!(positions(all().since(stamp(10)).until(stamp(9))).is_empty());
}

#[test]
fn versions_mean_nothing_across_streams() {
    let store = Store::in_memory().unwrap();
    store.append("a", ANY, &[event()]).unwrap();
    for limit in [0, 5, u64::MAX] {
        let read = Read::all().from_version(Version::new(1)).limit(limit);
        check::read(&store, &Model::new(), &read, Position::new(1)).unwrap();
        check::read(&store.head(), &Model::new(), &read.backward(), Position::new(1)).unwrap();
    }
}
