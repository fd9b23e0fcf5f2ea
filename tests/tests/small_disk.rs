//! Disks that are full, on real file systems: nothing is lost, reads go on, and appends do once there
//! is room. Skipped, with a word, where the machine does not let us mount them.

use std::path::{Path, PathBuf};

use annals::{
    Commit, Durability, ErrorKind, EventReader, IndexKind, NewEvent, Options, Position, Read,
    ReadOnlyStore, Store,
};
use annals_tests::check;
use annals_tests::kinds;
use annals_tests::model::{Model, any};
use annals_tests::setting::DURABILITIES;
use annals_tests::small_disk::SmallDisk;
use annals_tests::workload::seeded;

/// What a store may fill before the disk is full: several segments.
const ROOM: u64 = 6 << 20;
const SEGMENT_BYTES: u64 = 1 << 20;
/// More commits than fit into any of these disks.
const MANY: u64 = 20_000;

/// A store on a small disk, and what must be in it.
struct Case<'a> {
    disk: &'a SmallDisk,
    path: PathBuf,
    durability: Durability,
    index: IndexKind,
    model: Model,
    seed: u64,
}

/// Runs the case on each file system, with each kind of index, in each durability.
fn each_case(test: impl Fn(&mut Case<'_>)) {
    for disk in SmallDisk::all() {
        for index in kinds() {
            for durability in DURABILITIES {
                println!("{}, {index:?}, {durability:?}", disk.kind);
                disk.leave(SmallDisk::BYTES);
                let path = disk.path("store");
                let mut case =
                    Case { disk: &disk, path, durability, index, model: Model::new(), seed: 0 };
                test(&mut case);
                std::fs::remove_dir_all(&case.path).unwrap();
            }
        }
    }
}

impl Case<'_> {
    fn options(&self) -> Options {
        let options = Store::options().durability(self.durability).index(self.index);
        options.segment_bytes(SEGMENT_BYTES)
    }

    fn open(&self) -> Store {
        self.options().open(&self.path).unwrap()
    }

    fn commit(&mut self) -> Commit<'static> {
        self.seed += 10;
        let bytes = if self.seed.is_multiple_of(70) { 60_000 } else { 6_000 };
        let stream = format!("order-{}", self.seed / 10 % 5);
        any(stream, seeded::events(self.seed, 1 + self.seed / 10 % 3, bytes))
    }

    /// Appends so many commits, which must be taken.
    fn append(&mut self, store: &Store, commits: u64) {
        for _ in 0..commits {
            let commit = self.commit();
            let receipt = store.commit(&commit).unwrap();
            check::accepted(&mut self.model, &commit, &receipt).unwrap();
        }
    }

    /// Appends until the disk is full, and says so; then the smallest commits, into the last of what
    /// the log has reserved.
    fn fill(&mut self, store: &Store) {
        self.append_until_full(store, Self::commit);
        self.append_until_full(store, |case| {
            case.seed += 10;
            any("order-0", vec![NewEvent::binary("S", "")])
        });
    }

    fn append_until_full(
        &mut self,
        store: &Store,
        mut commit: impl FnMut(&mut Self) -> Commit<'static>,
    ) {
        for _ in 0..MANY {
            let commit = commit(self);
            match store.commit(&commit) {
                Ok(receipt) => check::accepted(&mut self.model, &commit, &receipt).unwrap(),
                Err(error) => {
                    assert_eq!(*error.kind(), ErrorKind::DiskFull, "{error}");
                    let said = error.to_string();
                    assert!(said.starts_with("the disk is full: "), "{said}");
                    assert!(said.contains(".seg"), "{said}");
                    return;
                }
            };
        }
        panic!("the disk never became full");
    }

    /// Nothing is lost and nothing is there that was refused.
    fn check(&self, shown: &dyn EventReader) {
        assert_eq!(shown.position(), self.model.head());
        check_events(shown, &self.model);
    }

    fn check_clean(&self, store: &Store) {
        self.check(store);
        let report = store.verify(&mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{:?}", report.damage);
    }
}

fn check_events(shown: &dyn EventReader, model: &Model) {
    let expected = model.events(model.head());
    let mut events = shown.read(Read::all());
    for expected in expected {
        let event = events.next().expect("an event is missing").unwrap();
        check::event(expected, &event).unwrap();
    }
    assert!(events.next().is_none());
    for stream in (0..5).map(|n| format!("order-{n}")) {
        let own = expected.iter().filter(|event| event.stream == stream).count() as u64;
        assert_eq!(shown.version(&stream).unwrap().get(), own);
        assert_eq!(shown.read(Read::stream(&stream)).count() as u64, own);
    }
}

/// Full, again and again in one process; room comes back; closed and opened on a full disk.
#[test]
fn full_and_with_room_again() {
    each_case(|case| {
        let store = case.open();
        case.append(&store, 5);
        let view = store.head();
        case.disk.leave(ROOM);
        for round in 1..=3 {
            case.fill(&store);
            let refused = store.counters().disk_full;
            assert!(refused >= round, "the store does not say so");
            // Again and again nothing comes of it, while reads go on.
            let large = any("order-0", seeded::events(7, 2, 90_000));
            for _ in 0..3 {
                let error = store.commit(&large).unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::DiskFull, "{error}");
            }
            assert_eq!(store.counters().disk_full, refused + 3);
            case.check(&store);
            assert_eq!(view.read_all().count() as u64, view.position().get());
            let beside = ReadOnlyStore::open(&case.path).unwrap();
            assert!(beside.damage().is_empty());
            if case.durability == Durability::Buffered {
                store.sync().unwrap();
            }
            case.check(&beside);
            // A full disk takes nothing of what is there.
            case.check_clean(&store);
            case.disk.leave(round * 600_000);
            case.append(&store, 5);
        }
        case.fill(&store);
        // Not a byte left, neither for the index nor for anything else.
        case.disk.leave(0);
        store.close().unwrap();
        open_on_a_full_disk(case);
        case.disk.leave(ROOM);
        let store = case.open();
        case.append(&store, 20);
        case.check_clean(&store);
        store.close().unwrap();
        let store = case.open();
        case.check_clean(&store);
        store.close().unwrap();
    });
}

/// Reading works as ever. Opening for writing works too where the log has room for the record of an
/// opening, and else says that the disk is full; either way nothing is lost.
fn open_on_a_full_disk(case: &mut Case<'_>) {
    let reader = ReadOnlyStore::open(&case.path).unwrap();
    case.check(&reader);
    assert!(reader.damage().is_empty());
    drop(reader);
    for _ in 0..3 {
        match case.options().open(&case.path) {
            Ok(store) => {
                case.check(&store);
                case.append_until_full(&store, Case::commit);
                case.check(&store);
                store.close().unwrap();
                println!("  a full disk: opened");
            }
            Err(error) => {
                assert_eq!(*error.kind(), ErrorKind::DiskFull, "{error}");
                println!("  a full disk: {error}");
            }
        }
        case.check(&ReadOnlyStore::open(&case.path).unwrap());
    }
}

/// A store that is made on a full disk is not made, and is once there is room.
#[test]
fn made_on_a_full_disk() {
    each_case(|case| {
        for left in [0, 4_096, 20_000, 40_000, 90_000, 200_000] {
            case.disk.leave(left);
            match case.options().open(&case.path) {
                Ok(store) => {
                    case.check(&store);
                    store.close().unwrap();
                }
                Err(error) => assert_eq!(*error.kind(), ErrorKind::DiskFull, "{left}: {error}"),
            }
            case.disk.leave(ROOM);
            let store = case.open();
            assert_eq!(store.position(), Position::START);
            case.append(&store, 3);
            case.check_clean(&store);
            store.close().unwrap();
            remove(&case.path);
            case.model = Model::new();
        }
        std::fs::create_dir(&case.path).unwrap();
    });
}

/// The index is lost, and there is no room for a new one: the store is opened from its log.
#[test]
fn an_index_is_made_on_a_full_disk() {
    each_case(|case| {
        let store = case.open();
        case.append(&store, 200);
        store.close().unwrap();
        remove(&case.path.join("index"));
        case.disk.leave(0);
        let reader = ReadOnlyStore::open(&case.path).unwrap();
        case.check(&reader);
        drop(reader);
        match case.options().open(&case.path) {
            Ok(store) => {
                case.check(&store);
                store.close().unwrap();
            }
            Err(error) => assert_eq!(*error.kind(), ErrorKind::DiskFull, "{error}"),
        }
        case.disk.leave(ROOM);
        let store = case.open();
        case.append(&store, 5);
        case.check_clean(&store);
        store.close().unwrap();
    });
}

fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
}
