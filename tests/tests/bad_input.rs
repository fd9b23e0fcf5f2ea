//! Folders that are no store, stores that others hold or wrote, broken files, a jumping clock, a
//! full disk, a failing sync: each a clear error or the stated behaviour, and nothing lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use annals::{
    Durability, Error, ErrorKind, ExpectedVersion, NewEvent, Options, Position, Read,
    ReadOnlyStore, Receipt, Result, Store, Timestamp,
};
use annals_env::{Faults, LastChoices, MemoryFs, OperationKind};
use annals_tests::check::{self, collect};
use annals_tests::folder::Sample;
use annals_tests::kinds;
use annals_tests::model::{Filter, Model, any};
use annals_tests::segment_file;
use annals_tests::workload::seeded;
use annals_tests::world::{BEGINNING, STORE, World, new_disk};

const ANY: ExpectedVersion = ExpectedVersion::Any;
const BOTH: [Durability; 2] = [Durability::Sync, Durability::Buffered];

fn event() -> NewEvent {
    NewEvent::json("T", r#"{"a":1}"#)
}

/// The error is of this kind and names the place.
fn is_told<T: std::fmt::Debug>(result: Result<T>, kind: &ErrorKind, path: &Path) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let path = path.display().to_string();
    assert!(error.to_string().contains(&path), "{error} does not name {path}");
    error
}

/// A sample store in a folder of the machine.
fn on_disk(sample: &Sample) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    sample.folder.save(&path).unwrap();
    (folder, path)
}

#[test]
fn a_folder_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing");
    is_told(ReadOnlyStore::open(&path), &ErrorKind::NotAStore, &path);
    is_told(Store::options().create(false).open(&path), &ErrorKind::NotAStore, &path);
    assert!(!path.exists(), "asking made it");
    let deep = path.join("a/b");
    Store::open(&deep).unwrap().close().unwrap();
    assert_eq!(ReadOnlyStore::open(&deep).unwrap().position(), Position::START);
}

#[test]
fn an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    is_told(ReadOnlyStore::open(path), &ErrorKind::NotAStore, path);
    is_told(Store::options().create(false).open(path), &ErrorKind::NotAStore, path);
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0, "asking left something");
    Store::open(path).unwrap().close().unwrap();
}

#[test]
fn a_folder_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("holiday.jpg"), "a photo").unwrap();
    is_told(Store::open(path), &ErrorKind::NotAStore, path);
    is_told(Store::options().create(false).open(path), &ErrorKind::NotAStore, path);
    is_told(ReadOnlyStore::open(path), &ErrorKind::NotAStore, path);
    let left: Vec<_> = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["holiday.jpg"]);
}

#[test]
fn a_log_folder_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("log")).unwrap();
    std::fs::write(path.join("log/server.log"), "GET / 200").unwrap();
    is_told(Store::open(path), &ErrorKind::NotAStore, path);
    is_told(ReadOnlyStore::open(path), &ErrorKind::NotAStore, path);
    assert_eq!(std::fs::read(path.join("log/server.log")).unwrap(), b"GET / 200");
}

#[test]
fn a_file_instead_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "not a folder").unwrap();
    is_told(Store::open(&path), &ErrorKind::NotAStore, &path);
    is_told(ReadOnlyStore::open(&path), &ErrorKind::NotAStore, &path);
    assert_eq!(std::fs::read(&path).unwrap(), b"not a folder");
}

#[test]
fn a_store_that_is_open_already() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for durability in BOTH {
        let store = Store::options().durability(durability).open(&path).unwrap();
        store.append("s", ANY, &[event()]).unwrap();
        store.sync().unwrap();
        is_told(Store::open(&path), &ErrorKind::Locked, &path);
        // The handle that was refused took nothing from the one that holds it.
        store.append("s", ANY, &[event()]).unwrap();
        let reader = ReadOnlyStore::open(&path).unwrap();
        assert!(reader.position() >= store.position().minus(1));
        assert!(collect(reader.read_all()).unwrap().len() as u64 == reader.position().get());
        drop(reader);
        let clone = store.clone();
        drop(store);
        is_told(Store::open(&path), &ErrorKind::Locked, &path);
        clone.close().unwrap();
        Store::open(&path).unwrap().close().unwrap();
    }
}

#[test]
fn a_closed_store() {
    let store = Store::in_memory().unwrap();
    store.append("s", ANY, &[event()]).unwrap();
    let other = store.clone();
    store.close().unwrap();
    assert_eq!(*other.append("s", ANY, &[event()]).unwrap_err().kind(), ErrorKind::Closed);
    other.close().unwrap();
}

#[test]
fn a_newer_format_or_another_revision() {
    let sample = Sample::new(1, 31);
    let (format, revision) =
        segment_file::format(&sample.folder.read(&sample.folder.segments()[0]));
    for (other_format, other_revision) in
        [(format + 1, revision), (format, revision + 1), (u16::MAX, 0), (format + 1, 0)]
    {
        let folder = sample.folder.copy();
        for segment in folder.segments() {
            folder.change(&segment, |bytes| {
                segment_file::set_format(bytes, other_format, other_revision);
            });
        }
        let world = folder.world();
        let before = folder.contents();
        for error in
            [world.open(Durability::Sync).unwrap_err(), world.open_read_only().unwrap_err()]
        {
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains(&other_format.to_string()), "{error}");
        }
        assert!(before == folder.contents(), "a store of another format was changed");
    }
}

#[test]
fn one_segment_of_a_newer_format() {
    let sample = Sample::new(2, 32);
    for segment in sample.folder.segments() {
        let folder = sample.folder.copy();
        folder.change(&segment, |bytes| segment_file::set_format(bytes, 9, 0));
        let error = folder.world().open(Durability::Sync).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
        let name = segment.file_name().unwrap().to_str().unwrap();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn no_permission() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = on_disk(&Sample::new(1, 33));
    let forbid = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    forbid(&path.join("log"), 0o000);
    if std::fs::read_dir(path.join("log")).is_ok() {
        println!("skipped: this user may read everything");
        forbid(&path.join("log"), 0o700);
        return;
    }
    is_told(Store::open(&path), &ErrorKind::Io, &path);
    is_told(ReadOnlyStore::open(&path), &ErrorKind::Io, &path);
    forbid(&path.join("log"), 0o500);
    ReadOnlyStore::open(&path).unwrap();
    forbid(&path.join("log"), 0o700);
    Store::open(&path).unwrap().close().unwrap();
}

#[test]
fn a_missing_segment_is_named_and_the_rest_is_read() {
    let sample = Sample::new(3, 34);
    let (_folder, path) = on_disk(&sample);
    let missing = path.join(&sample.folder.segments()[1]);
    std::fs::remove_file(&missing).unwrap();
    let error = Store::open(&path).unwrap_err();
    let damage = error.damage().unwrap_or_else(|| panic!("{error}"));
    let (first, last) = damage.positions.unwrap();
    assert!(error.to_string().contains(&first.to_string()), "{error}");
    let reader = ReadOnlyStore::open(&path).unwrap();
    assert_eq!(reader.damage().len(), 1, "{:?}", reader.damage());
    let (mut read, mut errors) = (0, 0);
    for item in reader.read_all() {
        match item {
            Ok(event) => {
                assert!(event.position() < first || event.position() > last);
                check::event(sample.model.event(event.position()).unwrap(), &event).unwrap();
                read += 1;
            }
            Err(error) => {
                assert!(error.damage().is_some(), "{error}");
                errors += 1;
            }
        }
    }
    assert_eq!(errors, 1);
    assert_eq!(read, sample.model.head().get() - (last.get() - first.get() + 1));
}

#[test]
fn a_last_frame_cut_short_after_it_was_acknowledged() {
    let sample = Sample::new(1, 35);
    let (segment, offset, length) = sample.find_data(sample.model.head()).unwrap();
    let (_folder, path) = on_disk(&sample);
    let file = std::fs::OpenOptions::new().write(true).open(path.join(&segment)).unwrap();
    file.set_len((offset + length / 2) as u64).unwrap();
    // The state page knows that it was durable: this is no torn tail.
    let error = Store::open(&path).unwrap_err();
    let damage = error.damage().unwrap_or_else(|| panic!("{error}"));
    assert!(segment.ends_with(&damage.segment));
    assert!(damage.offset <= (offset + length / 2) as u64);
    let reader = ReadOnlyStore::open(&path).unwrap();
    assert!(!reader.damage().is_empty() && reader.torn_tail().is_none());
    assert!(reader.verify(&mut |_, _| {}).unwrap().damage.iter().any(|d| d == damage));
}

#[test]
fn a_bit_flipped_in_the_middle() {
    let sample = Sample::new(2, 36);
    let victim = Position::new(3);
    let (segment, offset, length) = sample.find_data(victim).unwrap();
    let (_folder, path) = on_disk(&sample);
    let mut bytes = std::fs::read(path.join(&segment)).unwrap();
    bytes[offset + length - 1] ^= 1;
    std::fs::write(path.join(&segment), bytes).unwrap();
    let reader = ReadOnlyStore::open(&path).unwrap();
    let errors: Vec<Error> = reader.read_all().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].damage().unwrap().positions, Some((victim, victim)));
    let stream = sample.model.event(victim).unwrap().stream.clone();
    assert_eq!(reader.read_stream(&stream).filter(Result::is_err).count(), 1);
    let mut told = Vec::new();
    let report = reader.verify(&mut |done, all| told.push((done, all))).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert!(report.damage[0].to_string().contains(segment.file_name().unwrap().to_str().unwrap()));
    assert!(told.windows(2).all(|pair| pair[0].0 <= pair[1].0), "progress went back");
    assert!(told.iter().all(|(done, all)| done <= all), "progress beyond the end");
    assert_eq!(told.last().map(|(done, _)| *done), told.last().map(|(_, all)| *all));
}

#[test]
fn a_clock_that_jumps() {
    let disk = MemoryFs::new();
    let world = World::new(disk.clone(), 1);
    let mut store = world.open(Durability::Sync).unwrap();
    let hours = |hours: i64| Timestamp::from_micros(BEGINNING.as_micros() + hours * 3_600_000_000);
    let mut newest = Timestamp::MIN;
    for (number, hour) in [0, 5, -300_000, 2, 5, 6, -1, 100_000, 7].into_iter().enumerate() {
        world.clock.set(hours(hour));
        if number % 3 == 2 {
            store.close().unwrap();
            store = world.open(Durability::Sync).unwrap();
        }
        let receipt = store.append("s", ANY, &[event(), event()]).unwrap();
        assert_eq!(receipt.recorded_at, newest.max(hours(hour)), "hour {hour}");
        newest = receipt.recorded_at;
    }
    let stamps: Vec<Timestamp> =
        collect(store.read_all()).unwrap().iter().map(|event| event.recorded_at()).collect();
    assert!(stamps.is_sorted());
    let since = collect(store.read(Read::all().since(hours(6)))).unwrap();
    assert_eq!(since.len(), stamps.iter().filter(|stamp| **stamp >= hours(6)).count());
}

#[test]
fn stamps_that_callers_bring() {
    let world = World::new(MemoryFs::new(), 1);
    let store = world.open(Durability::Sync).unwrap();
    let now = BEGINNING.as_micros();
    let stamped = |micros: i64| -> Result<Receipt> {
        store.commit(&any("s", vec![event()]).recorded_at(Timestamp::from_micros(micros)))
    };
    // Opening wrote a control record now; that is no stamp of an event.
    assert_eq!(stamped(-5).unwrap().recorded_at.as_micros(), -5);
    assert_eq!(stamped(-5).unwrap().recorded_at.as_micros(), -5);
    for refused in [-6, i64::MIN, now + 1, i64::MAX] {
        let error = stamped(refused).unwrap_err();
        assert!(check::is_invalid(&error), "{refused}: {error}");
    }
    assert_eq!(store.position(), Position::new(2));
    assert_eq!(stamped(now).unwrap().recorded_at.as_micros(), now);
    assert!(stamped(now - 1).is_err());
    world.clock.advance(Duration::from_micros(9));
    assert_eq!(store.append("s", ANY, &[event()]).unwrap().recorded_at.as_micros(), now + 9);
    store.close().unwrap();
    let store = world.open(Durability::Sync).unwrap();
    let early = any("s", vec![event()]).recorded_at(Timestamp::from_micros(now + 8));
    assert!(check::is_invalid(&store.commit(&early).unwrap_err()));
}

/// Appends until the disk is full; what was taken goes into the model.
fn fill(store: &Store, model: &mut Model, seeds: &mut u64) -> Error {
    for _ in 0..10_000 {
        *seeds += 10;
        let commit = any("order-1", seeded::events(*seeds, 1 + *seeds % 3, 700));
        match store.commit(&commit) {
            Ok(receipt) => {
                check::accepted(model, &commit, &receipt).unwrap();
            }
            Err(error) => return error,
        }
    }
    panic!("the disk never becomes full");
}

#[test]
fn a_disk_that_is_full_and_has_room_again() {
    for durability in BOTH {
        // Each capacity ends at another place of what the store writes.
        for extra in (0..80_000).step_by(1_777) {
            let disk = new_disk(Faults::default());
            let world = World::new(disk.clone(), 1);
            let store = world.open(durability).unwrap();
            let (mut model, mut seeds) = (Model::new(), 0);
            let used: u64 =
                disk.files().iter().map(|path| disk.read_file(path).unwrap().len() as u64).sum();
            disk.set_capacity(Some(used + extra));
            for round in 0..3 {
                let error = fill(&store, &mut model, &mut seeds);
                assert_eq!(*error.kind(), ErrorKind::DiskFull, "{extra}: {error}");
                // Nothing came of it, again and again, while reads go on.
                let commit = any("order-2", seeded::events(seeds + 5, 2, 900));
                for _ in 0..3 {
                    let again = store.commit(&commit).map(|receipt| {
                        check::accepted(&mut model, &commit, &receipt).unwrap();
                    });
                    assert!(again.is_err_and(|error| *error.kind() == ErrorKind::DiskFull));
                    world.scheduler.run_until_idle();
                }
                check::answers(&store, &model, model.head()).unwrap();
                check::answers(&world.open_read_only().unwrap(), &model, model.head()).unwrap();
                if round < 2 {
                    disk.set_capacity(Some(used + extra + (round + 1) * 40_000));
                }
            }
            disk.set_capacity(None);
            let commit = any("order-2", seeded::events(seeds + 7, 2, 900));
            let receipt = store.commit(&commit).unwrap();
            check::accepted(&mut model, &commit, &receipt).unwrap();
            world.scheduler.run_until_idle();
            if extra % 2 == 0 {
                store.close().unwrap();
            } else {
                drop(store);
            }
            let store = World::new(disk, 2).open(durability).unwrap();
            check::answers(&store, &model, model.head()).unwrap();
            assert!(store.verify(&mut |_, _| {}).unwrap().is_clean());
        }
    }
}

#[test]
fn a_store_on_a_full_disk_is_opened() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Sync).unwrap();
    let (mut model, mut seeds) = (Model::new(), 0);
    disk.set_capacity(Some(100_000));
    fill(&store, &mut model, &mut seeds);
    drop(store);
    let world = World::new(disk.clone(), 2);
    check::answers(&world.open_read_only().unwrap(), &model, model.head()).unwrap();
    match world.open(Durability::Sync) {
        Ok(store) => check::answers(&store, &model, model.head()).unwrap(),
        Err(error) => assert_eq!(*error.kind(), ErrorKind::DiskFull, "{error}"),
    }
    disk.set_capacity(None);
    let store = World::new(disk, 3).open(Durability::Sync).unwrap();
    check::answers(&store, &model, model.head()).unwrap();
    store.append("s", ANY, &[event()]).unwrap();
}

#[test]
fn a_failed_sync() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Sync).unwrap();
    let mut model = Model::new();
    let commit = any("s", seeded::events(1, 3, 100));
    let receipt = store.commit(&commit).unwrap();
    check::accepted(&mut model, &commit, &receipt).unwrap();

    disk.fail_next(OperationKind::Sync, std::io::ErrorKind::Other);
    let doubtful = any("s", seeded::events(10, 2, 100));
    let error = store.commit(&doubtful).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(std::error::Error::source(&error).is_some(), "{error} has no cause");
    // The next sync would succeed; it must not be believed.
    for _ in 0..3 {
        let error = store.commit(&commit).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Failed, "{error}");
        assert_eq!(*store.sync().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    check::answers(&store, &model, model.head()).unwrap();
    check::answers(&store.head(), &model, model.head()).unwrap();
    let killed = disk.kill(&mut LastChoices);
    drop(store);

    let head = model.head();
    model.accept(&doubtful, None, None);
    let cuts = disk.power_cuts(200, 1).images;
    assert!(cuts.len() > 1);
    for disk in cuts.into_iter().chain([killed]) {
        let store = World::new(disk, 2).open(Durability::Sync).unwrap();
        let found = store.position();
        assert!(found == head || found == model.head(), "{found}");
        check::answers(&store, &model, found).unwrap();
        store.append("s", ANY, &[event()]).unwrap();
    }
}

#[test]
fn a_failed_background_sync() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Buffered).unwrap();
    let mut model = Model::new();
    let commit = any("s", seeded::events(1, 3, 100));
    let receipt = store.commit(&commit).unwrap();
    check::accepted(&mut model, &commit, &receipt).unwrap();
    world.scheduler.run_until_idle();
    disk.fail_next(OperationKind::Sync, std::io::ErrorKind::Other);
    world.clock.advance(Options::SYNC_INTERVAL_DEFAULT);
    world.scheduler.run_until_idle();
    let error = store.commit(&commit).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Failed, "{error}");
    assert!(store.sync().is_err(), "what was not synced must not be said to be");
    // What was acknowledged is visible, and survives the process.
    check::answers(&store, &model, model.head()).unwrap();
    assert!(store.close().is_err(), "closing a store whose sync failed must not look well");
    let store = World::new(disk.kill(&mut LastChoices), 2).open(Durability::Sync).unwrap();
    check::answers(&store, &model, model.head()).unwrap();
}

#[test]
fn a_lost_index_is_made_again() {
    for kind in kinds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let sample = Sample::new(2, 40);
        sample.folder.save(&path).unwrap();
        let mut told = Vec::new();
        let mut tell = |done, all| told.push((done, all));
        let rebuilt = annals::rebuild_index(&path, kind, &mut tell).unwrap();
        assert_eq!(rebuilt.events, sample.model.head().get());
        let streams = sample.model.streams(&Filter::All, Position::MAX);
        assert_eq!(rebuilt.streams, streams.len() as u64);
        assert!(told.iter().all(|(done, all)| done <= all));
        std::fs::remove_dir_all(path.join("index")).unwrap();
        let reader = ReadOnlyStore::open(&path).unwrap();
        check::answers(&reader, &sample.model, sample.model.head()).unwrap();
        assert!(!path.join("index").exists(), "a read-only opening wrote an index");
        let store = Store::options().index(kind).open(&path).unwrap();
        check::answers(&store, &sample.model, sample.model.head()).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let sample = Sample::new(1, 41);
    let (_folder, path) = on_disk(&sample);
    let segment = path.join(&sample.folder.segments()[0]);
    let elsewhere = path.parent().unwrap().join("elsewhere");
    std::fs::rename(&segment, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &segment).unwrap();
    let before = std::fs::read(&elsewhere).unwrap();
    assert!(Store::open(&path).is_err());
    assert_eq!(std::fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn a_simulated_store_lies_where_it_should() {
    let sample = Sample::new(1, 42);
    let files = sample.folder.files();
    for expected in ["state", "index"] {
        assert!(files.iter().any(|path| path.starts_with(expected)), "{STORE}: {files:?}");
    }
    assert_eq!(sample.folder.segments().len(), 2);
}
