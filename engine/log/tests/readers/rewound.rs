//! A log that went back, met at every moment of the opening after which it goes another way.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::sync::Arc;

use annals_env::{FaultyFs, Fs, LastChoices, MemoryFs};
use annals_log::{LogError, SyncMode};
use annals_types::Position;

use super::support::{BUFFERED, SYNC, World, check_from};

/// The disk as it is, for the next process.
fn image(disk: &FaultyFs) -> FaultyFs {
    disk.kill(&mut LastChoices)
}

/// Makes `fs` hold what `disk` holds.
fn put(fs: &MemoryFs, disk: &FaultyFs) {
    let files = disk.files();
    fs.files()
        .iter()
        .filter(|path| !files.contains(path))
        .for_each(|path| fs.remove(path).unwrap());
    for path in files {
        fs.write_file(&path, &disk.read_file(&path).unwrap()).unwrap();
    }
}

fn world(fs: Arc<dyn Fs>) -> World {
    World::stepped(fs, Path::new("store")).0
}

/// Opens `kept` for writing and stops at each operation; readers that had read all of `seen` look
/// then. Gives whether the opening began a new segment, and how often they were told.
fn reopen(kept: &FaultyFs, seen: &FaultyFs, visible: Position, sync: SyncMode) -> (bool, u32) {
    let disk = image(kept);
    let writer = world(Arc::new(disk.clone())).write(sync).unwrap();
    let rotated = disk.files().len() > kept.files().len();
    let operations = disk.operations();
    writer.append(1).unwrap();
    writer.append(1).unwrap();
    let last = disk.operations();
    writer.die();
    let end = image(&disk);
    let mut told = 0;
    for number in 1..=last + 1 {
        let disk = image(kept);
        disk.crash_at(number);
        let opened = world(Arc::new(disk.clone())).write(sync).and_then(|writer| {
            writer.append(1)?;
            writer.append(1)?;
            writer.die();
            Ok(())
        });
        assert!(opened.is_ok() || number <= last);
        let fs = MemoryFs::new();
        put(&fs, seen);
        let world = world(Arc::new(fs.clone()));
        let mut live = world.read().unwrap();
        assert_eq!(live.refresh().unwrap(), visible);
        put(&fs, &image(&disk));
        match live.refresh() {
            Err(LogError::HistoryLost { position, .. }) => {
                assert_eq!(position, visible);
                told += 1;
            }
            other => {
                assert_eq!(other.unwrap(), visible, "{:?}", disk.crashed_in());
                assert!(number <= operations, "{:?}", disk.crashed_in());
            }
        }
        assert_eq!(live.reader().visible(), visible);
        let mut again = world.read_beside().unwrap();
        again.refresh().unwrap();
        check_from(again.reader(), Position::START);
        // Whatever it was shown then, it is told in the end.
        put(&fs, &end);
        assert!(matches!(live.refresh(), Err(LogError::HistoryLost { .. })));
        assert_eq!(live.reader().visible(), visible);
    }
    (rotated, told)
}

fn who_read_more_is_told(sync: SyncMode) {
    let mut rotations = 0;
    // Each opening before moves the border of the segments against that of the events.
    for openings in 0..4 {
        let disk = FaultyFs::default();
        let world_here = world(Arc::new(disk.clone()));
        for _ in 0..openings {
            world_here.write(sync).unwrap().die();
        }
        let writer = world_here.write(sync).unwrap();
        let mut images = Vec::new();
        for _ in 0..200 {
            let visible = writer.append(1).unwrap();
            images.push((visible, image(&disk)));
        }
        for (n, pair) in images.windows(3).enumerate() {
            let [(_, kept), (_, one_more), (visible, two_more)] = pair else { continue };
            let probe = image(kept);
            world(Arc::new(probe.clone())).write(sync).unwrap().die();
            let rotates = probe.files().len() > kept.files().len();
            if !rotates && n != 9 {
                continue;
            }
            for (seen, visible) in [(one_more, visible.minus(1)), (two_more, *visible)] {
                let (rotated, told) = reopen(kept, seen, visible, sync);
                assert_eq!(rotated, rotates);
                assert!(told >= 3, "{told}");
            }
            rotations += u32::from(rotates);
        }
    }
    assert!(rotations >= 4, "{rotations}");
}

#[test]
fn who_read_more_than_was_kept_of_synced_commits_is_told() {
    who_read_more_is_told(SYNC);
}

#[test]
fn who_read_more_than_was_kept_of_buffered_commits_is_told() {
    who_read_more_is_told(BUFFERED);
}
