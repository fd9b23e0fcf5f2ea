//! Golden stores are opened by every later build and give the same events.
//!
//! `cargo run -p annals-tests --bin make_golden` makes them anew, for a new revision of format 0.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use annals::{ErrorKind, Position, ReadOnlyStore, Store};
use annals_tests::check;
use annals_tests::golden::{self, Golden};
use annals_tests::reader::Reader;

/// All files below a folder of the machine, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{next:?}: {error}")) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), bytes);
            }
        }
    }
    found
}

fn find(name: &str) -> (PathBuf, Golden) {
    let golden = golden::all().into_iter().find(|golden| golden.name == name).unwrap();
    (golden::directory().join(name), golden)
}

/// The events that can be read, all of them as expected, and the damage met on the way.
fn readable(reader: &dyn Reader, golden: &Golden) -> (Vec<Position>, usize) {
    let (mut positions, mut damaged) = (Vec::new(), 0);
    for item in reader.read_all() {
        match item {
            Ok(event) => {
                let expected = golden.model.event(event.position()).unwrap();
                check::event(expected, &event).unwrap();
                positions.push(event.position());
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Damaged(_)), "{error}");
                damaged += 1;
            }
        }
    }
    (positions, damaged)
}

#[test]
fn they_are_made_again_byte_for_byte() {
    for golden in golden::all() {
        let made: BTreeMap<PathBuf, Vec<u8>> = golden.folder.contents().into_iter().collect();
        let kept = files(&golden::directory().join(golden.name));
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<PathBuf> {
            files.keys().cloned().collect()
        };
        assert_eq!(names(&made), names(&kept), "{}", golden.name);
        for (path, bytes) in made {
            assert!(bytes == kept[&path], "{}/{} differs", golden.name, path.display());
        }
    }
}

#[test]
fn they_read_as_they_did_when_they_were_made() {
    for golden in golden::all() {
        let store = ReadOnlyStore::open(golden::directory().join(golden.name)).unwrap();
        let kept = std::fs::read_to_string(golden::description(golden.name)).unwrap();
        let now = golden::describe(&store);
        for (number, (now, kept)) in now.lines().zip(kept.lines()).enumerate() {
            assert_eq!(now, kept, "{}, line {}", golden.name, number + 1);
        }
        assert_eq!(now.lines().count(), kept.lines().count(), "{}", golden.name);
        assert!(kept.lines().count() > 30);
    }
}

#[test]
fn the_healthy_one_gives_all_and_stays_as_it_is() {
    let (folder, golden) = find("healthy");
    let before = files(&folder);
    let store = ReadOnlyStore::open(&folder).unwrap();
    check::answers(&store, &golden.model, golden.model.head()).unwrap();
    let report = store.verify(&mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.damage);
    assert!(report.segments_sealed > 0 && report.segments > report.segments_sealed);
    drop(store);
    assert_eq!(before, files(&folder));
}

#[test]
fn the_healthy_one_takes_further_appends() {
    let (_, golden) = find("healthy");
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files(&golden::directory().join("healthy")) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    check::answers(&store, &golden.model, golden.model.head()).unwrap();
    let events = annals_tests::workload::seeded::events(9_000, 2, 100);
    let receipt = store.append("order-1", annals::ExpectedVersion::Exists, &events).unwrap();
    assert_eq!(receipt.position, golden.model.head().plus(2));
    store.close().unwrap();
}

#[test]
fn the_killed_one_gives_all() {
    let (folder, golden) = find("killed");
    let store = ReadOnlyStore::open(&folder).unwrap();
    check::answers(&store, &golden.model, golden.model.head()).unwrap();
    assert!(store.verify(&mut |_, _| {}).unwrap().is_clean());
}

#[test]
fn the_damaged_one_gives_all_but_one() {
    let (folder, golden) = find("damaged");
    let store = ReadOnlyStore::open(&folder).unwrap();
    let (positions, damaged) = readable(&store, &golden);
    assert_eq!(positions.len() as u64 + 1, golden.model.head().get());
    assert!(!positions.contains(&Position::new(4)));
    assert_eq!(damaged, 1);
    let report = store.verify(&mut |_, _| {}).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damage[0].positions, Some((Position::new(4), Position::new(4))));
}
