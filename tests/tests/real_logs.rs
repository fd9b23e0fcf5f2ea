//! The real event logs go in, come out equal, and stay so. The logs are no part of the project;
//! where they are missing, the tests say so and pass.

use annals::{
    Durability, EventReader, ExpectedVersion, IndexKind, Position, Read, ReadOnlyStore, Store,
};
use annals_tests::check;
use annals_tests::kinds;
use annals_tests::logs::{self, LOGS};
use annals_tests::model::{Filter, Model, expecting};
use annals_tests::workload::seeded;

fn run(name: &str, durability: Durability) {
    for index in kinds() {
        run_on(name, durability, index);
    }
}

fn run_on(name: &str, durability: Durability, index: IndexKind) {
    let Some(path) = logs::find(name) else {
        println!("skipped: the log {name} is not here");
        return;
    };
    let (_, events, streams) = LOGS.into_iter().find(|(log, _, _)| *log == name).unwrap();
    let lines = logs::read(&path);
    assert_eq!(lines.len(), events);
    let folder = tempfile::tempdir().unwrap();
    let options = Store::options().durability(durability).segment_bytes(2 << 20).index(index);
    let store = options.open(folder.path()).unwrap();
    let mut model = Model::new();
    for (stream, event) in lines {
        let version = store.version(&stream).unwrap();
        let commit = expecting(stream, version, vec![event]);
        let receipt = store.commit(&commit).unwrap();
        check::accepted(&mut model, &commit, &receipt).unwrap();
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

fn check_all(reader: &dyn EventReader, model: &Model, head: Position, streams: usize) {
    check::equal("the head", head, reader.position()).unwrap();
    check::read(reader, model, &Read::all(), head).unwrap();
    check::read(reader, model, &Read::all().backward(), head).unwrap();
    let listed = model.streams(&Filter::All, head);
    assert_eq!(listed.len(), streams);
    check::streams(reader.streams(""), model, &Filter::All, head).unwrap();
    for stream in listed {
        check::read(reader, model, &Read::stream(&stream.name), head).unwrap();
        check::read(reader, model, &Read::stream(&stream.name).backward(), head).unwrap();
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
