//! Golden stores are opened by every later build and give the same events.
//!
//! `cargo run -p annals-tests --bin make_golden` makes them anew, for a new revision of format 0,
//! or for a new version of the index image; the store with an old image stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use annals::{
    ErrorKind, EventReader, IndexKind, Position, Query, QueryItem, Read, ReadOnlyStore, Store,
};
use annals_tests::check;
use annals_tests::golden::{self, Golden};
use annals_tests::states;
use tempfile::TempDir;

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

/// A copy to be changed.
fn copy_of(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (path, bytes) in files(folder) {
        let path = copy.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    copy
}

/// The events that can be read, all of them as expected, and the damage met on the way.
fn readable(reader: &dyn EventReader, golden: &Golden) -> (Vec<Position>, usize) {
    let (mut positions, mut damaged) = (Vec::new(), 0);
    for item in reader.read(Read::all()) {
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

/// The store gives what the file beside it says.
fn reads_as_described(store: &dyn EventReader, name: &str) {
    let kept = std::fs::read_to_string(golden::description(name)).unwrap();
    let now = golden::describe(store);
    for (number, (now, kept)) in now.lines().zip(kept.lines()).enumerate() {
        assert_eq!(now, kept, "{name}, line {}", number + 1);
    }
    assert_eq!(now.lines().count(), kept.lines().count(), "{name}");
    assert!(kept.lines().count() > 30);
}

#[test]
fn they_read_as_they_did_when_they_were_made() {
    let names = golden::all().into_iter().map(|golden| golden.name);
    for name in names.chain([golden::OLD_IMAGE]) {
        let store = ReadOnlyStore::open(golden::directory().join(name)).unwrap();
        reads_as_described(&store, name);
    }
}

#[test]
fn they_hold_what_the_format_has() {
    for golden in golden::all() {
        let (mut several, mut ids, mut tags, mut correlated, mut caused) = (0, 0, 0, 0, 0);
        for (commit, _) in golden.model.commits() {
            several += usize::from(commit.streams().len() > 1 && commit.parts().len() > 2);
            ids += commit.ids().count();
            for (_, event) in commit.events() {
                tags += event.tags.len();
                correlated += usize::from(event.correlation_id.is_some());
                caused += usize::from(event.causation_id.is_some());
            }
        }
        let counts = [several, ids, tags, correlated, caused];
        assert!(counts.iter().all(|count| *count > 1), "{}: {counts:?}", golden.name);
    }
    let (folder, _) = find("healthy");
    let store = ReadOnlyStore::open(&folder).unwrap();
    let kept = golden::keys().map(|key| states::places(&store, &key).unwrap().len());
    assert_eq!(kept, [6, 1, 1]);
}

/// The version in the header of the index image in a store's folder.
fn image_version(folder: &Path) -> u16 {
    let image = std::fs::read(folder.join("index/memory/image")).unwrap();
    assert!(image.starts_with(b"ANNALSIX"));
    u16::from_le_bytes([image[8], image[9]])
}

#[test]
fn an_image_of_an_earlier_version_is_thrown_away_and_made_again() {
    let old = golden::directory().join(golden::OLD_IMAGE);
    assert_eq!(image_version(&old), 1);
    let before = files(&old);
    let from_log = ReadOnlyStore::open(&old).unwrap();
    assert_eq!(from_log.damage(), []);
    assert!(from_log.verify(&mut |_, _| {}).unwrap().is_clean());
    assert_eq!(before, files(&old));

    let copy = copy_of(&old);
    let store = Store::options().index(IndexKind::Memory).open(copy.path()).unwrap();
    let tagged = from_log.read_all().map(Result::unwrap);
    let queries: Vec<Query> = tagged
        .flat_map(|event| {
            event.tags().map(|tag| QueryItem::new().tag(tag).into()).collect::<Vec<_>>()
        })
        .collect();
    check::same_answers(&from_log, &store, &queries).unwrap();
    store.close().unwrap();
    assert_eq!(image_version(copy.path()), image_version(&find("healthy").0));
    let from_image = ReadOnlyStore::open(copy.path()).unwrap();
    check::same_answers(&from_log, &from_image, &queries).unwrap();
    reads_as_described(&from_image, golden::OLD_IMAGE);
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
    let (folder, golden) = find("healthy");
    let folder = copy_of(&folder);
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

#[test]
fn the_repaired_one_gives_all_but_one_without_a_word() {
    let (folder, golden) = find("repaired");
    let store = ReadOnlyStore::open(&folder).unwrap();
    let (positions, damaged) = readable(&store, &golden);
    assert_eq!((positions.len() as u64 + 1, damaged), (golden.model.head().get(), 0));
    let report = store.verify_deep(&mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.damage);
    let [loss] = &report.losses[..] else { panic!("{:?}", report.losses) };
    assert_eq!((loss.first, loss.last), (Position::new(4), Position::new(4)));
}
