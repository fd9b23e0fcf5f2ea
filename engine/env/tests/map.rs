//! Appends through a map of the file, the one `unsafe` of the engine: `tools/races` runs these under
//! valgrind too.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::path::Path;
use std::sync::Arc;
use std::thread;

use annals_env::{Access, File, Fs, RealFs};
use tempfile::tempdir;

/// What is mapped at once.
const WINDOW: u64 = 2 << 20;
/// Two windows and a piece of a third.
const LENGTH: u64 = 2 * WINDOW + 10_000;
/// So much is looked at on both sides of what was written.
const MARGIN: u64 = 64;

/// A file of zeros.
fn zeros(path: &Path) -> Arc<dyn File> {
    let file = RealFs.create(path).unwrap();
    file.write_at(&[0], LENGTH - 1).unwrap();
    file
}

/// The file holds what the copy in memory does, around `offset`.
fn check(file: &dyn File, copy: &[u8], offset: u64, length: u64) {
    let from = offset.saturating_sub(MARGIN);
    let to = (offset + length + MARGIN).min(copy.len() as u64);
    let mut found = vec![0xee; usize::try_from(to - from).unwrap()];
    file.read_exact_at(&mut found, from).unwrap();
    let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
    assert!(found == copy[range], "{length} bytes at {offset}");
}

/// At the edges of a window and of the file, in it, across it and behind it.
#[test]
fn at_every_edge() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("file");
    let file = zeros(&path);
    let mut copy = vec![0_u8; usize::try_from(LENGTH).unwrap()];
    let mut stamp = 0_u8;
    for edge in [0, 4096, WINDOW, 2 * WINDOW, LENGTH] {
        for length in [1_u64, 7, 512, 4096, 5_000] {
            for before in [0, 1, length / 2, length, length + 1] {
                let offset = edge.saturating_sub(before);
                stamp = stamp.wrapping_add(1).max(1);
                let bytes: Vec<u8> = (0..length).map(|_| stamp).collect();
                file.append_at(&bytes, offset).unwrap();
                let end = usize::try_from(offset + length).unwrap();
                // What goes beyond the file makes it longer.
                copy.resize(copy.len().max(end), 0);
                copy[usize::try_from(offset).unwrap()..end].copy_from_slice(&bytes);
                check(&*file, &copy, offset, length);
            }
        }
    }
    assert_eq!(file.len().unwrap(), copy.len() as u64);
    // By whoever opens it later, too.
    file.sync().unwrap();
    drop(file);
    let again = RealFs.open(&path, Access::Read).unwrap();
    for edge in [0, 4096, WINDOW, 2 * WINDOW, LENGTH] {
        check(&*again, &copy, edge.saturating_sub(6_000), 12_000.min(copy.len() as u64 - edge));
    }
}

/// Several threads append to pieces of their own, in windows that take turns, while one reads.
#[test]
fn from_several_threads() {
    const WRITERS: u64 = 3;
    const APPENDS: u64 = 60;
    const BYTES: u64 = 1_000;
    let dir = tempdir().unwrap();
    let file = zeros(&dir.path().join("file"));
    let place =
        |writer: u64, number: u64| (number % 2) * WINDOW + (number * WRITERS + writer) * BYTES;
    let marked = |writer: u64, number: u64| {
        vec![u8::try_from(1 + writer * APPENDS + number).unwrap(); usize::try_from(BYTES).unwrap()]
    };
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let file = &file;
            scope.spawn(move || {
                for number in 0..APPENDS {
                    file.append_at(&marked(writer, number), place(writer, number)).unwrap();
                }
            });
        }
        // What is expected changes nothing, wherever it lies.
        for number in 0..APPENDS {
            let from = number * WINDOW / 7;
            file.expect_appends(from, if number % 2 == 0 { WINDOW } else { 3 * LENGTH });
            let mut found = [0; 16];
            file.read_exact_at(&mut found, place(0, number)).unwrap();
            assert!(found == marked(0, number)[..16] || found == [0; 16]);
            file.sync().unwrap();
        }
    });
    for (writer, number) in (0..WRITERS).flat_map(|w| (0..APPENDS).map(move |n| (w, n))) {
        let mut found = vec![0; usize::try_from(BYTES).unwrap()];
        file.read_exact_at(&mut found, place(writer, number)).unwrap();
        assert_eq!(found, marked(writer, number));
    }
}

#[test]
fn a_mapped_file_reads_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let path = folder.path().join("file");
    let file = RealFs.create(&path).unwrap();
    // Nothing to map yet.
    let empty = RealFs.create(&folder.path().join("empty")).unwrap();
    empty.map_reads(0);
    assert_eq!(empty.read_at(&mut [0; 4], 0).unwrap(), 0);
    file.write_at(&bytes, 0).unwrap();
    // With room for more than it has, and later less.
    file.map_reads(50_000);
    for (offset, length) in [(0, 10_000), (0, 0), (7, 100), (9_990, 100), (10_000, 1), (1 << 40, 9)]
    {
        let mut read = vec![0; length];
        let count = file.read_at(&mut read, offset).unwrap();
        let there = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        assert_eq!(read[..count], there[..length.min(there.len())], "{length} at {offset}");
    }
    // To be told ahead changes nothing, wherever that is.
    for (offset, length) in [(0, 0), (0, 10_000), (4_097, 1), (9_999, 50_000), (1 << 40, 1 << 40)] {
        file.read_ahead(offset, length);
        empty.read_ahead(offset, length);
        assert!(file.is_in_memory(offset), "it was just written");
    }
    // What was written since can be read, before and after that was told.
    file.write_at(&bytes, 10_000).unwrap();
    for _ in 0..2 {
        let mut read = vec![0; 12_000];
        assert_eq!(file.read_at(&mut read, 9_000).unwrap(), 11_000);
        assert_eq!((&read[..1_000], &read[1_000..11_000]), (&bytes[9_000..], &bytes[..]));
        file.map_reads(50_000);
    }
    file.write_at(&[7; 90_000], 20_000).unwrap();
    file.map_reads(50_000);
    let mut read = vec![0; 100_000];
    assert_eq!(file.read_at(&mut read, 15_000).unwrap(), 95_000);
    assert!(read[..5_000] == bytes[5_000..] && read[5_000..95_000].iter().all(|&byte| byte == 7));
    // It can be read after its name is gone.
    RealFs.remove(&path).unwrap();
    let mut read = [0; 3];
    file.read_exact_at(&mut read, 5).unwrap();
    assert_eq!(read, bytes[5..8]);
}

/// Pieces of a file that this process has mapped and may write to.
#[cfg(target_os = "linux")]
fn mapped_for_writing(path: &Path) -> usize {
    let name = path.file_name().unwrap().to_str().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(" rw-s ") && line.ends_with(name)).count()
}

/// A file whose appends have ended keeps nothing mapped for them: a large store has very many.
#[cfg(target_os = "linux")]
#[test]
fn ended_appends_leave_nothing_mapped() {
    // On some file systems appends do not go through maps; on this one they do.
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = dir.path().join("file-with-appends");
    let file = zeros(&path);
    file.append_at(b"first", 10).unwrap();
    file.append_at(b"second", WINDOW + 10).unwrap();
    file.expect_appends(2 * WINDOW, 100);
    assert!(mapped_for_writing(&path) > 0);
    file.end_appends();
    assert_eq!(mapped_for_writing(&path), 0);
    file.append_at(b"third", 20).unwrap();
    file.end_appends();
    assert_eq!(mapped_for_writing(&path), 0);
    let mut found = [0; 16];
    file.read_exact_at(&mut found, 10).unwrap();
    assert_eq!(&found, b"first\0\0\0\0\0third\0");
}
