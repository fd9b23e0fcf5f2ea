//! One cursor that reads neighbours in pieces finds what one that reads a single event does.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::{Fs, MemoryFs, RealFs};
use annals_log::{EventCursor, LogError, LogReader};
use annals_types::Position;

use super::support::{BUFFERED, World, Writer, assert_right};

/// Commits of one event, and of several.
const COMMITS: [u64; 8] = [1, 1, 1, 5, 1, 40, 2, 1];

fn fill(writer: &Writer, commits: usize) {
    for &events in COMMITS.iter().cycle().take(commits) {
        writer.append(events).unwrap();
    }
}

/// Orders in which one cursor reads all events up to `last`.
fn orders(last: u64) -> Vec<Vec<u64>> {
    let forward: Vec<u64> = (1..=last).collect();
    let backward = (1..=last).rev().collect();
    let there_and_back = (1..=last).flat_map(|n| [n, n.saturating_sub(1).max(1)]).collect();
    let jumps = (0..last).map(|n| n * 7919 % last + 1).collect();
    let runs = (0..last).map(|n| (n / 9 * 101 + n % 9) % last + 1).collect();
    vec![forward, backward, there_and_back, jumps, runs]
}

fn check_orders(reader: &LogReader, cursor: &mut EventCursor) {
    for order in orders(reader.visible().get()) {
        for position in order.into_iter().map(Position::new) {
            let event = cursor.get(position).unwrap().unwrap();
            assert_eq!(event.position(), position);
            assert_right(&event);
        }
    }
}

fn reads_in_every_order(fs: Arc<dyn Fs>, root: &Path) {
    let world = World::threaded(fs, root);
    let writer = world.write(BUFFERED).unwrap();
    let reader = writer.log.reader();
    // Kept while segments become full and are sealed.
    let mut cursor = reader.events();
    for _ in 0..4 {
        fill(&writer, 40);
        check_orders(reader, &mut cursor);
        check_orders(reader, &mut reader.events());
    }
    assert!(reader.size().unwrap().1 > 3, "several segments");
    let live = world.read().unwrap();
    check_orders(live.reader(), &mut live.reader().events());
}

#[test]
fn neighbours_and_strangers_are_read_alike() {
    reads_in_every_order(Arc::new(MemoryFs::new()), Path::new("store"));
}

#[test]
fn neighbours_and_strangers_are_read_alike_from_a_map() {
    let folder = tempfile::tempdir().unwrap();
    reads_in_every_order(Arc::new(RealFs), &folder.path().join("store"));
}

/// The first segment's file.
fn first_segment(fs: &MemoryFs) -> PathBuf {
    let mut files = fs.files().into_iter();
    files.find(|file| file.extension().is_some_and(|end| end == "seg")).unwrap()
}

/// The positions that one cursor, going through them in this order, tells of as damaged.
fn damaged(reader: &LogReader, order: &[u64]) -> Vec<u64> {
    let mut cursor = reader.events();
    let mut found = Vec::new();
    for &position in order {
        match cursor.get(Position::new(position)) {
            Ok(event) => assert_right(&event.unwrap()),
            Err(error) => {
                let wanted = Position::new(position);
                let told = matches!(&error, LogError::Damaged(damage)
                    if damage.positions == Some((wanted, wanted)));
                assert!(told, "{error}");
                found.push(position);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn a_damaged_neighbour_costs_no_other_event() {
    let fs = MemoryFs::new();
    let world = World::stepped(Arc::new(fs.clone()), Path::new("store")).0;
    let writer = world.write(BUFFERED).unwrap();
    fill(&writer, 10);
    let reader = writer.log.reader();
    let last = reader.visible().get();
    let file = first_segment(&fs);
    let whole = fs.read_file(&file).unwrap();
    let mut hit = 0;
    for at in (1024..whole.len()).step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs.write_file(&file, &bytes).unwrap();
        let alone: Vec<u64> =
            (1..=last).filter(|&position| reader.event(Position::new(position)).is_err()).collect();
        for order in orders(last) {
            let wanted = alone.iter().copied().filter(|position| order.contains(position));
            assert_eq!(damaged(reader, &order), wanted.collect::<Vec<_>>(), "byte {at}");
        }
        let scanned: Vec<u64> = reader
            .scan(Position::new(1), Position::MAX)
            .flatten()
            .inspect(assert_right)
            .map(|event| event.position().get())
            .collect();
        assert!(scanned.iter().all(|position| !alone.contains(position)), "byte {at}");
        assert_eq!((scanned.len() + alone.len()) as u64, last, "byte {at}");
        hit += usize::from(!alone.is_empty());
    }
    assert!(hit > 100, "{hit}");
}
