//! What a reader tells of an event beside its bytes.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::sync::Arc;

use annals_env::MemoryFs;
use annals_log::{Draft, Event, LogReader};
use annals_types::{
    Commit, ContentKind, Epoch, ExpectedVersion, Facts, NewEvent, OccurredAt, Position, Query,
    QueryItem, Version,
};

use super::support::{SYNC, World, Writer};

fn world() -> World {
    World::stepped(Arc::new(MemoryFs::new()), Path::new("store")).0
}

fn append(writer: &Writer, commit: &Commit<'_>) -> (Position, Position) {
    let mut draft = Draft::commit(commit);
    for stream in 0..commit.streams().len() {
        draft.set_first_version(stream, Version::new(7));
    }
    let mut guard = writer.log.lock();
    guard.make_room(&draft).unwrap();
    let appended = guard.append(&mut draft, None).unwrap();
    guard.finish(&appended, false).unwrap();
    (appended.first, appended.last.position)
}

#[test]
fn an_event_knows_its_commit_and_its_epoch() {
    let world = world();
    let mut commits = Vec::new();
    for _ in 0..5 {
        let writer = world.write(SYNC).unwrap();
        let epoch = writer.log.reader().epoch();
        for n in 0..60 {
            let last = writer.append(n % 7 + 1).unwrap();
            commits.push((last.minus(n % 7), last, epoch));
        }
    }
    let writer = world.write(SYNC).unwrap();
    let live = world.read().unwrap();
    for reader in [writer.log.reader(), live.reader()] {
        assert_eq!(reader.epoch_at(Position::START), Some(Epoch::default()));
        for &(first, last, epoch) in &commits {
            for position in first.get()..=last.get() {
                let position = Position::new(position);
                assert_eq!(reader.commit_range(position).unwrap(), (first, last));
                assert_eq!(reader.epoch_at(position), Some(epoch));
                assert_eq!(reader.event(position).unwrap().unwrap().epoch(), epoch.number);
            }
        }
        let behind = reader.visible().plus(1);
        assert_eq!(reader.epoch_at(behind), None);
        assert!(reader.commit_range(behind).is_err());
        assert!(reader.commit_range(Position::START).is_err());
    }
}

/// Events that have everything and nothing.
fn events() -> Vec<NewEvent> {
    let full = NewEvent::new("Moved", ContentKind::Text, "from here to there")
        .schema(300)
        .metadata(r#"{"by":"me"}"#)
        .tag("a")
        .tag("b:2")
        .id(11)
        .correlation_id(12)
        .causation_id(13)
        .occurred_at(OccurredAt::new(1_700_000_000, 120_000_000, 3, -90).unwrap());
    let mut without_causation = full.clone();
    without_causation.causation_id = None;
    vec![
        full,
        without_causation,
        NewEvent::json("Empty", ""),
        NewEvent::binary("B", vec![0, 255]).tag("").causation_id(5),
        NewEvent::json("Meta", "{}").metadata("{}"),
    ]
}

fn assert_same(one: &Event, other: &Event) {
    assert_eq!(
        (one.position(), one.version(), one.stream(), one.recorded_at(), one.epoch()),
        (other.position(), other.version(), other.stream(), other.recorded_at(), other.epoch()),
    );
    assert_eq!((one.id(), one.has_own_id()), (other.id(), other.has_own_id()));
    assert_eq!(
        (one.event_type(), one.schema(), one.content(), one.data(), one.data_bytes()),
        (other.event_type(), other.schema(), other.content(), other.data(), other.data_bytes()),
    );
    assert_eq!(one.metadata(), other.metadata());
    assert!(one.tags().eq(other.tags()));
    assert_eq!(
        (one.correlation_id(), one.causation_id(), one.occurred_at()),
        (other.correlation_id(), other.causation_id(), other.occurred_at()),
    );
}

fn check_composed(reader: &LogReader, position: Position, stream: &str, offset: u64) {
    let found = reader.event(position).unwrap().unwrap();
    let epoch = reader.epoch_at(position).unwrap();
    for (n, new) in events().iter().enumerate() {
        assert_eq!(found.has_content(new), n as u64 == offset, "{position} {n}");
        if n as u64 != offset {
            continue;
        }
        let version = found.version();
        let stamp = found.recorded_at();
        let composed = Event::compose(position, version, stream, stamp, epoch, reader.store(), new);
        assert_same(&composed, &found);
        assert!(composed.has_content(new));
        let mut other = new.clone();
        other.data = [&new.data[..], b"!"].concat().into();
        assert!(!found.has_content(&other));
    }
}

#[test]
fn a_composed_event_is_the_one_that_the_log_gives_back() {
    let world = world();
    let writer = world.write(SYNC).unwrap();
    let reader = writer.log.reader();
    let all = Commit::new().append("order-1", ExpectedVersion::Any, events());
    let (first, _) = append(&writer, &all);
    for offset in 0..events().len() as u64 {
        check_composed(reader, first.plus(offset), "order-1", offset);
    }
    // One by one, and to two streams at once.
    for (offset, event) in events().into_iter().enumerate() {
        let one = Commit::new().append("o", ExpectedVersion::Any, vec![event.clone()]);
        let (first, _) = append(&writer, &one);
        check_composed(reader, first, "o", offset as u64);
        let two = one.append("p", ExpectedVersion::Any, vec![event]);
        let (first, last) = append(&writer, &two);
        check_composed(reader, first, "o", offset as u64);
        check_composed(reader, last, "p", offset as u64);
        let scanned: Vec<Event> = reader.scan(first, last).map(Result::unwrap).collect();
        assert_eq!(scanned.len(), 2);
        assert_same(&scanned[0], &reader.event(first).unwrap().unwrap());
    }
}

#[test]
fn a_query_may_be_asked_of_an_event() {
    let world = world();
    let writer = world.write(SYNC).unwrap();
    let (first, _) =
        append(&writer, &Commit::new().append("order-1", ExpectedVersion::Any, events()));
    let event = writer.log.reader().event(first).unwrap().unwrap();
    for (item, named) in [
        (QueryItem::new().category("order").event_type("Moved").tags(["a", "b:2"]), true),
        (QueryItem::new().correlation_id(12).causation_id(13), true),
        (QueryItem::new().tag("c"), false),
        (QueryItem::new().correlation_id(13), false),
        (QueryItem::new().causation_id(12), false),
    ] {
        assert_eq!(Query::from(item).matches(&event), named);
    }
    let facts: &dyn Facts = &event;
    let mut tags = Vec::new();
    facts.each_tag(&mut |tag| tags.push(tag.to_owned()));
    assert_eq!((facts.stream(), tags.join(",").as_str()), ("order-1", "a,b:2"));
}
