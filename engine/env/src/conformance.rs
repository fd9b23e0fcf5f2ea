//! What every file system is held to: [`Fs`] and [`File`] as tests.
//!
//! It is a test suite, to be called from tests: a broken promise is a panic that names it. What a
//! power cut may do is not checked here, because only [`FaultyFs`](crate::FaultyFs) can be asked.

#![expect(clippy::unwrap_used, reason = "it is a test suite, and panics are its verdict")]

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::fs::{Access, EntryKind, File, Fs};

/// Runs the whole suite in `root`, an existing folder, each test in a new folder of its own.
///
/// # Panics
/// Where `fs` does not keep a promise.
pub fn check(fs: &dyn Fs, root: &Path) {
    for (name, test) in TESTS {
        let dir = root.join(name);
        fs.create_dir_all(&dir).unwrap();
        test(fs, &dir);
    }
}

type Test = fn(&dyn Fs, &Path);

const TESTS: &[(&str, Test)] = &[
    ("folders-are-made-with-those-above", folders_are_made_with_those_above),
    ("a-file-blocks-a-folder", a_file_blocks_a_folder),
    ("list-is-sorted-and-tells-kinds", list_is_sorted_and_tells_kinds),
    ("create-is-exclusive", create_is_exclusive),
    ("what-is-missing-is-not-found", what_is_missing_is_not_found),
    ("a-folder-is-no-file", a_folder_is_no_file),
    ("a-file-is-no-folder", a_file_is_no_folder),
    ("read-stops-only-at-the-end", read_stops_only_at_the_end),
    ("gaps-are-zeros", gaps_are_zeros),
    ("overwrite-changes-only-its-bytes", overwrite_changes_only_its_bytes),
    ("append-into-zeros-is-a-write", append_into_zeros_is_a_write),
    ("large-writes-come-back", large_writes_come_back),
    ("an-empty-write-does-nothing", an_empty_write_does_nothing),
    ("a-wild-offset-is-refused", a_wild_offset_is_refused),
    ("read-access-cannot-write", read_access_cannot_write),
    ("all-handles-see-a-write", all_handles_see_a_write),
    ("rename-replaces", rename_replaces),
    ("rename-crosses-folders", rename_crosses_folders),
    ("handles-survive-rename-and-remove", handles_survive_rename_and_remove),
    ("a-removed-name-can-be-made-again", a_removed_name_can_be_made_again),
    ("syncs-succeed", syncs_succeed),
    ("a-lock-is-exclusive-until-dropped", a_lock_is_exclusive_until_dropped),
    ("a-lock-has-one-winner", a_lock_has_one_winner),
    ("a-held-lock-shows", a_held_lock_shows),
    ("asking-for-a-lock-turns-nobody-away", asking_for_a_lock_turns_nobody_away),
    ("readers-run-beside-a-writer", readers_run_beside_a_writer),
    ("a-replaced-name-is-never-missing", a_replaced_name_is_never_missing),
];

fn kind<T>(result: std::io::Result<T>) -> ErrorKind {
    result.err().unwrap().kind()
}

fn names(fs: &dyn Fs, dir: &Path) -> Vec<String> {
    fs.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn create(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Arc<dyn File> {
    let file = fs.create(path).unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

fn content(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0xaa; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn content_of(fs: &dyn Fs, path: &Path) -> Vec<u8> {
    content(fs.open(path, Access::Read).unwrap().as_ref())
}

fn folders_are_made_with_those_above(fs: &dyn Fs, dir: &Path) {
    let deep = dir.join("a/b/c");
    fs.create_dir_all(&deep).unwrap();
    fs.create_dir_all(&deep).unwrap();
    fs.create_dir_all(&dir.join("a")).unwrap();
    assert_eq!(names(fs, &dir.join("a/b")), ["c"]);
    create(fs, &deep.join("file"), b"x");
}

fn a_file_blocks_a_folder(fs: &dyn Fs, dir: &Path) {
    create(fs, &dir.join("file"), b"x");
    for path in ["file", "file/below"] {
        let kind = kind(fs.create_dir_all(&dir.join(path)));
        assert!(matches!(kind, ErrorKind::AlreadyExists | ErrorKind::NotADirectory), "{kind}");
    }
}

fn list_is_sorted_and_tells_kinds(fs: &dyn Fs, dir: &Path) {
    for name in ["b", "a", "a.b", "B", "é", "10", "9"] {
        create(fs, &dir.join(name), b"");
    }
    for name in ["folder", "a-folder"] {
        fs.create_dir_all(&dir.join(name).join("not listed")).unwrap();
    }
    let entries = fs.list(dir).unwrap();
    let listed: Vec<(&str, EntryKind)> =
        entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    let (file, folder) = (EntryKind::File, EntryKind::Folder);
    assert_eq!(
        listed,
        [
            ("10", file),
            ("9", file),
            ("B", file),
            ("a", file),
            ("a-folder", folder),
            ("a.b", file),
            ("b", file),
            ("folder", folder),
            ("é", file),
        ]
    );
}

fn create_is_exclusive(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let file = create(fs, &path, b"first");
    assert_eq!(kind(fs.create(&path)), ErrorKind::AlreadyExists);
    assert_eq!(content(file.as_ref()), b"first");
    fs.create_dir_all(&dir.join("folder")).unwrap();
    assert_eq!(kind(fs.create(&dir.join("folder"))), ErrorKind::AlreadyExists);
}

fn what_is_missing_is_not_found(fs: &dyn Fs, dir: &Path) {
    let (missing, below) = (dir.join("missing"), dir.join("missing/file"));
    create(fs, &dir.join("file"), b"x");
    for path in [&missing, &below] {
        assert_eq!(kind(fs.open(path, Access::Read)), ErrorKind::NotFound);
        assert_eq!(kind(fs.open(path, Access::ReadWrite)), ErrorKind::NotFound);
        assert_eq!(kind(fs.list(path)), ErrorKind::NotFound);
        assert_eq!(kind(fs.remove(path)), ErrorKind::NotFound);
        assert_eq!(kind(fs.rename(path, &dir.join("to"))), ErrorKind::NotFound);
        assert_eq!(kind(fs.sync_dir(path)), ErrorKind::NotFound);
    }
    assert_eq!(kind(fs.create(&below)), ErrorKind::NotFound);
    assert_eq!(kind(fs.rename(&dir.join("file"), &below)), ErrorKind::NotFound);
    assert_eq!(kind(fs.lock(&below)), ErrorKind::NotFound);
    assert_eq!(names(fs, dir), ["file"]);
}

fn a_folder_is_no_file(fs: &dyn Fs, dir: &Path) {
    let folder = dir.join("folder");
    fs.create_dir_all(&folder).unwrap();
    create(fs, &dir.join("file"), b"x");
    assert!(fs.open(&folder, Access::Read).is_err());
    assert!(fs.open(&folder, Access::ReadWrite).is_err());
    assert!(fs.remove(&folder).is_err());
    assert!(fs.lock(&folder).is_err());
    assert!(fs.rename(&dir.join("file"), &folder).is_err());
    assert_eq!(names(fs, dir), ["file", "folder"]);
}

fn a_file_is_no_folder(fs: &dyn Fs, dir: &Path) {
    let file = dir.join("file");
    create(fs, &file, b"x");
    assert_eq!(kind(fs.list(&file)), ErrorKind::NotADirectory);
    assert_eq!(kind(fs.sync_dir(&file)), ErrorKind::NotADirectory);
    assert_eq!(kind(fs.create(&file.join("below"))), ErrorKind::NotADirectory);
    assert_eq!(kind(fs.open(&file.join("below"), Access::Read)), ErrorKind::NotADirectory);
}

fn read_stops_only_at_the_end(fs: &dyn Fs, dir: &Path) {
    let file = create(fs, &dir.join("file"), b"0123456789");
    let mut buf = [0xaa; 20];
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 10);
    assert_eq!(buf.get(..10).unwrap(), b"0123456789");
    assert_eq!(file.read_at(&mut buf, 7).unwrap(), 3);
    assert_eq!(buf.get(..3).unwrap(), b"789");
    assert_eq!(file.read_at(&mut buf, 10).unwrap(), 0);
    assert_eq!(file.read_at(&mut buf, 1 << 40).unwrap(), 0);
    assert_eq!(file.read_at(&mut [], 0).unwrap(), 0);
    assert_eq!(kind(file.read_exact_at(&mut buf, 0)), ErrorKind::UnexpectedEof);
    file.read_exact_at(&mut [0; 10], 0).unwrap();
}

fn gaps_are_zeros(fs: &dyn Fs, dir: &Path) {
    let file = create(fs, &dir.join("file"), b"start");
    let gap = 300_001;
    file.write_at(b"end", gap).unwrap();
    assert_eq!(file.len().unwrap(), gap + 3);
    let bytes = content(file.as_ref());
    let (start, rest) = bytes.split_at(5);
    let (zeros, end) = rest.split_at(rest.len() - 3);
    assert_eq!((start, end), (&b"start"[..], &b"end"[..]));
    assert!(zeros.iter().all(|byte| *byte == 0));
    file.write_at(b"middle", 200_000).unwrap();
    let mut buf = [0xaa; 8];
    file.read_exact_at(&mut buf, 199_999).unwrap();
    assert_eq!(&buf, b"\0middle\0");
}

/// Within the file, across its pieces, at its end and beyond.
fn append_into_zeros_is_a_write(fs: &dyn Fs, dir: &Path) {
    const PIECE: u64 = 2 << 20;
    let file = fs.create(&dir.join("file")).unwrap();
    let length = PIECE + 4096;
    file.write_at(&[0; 4096], length - 4096).unwrap();
    for offset in [0, 1, 4090, PIECE - 5, PIECE - 3, PIECE, length - 8, length - 3] {
        file.append_at(b"appended", offset).unwrap();
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, offset).unwrap();
        assert_eq!(&bytes, b"appended", "at {offset}");
    }
    assert_eq!(file.len().unwrap(), length + 5);
    file.sync().unwrap();
    let again = fs.open(&dir.join("file"), Access::Read).unwrap();
    let mut bytes = [0; 12];
    again.read_exact_at(&mut bytes, 4088).unwrap();
    assert_eq!(&bytes, b"\0\0appended\0\0");
}

fn overwrite_changes_only_its_bytes(fs: &dyn Fs, dir: &Path) {
    let file = create(fs, &dir.join("file"), b"0123456789");
    file.write_at(b"abc", 4).unwrap();
    assert_eq!(content(file.as_ref()), b"0123abc789");
    file.write_at(b"xyz", 8).unwrap();
    assert_eq!(content(file.as_ref()), b"0123abc7xyz");
    assert_eq!(file.len().unwrap(), 11);
}

/// Bytes that do not repeat at any power of two.
fn pattern(len: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(len).collect()
}

fn large_writes_come_back(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let bytes = pattern(3_000_017);
    let file = fs.create(&path).unwrap();
    let mut at = 0;
    for part in bytes.chunks(70_001) {
        file.write_at(part, at).unwrap();
        at += part.len() as u64;
    }
    assert!(content(file.as_ref()) == bytes);
    assert!(content_of(fs, &path) == bytes);
    for (start, len) in [(0, 1), (16_383, 2), (65_535, 70_000), (2_999_999, 18)] {
        let mut buf = vec![0; len];
        file.read_exact_at(&mut buf, start as u64).unwrap();
        assert!(buf == bytes.get(start..start + len).unwrap());
    }
}

fn an_empty_write_does_nothing(fs: &dyn Fs, dir: &Path) {
    let file = create(fs, &dir.join("file"), b"x");
    file.write_at(b"", 0).unwrap();
    file.write_at(b"", 1_000).unwrap();
    assert_eq!(content(file.as_ref()), b"x");
}

fn a_wild_offset_is_refused(fs: &dyn Fs, dir: &Path) {
    let file = create(fs, &dir.join("file"), b"x");
    assert!(file.write_at(b"wild", u64::MAX - 2).is_err());
    assert_eq!(content(file.as_ref()), b"x");
}

fn read_access_cannot_write(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    create(fs, &path, b"before");
    let file = fs.open(&path, Access::Read).unwrap();
    assert!(file.write_at(b"after!", 0).is_err());
    assert_eq!(content(file.as_ref()), b"before");
}

fn all_handles_see_a_write(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let first = fs.create(&path).unwrap();
    let reader = fs.open(&path, Access::Read).unwrap();
    let second = fs.open(&path, Access::ReadWrite).unwrap();
    first.write_at(b"one", 0).unwrap();
    second.write_at(b"two", 3).unwrap();
    for file in [first, reader, second] {
        assert_eq!(content(file.as_ref()), b"onetwo");
    }
}

fn rename_replaces(fs: &dyn Fs, dir: &Path) {
    let (from, to) = (dir.join("from"), dir.join("to"));
    create(fs, &from, b"new");
    fs.rename(&from, &to).unwrap();
    assert_eq!(content_of(fs, &to), b"new");
    create(fs, &from, b"newer");
    fs.rename(&from, &to).unwrap();
    assert_eq!(content_of(fs, &to), b"newer");
    assert_eq!(names(fs, dir), ["to"]);
    fs.rename(&to, &to).unwrap();
    assert_eq!(content_of(fs, &to), b"newer");
}

fn rename_crosses_folders(fs: &dyn Fs, dir: &Path) {
    fs.create_dir_all(&dir.join("a")).unwrap();
    fs.create_dir_all(&dir.join("b")).unwrap();
    create(fs, &dir.join("a/file"), b"x");
    fs.rename(&dir.join("a/file"), &dir.join("b/file")).unwrap();
    assert!(names(fs, &dir.join("a")).is_empty());
    assert_eq!(content_of(fs, &dir.join("b/file")), b"x");
}

fn handles_survive_rename_and_remove(fs: &dyn Fs, dir: &Path) {
    let (path, other) = (dir.join("file"), dir.join("other"));
    let file = create(fs, &path, b"file");
    let replaced = create(fs, &other, b"other");
    fs.rename(&path, &other).unwrap();
    file.write_at(b"!", 4).unwrap();
    assert_eq!(content(file.as_ref()), b"file!");
    assert_eq!(content(replaced.as_ref()), b"other");
    assert_eq!(content_of(fs, &other), b"file!");
    fs.remove(&other).unwrap();
    file.write_at(b"!", 5).unwrap();
    file.sync().unwrap();
    assert_eq!(content(file.as_ref()), b"file!!");
    assert!(names(fs, dir).is_empty());
}

fn a_removed_name_can_be_made_again(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let old = create(fs, &path, b"old");
    fs.remove(&path).unwrap();
    assert_eq!(kind(fs.open(&path, Access::Read)), ErrorKind::NotFound);
    assert_eq!(kind(fs.remove(&path)), ErrorKind::NotFound);
    let new = create(fs, &path, b"");
    assert_eq!(content(new.as_ref()), b"");
    assert_eq!(content(old.as_ref()), b"old");
}

fn syncs_succeed(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let file = create(fs, &path, b"x");
    file.sync().unwrap();
    file.sync().unwrap();
    fs.open(&path, Access::Read).unwrap().sync().unwrap();
    fs.sync_dir(dir).unwrap();
    fs.sync_dir(dir).unwrap();
    assert_eq!(content(file.as_ref()), b"x");
}

fn a_lock_is_exclusive_until_dropped(fs: &dyn Fs, dir: &Path) {
    let (path, other) = (dir.join("lock"), dir.join("other"));
    let held = fs.lock(&path).unwrap().unwrap();
    assert!(fs.lock(&path).unwrap().is_none());
    assert!(fs.lock(&other).unwrap().is_some());
    drop(held);
    assert_eq!(names(fs, dir), ["lock", "other"]);
    let again = fs.lock(&path).unwrap().unwrap();
    assert!(fs.lock(&path).unwrap().is_none());
    drop(again);
    // A file that is there is locked as it is.
    create(fs, &dir.join("file"), b"kept");
    let held = fs.lock(&dir.join("file")).unwrap().unwrap();
    assert_eq!(content_of(fs, &dir.join("file")), b"kept");
    drop(held);
}

fn a_lock_has_one_winner(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("lock");
    for _ in 0..20 {
        let locks: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| fs.lock(&path).unwrap())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(locks.iter().flatten().count(), 1);
    }
}

fn a_held_lock_shows(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("lock");
    assert!(!fs.is_locked(&path).unwrap());
    assert!(!fs.is_locked(&dir.join("missing/lock")).unwrap());
    assert!(names(fs, dir).is_empty());
    let held = fs.lock(&path).unwrap().unwrap();
    assert!(fs.is_locked(&path).unwrap());
    assert!(fs.is_locked(&path).unwrap());
    assert!(fs.lock(&path).unwrap().is_none());
    drop(held);
    assert!(!fs.is_locked(&path).unwrap());
    create(fs, &dir.join("file"), b"kept");
    assert!(!fs.is_locked(&dir.join("file")).unwrap());
    assert_eq!(content_of(fs, &dir.join("file")), b"kept");
    fs.create_dir_all(&dir.join("folder")).unwrap();
    assert!(fs.is_locked(&dir.join("folder")).is_err());
}

fn asking_for_a_lock_turns_nobody_away(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("lock");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    fs.is_locked(&path).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
        for _ in 0..100 {
            let held = fs.lock(&path).unwrap().unwrap();
            assert!(fs.is_locked(&path).unwrap());
            drop(held);
        }
    });
}

fn readers_run_beside_a_writer(fs: &dyn Fs, dir: &Path) {
    const BLOCK: usize = 777;
    const BLOCKS: u64 = 400;
    let path = dir.join("file");
    let writer = fs.create(&path).unwrap();
    let written = AtomicU64::new(0);
    let block = |number: u64| vec![u8::try_from(number % 251).unwrap() + 1; BLOCK];
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let file = fs.open(&path, Access::Read).unwrap();
                let mut buf = [0; BLOCK];
                let mut number = 0;
                while number < BLOCKS {
                    let there = written.load(Ordering::Acquire);
                    assert!(file.len().unwrap() >= there * BLOCK as u64);
                    while number < there {
                        file.read_exact_at(&mut buf, number * BLOCK as u64).unwrap();
                        assert!(buf.as_slice() == block(number));
                        number += 1;
                    }
                    std::thread::yield_now();
                }
            });
        }
        for number in 0..BLOCKS {
            writer.write_at(&block(number), number * BLOCK as u64).unwrap();
            written.store(number + 1, Ordering::Release);
        }
    });
}

fn a_replaced_name_is_never_missing(fs: &dyn Fs, dir: &Path) {
    let (path, next) = (dir.join("file"), dir.join("next"));
    create(fs, &path, b"content");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    assert_eq!(content_of(fs, &path), b"content");
                }
            });
        }
        for _ in 0..200 {
            create(fs, &next, b"content");
            fs.rename(&next, &path).unwrap();
        }
        done.store(true, Ordering::Release);
    });
}
