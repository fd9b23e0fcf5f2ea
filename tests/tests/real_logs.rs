//! The real event logs go in, come out equal, and stay so. The logs are no part of the project;
//! where they are missing, the tests say so and pass.

use annals::{Durability, ExpectedVersion, Position, ReadOnlyStore, Store};
use annals_tests::check;
use annals_tests::logs::{self, LOGS};
use annals_tests::model::{Append, Filter, Model};
use annals_tests::query::Query;
use annals_tests::workload::seeded;

fn run(name: &str, durability: Durability) {
    let Some(path) = logs::find(name) else {
        println!("skipped: the log {name} is not here");
        return;
    };
    let (_, events, streams) = LOGS.into_iter().find(|(log, _, _)| *log == name).unwrap();
    let lines = logs::read(&path);
    assert_eq!(lines.len(), events);
    let folder = tempfile::tempdir().unwrap();
    let options = Store::options().durability(durability).segment_bytes(2 << 20);
    let store = options.open(folder.path()).unwrap();
    let mut model = Model::new();
    for (stream, event) in lines {
        let append = Append::any(stream, vec![event]);
        let expected = ExpectedVersion::Version(store.version(&append.stream).unwrap());
        let receipt = store.append(&append.stream, expected, &append.events).unwrap();
        let written = model.accept(&append, Some(receipt.recorded_at), Some(1));
        check::receipt(&written, &receipt).unwrap();
    }
    let head = Position::new(events as u64);
    check_all(&store, &model, head, streams);
    store.close().unwrap();

    let reader = ReadOnlyStore::open(folder.path()).unwrap();
    check_all(&reader, &model, head, streams);
    let report = reader.verify(&mut |_, _| {}).unwrap();
    assert!(report.is_clean() && report.torn_tail.is_none(), "{report:?}");
    assert_eq!(report.events, head.get());
    drop(reader);

    let store = options.open(folder.path()).unwrap();
    check_all(&store, &model, head, streams);
    let first = model.event(Position::new(1)).unwrap().stream.clone();
    let receipt =
        store.append(&first, ExpectedVersion::Exists, &seeded::events(1, 2, 100)).unwrap();
    assert_eq!(receipt.position, head.plus(2));
    let stats = store.stats().unwrap();
    assert_eq!((stats.events, stats.head), (head.get() + 2, head.plus(2)));
    store.close().unwrap();
}

fn check_all(
    reader: &dyn annals_tests::reader::Reader,
    model: &Model,
    head: Position,
    streams: usize,
) {
    check::equal("the head", head, reader.position()).unwrap();
    check::query(reader, model, &Query::all(), head).unwrap();
    check::query(reader, model, &Query::all().backward(), head).unwrap();
    let listed = model.streams(&Filter::All, head);
    assert_eq!(listed.len(), streams);
    check::streams(reader, model, &Filter::All, head).unwrap();
    for stream in listed {
        check::query(reader, model, &Query::stream(&stream.name), head).unwrap();
        check::query(reader, model, &Query::stream(&stream.name).backward(), head).unwrap();
        check::stream_end(reader, model, &stream.name, head).unwrap();
    }
}

#[test]
fn permits() {
    run("permits", Durability::Buffered);
}

#[test]
fn recruiting_with_every_append_synced() {
    run("recruiting", Durability::Sync);
}

#[test]
fn incidents() {
    run("incidents", Durability::Buffered);
}

#[test]
fn recruiting() {
    run("recruiting", Durability::Buffered);
}
