//! Full segments get their footers at once, and their links when there is time.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use annals_env::{Access, Fs, ManualScheduler, MemoryFs};
use annals_log::{Depth, LogError};
use annals_types::Position;

use crate::support::{BUFFERED, SEGMENT_BYTES, SYNC, World, Writer, check_from};

const ROOT: &str = "/store";
const LINK_BYTES: usize = 128;

fn new() -> (Arc<MemoryFs>, World, ManualScheduler) {
    let fs = Arc::new(MemoryFs::new());
    let (world, steps) = World::stepped(Arc::clone(&fs) as Arc<dyn Fs>, Path::new(ROOT));
    (fs, world, steps)
}

/// What each segment's file ends in, in the order of the log.
fn ends(fs: &dyn Fs) -> Vec<[u8; LINK_BYTES]> {
    let end = |path: PathBuf| {
        let file = fs.open(&path, Access::Read).unwrap();
        let mut bytes = [0; LINK_BYTES];
        let at = file.len().unwrap() - LINK_BYTES as u64;
        file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    segments(fs).into_iter().map(end).collect()
}

fn segments(fs: &dyn Fs) -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join("log");
    let mut names: Vec<PathBuf> =
        fs.list(&folder).unwrap().iter().map(|entry| folder.join(&entry.name)).collect();
    names.sort();
    names
}

fn linked(fs: &dyn Fs) -> usize {
    ends(fs).iter().filter(|end| end.starts_with(b"ANLCHAIN")).count()
}

/// Fills so many segments; after each commit the sealer looks once.
fn fill(writer: &Writer, steps: &ManualScheduler, full: usize) {
    while writer.log.reader().size().unwrap().1 <= full as u64 {
        writer.append(3).unwrap();
        steps.run_one("log-sealer");
    }
}

#[expect(clippy::disallowed_methods, reason = "the sealer waits for a pause of the appends")]
fn pause() {
    std::thread::sleep(Duration::from_millis(25));
}

/// Nothing is appended for a while.
fn link(steps: &ManualScheduler) {
    steps.run_until_idle();
    pause();
    steps.run_until_idle();
}

fn assert_whole(writer: &Writer) {
    let (reader, last) = (writer.log.reader(), writer.log.lock().last());
    let found = reader.verify(last, Depth::Deep, &mut |_, _| {}).unwrap();
    assert_eq!(found.damage, []);
    check_from(reader, Position::START);
}

#[test]
fn a_burst_is_sealed_as_it_goes_and_linked_behind_it() {
    let (fs, world, steps) = new();
    let writer = world.write(BUFFERED).unwrap();
    fill(&writer, &steps, 5);
    let (_, all, sealed) = writer.log.reader().size().unwrap();
    assert_eq!((all, sealed, linked(&*fs)), (6, 5, 0));
    assert_whole(&writer);
    link(&steps);
    assert_eq!(linked(&*fs), 5);
    assert_whole(&writer);
    // Without a pause many are linked all the same.
    fill(&writer, &steps, 40);
    assert!((20..=24).contains(&linked(&*fs)), "{}", linked(&*fs));
    assert_whole(&writer);
}

/// A crash leaves any part of what was to be linked: each is linked at the next opening.
#[test]
fn links_that_a_crash_kept_away_are_made_later() {
    let (fs, world, steps) = new();
    let writer = world.write(BUFFERED).unwrap();
    fill(&writer, &steps, 3);
    steps.run_one("log-sealer");
    writer.die();
    let paths = segments(&*fs);
    // As a torn sector leaves it.
    let file = fs.open(&paths[0], Access::ReadWrite).unwrap();
    let at = file.len().unwrap() - LINK_BYTES as u64;
    for torn in [&b"ANLC"[..], b"ANLCHAIN", b"ANLCHAIN and more"] {
        file.write_at(torn, at).unwrap();
        let (world, _) = World::stepped(Arc::clone(&fs) as Arc<dyn Fs>, Path::new(ROOT));
        let writer = world.write(BUFFERED).unwrap();
        assert_whole(&writer);
        writer.die();
    }
    let (world, steps) = World::stepped(Arc::clone(&fs) as Arc<dyn Fs>, Path::new(ROOT));
    let writer = world.write(BUFFERED).unwrap();
    link(&steps);
    assert_eq!(linked(&*fs), 3);
    assert_whole(&writer);
}

#[test]
fn a_damaged_link_is_told_of_and_made_again() {
    let (fs, world, steps) = new();
    let writer = world.write(BUFFERED).unwrap();
    fill(&writer, &steps, 3);
    link(&steps);
    assert_eq!(linked(&*fs), 3);
    let told = |bytes: &[u8]| {
        let file = fs.open(&segments(&*fs)[1], Access::ReadWrite).unwrap();
        let at = file.len().unwrap() - LINK_BYTES as u64;
        let before = ends(&*fs)[1];
        file.write_at(bytes, at).unwrap();
        let last = writer.log.lock().last();
        let found = writer.log.reader().verify(last, Depth::Fast, &mut |_, _| {}).unwrap();
        file.write_at(&before, at).unwrap();
        found.damage.into_iter().map(|damage| damage.what).collect::<Vec<_>>()
    };
    assert_eq!(told(&[0; LINK_BYTES]), [""; 0], "it may not be there yet");
    let mut flipped = ends(&*fs)[1];
    flipped[LINK_BYTES - 1] ^= 1;
    for damaged in [&flipped[..], &[0, 0, 0, 1]] {
        assert_eq!(told(damaged), ["the footer's link is damaged"]);
    }
    writer.die();
    let before = ends(&*fs);
    for damaged in [&[0; LINK_BYTES][..], &flipped] {
        let file = fs.open(&segments(&*fs)[1], Access::ReadWrite).unwrap();
        file.write_at(damaged, file.len().unwrap() - LINK_BYTES as u64).unwrap();
        let (world, steps) = World::stepped(Arc::clone(&fs) as Arc<dyn Fs>, Path::new(ROOT));
        let writer = world.write(SYNC).unwrap();
        steps.run_until_idle();
        assert_eq!(ends(&*fs)[..3], before[..3]);
        assert_whole(&writer);
        writer.die();
    }
}

/// What is full has its footer, so an opening after a crash need not read it.
#[test]
fn an_opening_after_a_crash_walks_through_the_active_segment_only() {
    let (fs, world, steps) = new();
    let writer = world.write(BUFFERED).unwrap();
    fill(&writer, &steps, 4);
    steps.run_one("log-sealer");
    writer.append(1).unwrap();
    writer.die();
    // In the frames of a full segment.
    let file = fs.open(&segments(&*fs)[2], Access::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, SEGMENT_BYTES / 2).unwrap();
    file.write_at(&[byte[0] ^ 1], SEGMENT_BYTES / 2).unwrap();
    let (world, _) = World::stepped(Arc::clone(&fs) as Arc<dyn Fs>, Path::new(ROOT));
    let writer = world.write(BUFFERED).unwrap();
    let damaged = writer.log.reader().scan(Position::new(1), Position::MAX).find_map(Result::err);
    assert!(matches!(damaged, Some(LogError::Damaged(_))), "{damaged:?}");
}
