//! Readers beside a living writer.

#![expect(clippy::unwrap_used, reason = "these are tests")]
#![expect(clippy::disallowed_methods, reason = "readers and writers on threads of their own")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_env::{Fs, MemoryFs, RealFs};
use annals_log::{LiveLog, LogError, LogReader, SyncMode};
use annals_types::Position;

use super::support::{BUFFERED, SYNC, World, assert_right, check_from};

/// Follows the store to position `end` and checks everything on the way. `bound` tells how far
/// the writer's own readers see.
fn follow(live: &mut LiveLog, end: Position, bound: &dyn Fn() -> Position) {
    let mut seen = check_from(live.reader(), Position::START);
    let mut cursor = live.reader().events();
    while seen < end {
        let visible = live.refresh().unwrap();
        assert!(visible <= bound(), "beyond what is visible");
        assert!(visible >= seen, "{visible} after {seen}");
        assert_eq!(visible, live.reader().visible());
        assert!(live.reader().durable() <= visible);
        assert_eq!(live.last().position, visible);
        seen = check_from(live.reader(), seen);
        assert!(seen >= visible);
        for position in [seen, Position::new(seen.get() / 2)] {
            if position > Position::START {
                assert_right(&cursor.get(position).unwrap().unwrap());
            }
        }
        if seen == visible {
            std::thread::yield_now();
        }
    }
    assert_eq!(check_from(live.reader(), Position::START), seen);
    for (back, event) in live.reader().scan_back(seen, Position::START).take(300).enumerate() {
        let event = event.unwrap();
        assert_eq!(event.position(), seen.minus(back as u64));
        assert_right(&event);
    }
}

/// One writer, several readers, and one that opens the store anew all the time.
fn readers_follow(fs: Arc<dyn Fs>, root: &Path, sync: SyncMode, commits: u64) {
    let world = World::threaded(fs, root);
    let writer = world.write(sync).unwrap();
    let mut last = Position::START;
    let end = Position::new((0..commits).map(|n| n % 4 + 1).sum());
    let done = AtomicBool::new(false);
    let reader = writer.log.reader();
    let (world, done) = (&world, &done);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                let mut live = world.read().unwrap();
                follow(&mut live, end, &|| reader.visible());
            });
        }
        scope.spawn(move || {
            let mut opened = 0;
            while opened < 4 || !done.load(Ordering::Acquire) {
                let mut live = world.read().unwrap();
                assert!(live.reader().visible() <= reader.visible());
                assert_eq!(
                    (live.damage(), live.notes(), live.torn_tail()),
                    (&[][..], &[][..], None)
                );
                let from = Position::new(live.reader().visible().get().saturating_sub(200));
                let seen = check_from(live.reader(), from);
                live.refresh().unwrap();
                check_from(live.reader(), seen);
                opened += 1;
            }
        });
        for n in 0..commits {
            last = writer.append(n % 4 + 1).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(last, end);
    let (_, segments, sealed) = reader.size().unwrap();
    assert!(segments > 20 && sealed > 10, "{segments} {sealed}");
    drop(writer);
    let mut live = world.read().unwrap();
    follow(&mut live, end, &|| end);
}

#[test]
fn readers_follow_synced_commits_in_memory() {
    readers_follow(Arc::new(MemoryFs::new()), Path::new("store"), SYNC, 4_000);
}

#[test]
fn readers_follow_buffered_commits_in_memory() {
    readers_follow(Arc::new(MemoryFs::new()), Path::new("store"), BUFFERED, 20_000);
}

#[test]
fn readers_follow_synced_commits_on_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    readers_follow(Arc::new(RealFs), dir.path(), SYNC, 2_000);
}

#[test]
fn readers_follow_buffered_commits_on_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    readers_follow(Arc::new(RealFs), dir.path(), BUFFERED, 6_000);
}

#[test]
fn a_refresh_sees_what_was_appended_before_it() {
    for sync in [SYNC, BUFFERED] {
        let (world, scheduler) = World::stepped(Arc::new(MemoryFs::new()), Path::new("store"));
        let writer = world.write(sync).unwrap();
        let mut live = world.read().unwrap();
        let mut cursor = live.reader().events();
        assert_eq!(live.refresh().unwrap(), Position::START);
        for n in 1..=800 {
            let last = writer.append(n % 3 + 1).unwrap();
            assert_eq!(live.refresh().unwrap(), last);
            assert_eq!(live.reader().durable(), writer.log.reader().durable());
            assert_right(&cursor.get(last).unwrap().unwrap());
            if n.is_multiple_of(50) {
                scheduler.run_until_idle();
                live.refresh().unwrap();
                check_from(live.reader(), Position::START);
            }
        }
        // Sealed ones are read by their own tables.
        let (_, segments, sealed) = live.reader().size().unwrap();
        assert!(segments > 10 && sealed > segments / 2, "{segments} {sealed}");
        assert_eq!(live.last(), writer.log.durable().max(live.last()));
        scheduler.run_until_idle();
    }
}

#[test]
fn what_is_assigned_but_not_finished_is_not_seen() {
    let (world, _scheduler) = World::stepped(Arc::new(MemoryFs::new()), Path::new("store"));
    let writer = world.write(BUFFERED).unwrap();
    let last = writer.append(3).unwrap();
    let commit = annals_types::Commit::new().append(
        "all",
        annals_types::ExpectedVersion::Any,
        vec![super::support::event_at(last.plus(1))],
    );
    let mut draft = annals_log::Draft::commit(&commit);
    draft.set_first_version(0, annals_types::Version::new(4));
    let mut guard = writer.log.lock();
    guard.make_room(&draft).unwrap();
    // It is written, whole, and not shown.
    let appended = guard.append(&mut draft, None).unwrap();
    let mut live = world.read().unwrap();
    assert_eq!((live.refresh().unwrap(), live.torn_tail()), (last, None));
    assert_eq!(live.reader().scan(last.plus(1), Position::MAX).count(), 0);
    guard.finish(&appended, false).unwrap();
    assert_eq!(live.refresh().unwrap(), last.plus(1));
    check_from(live.reader(), Position::START);
}

#[test]
fn a_writer_may_come_go_and_die() {
    for sync in [SYNC, BUFFERED] {
        let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
        let (world, _scheduler) = World::stepped(fs, Path::new("store"));
        assert!(world.read().is_none());
        world.env.fs.create_dir_all(&world.root).unwrap();
        let writer = world.write(sync).unwrap();
        writer.append(2).unwrap();
        drop(writer);
        // Opened while nobody writes.
        let mut live = world.read().unwrap();
        let mut end = Position::new(2);
        assert_eq!(live.refresh().unwrap(), end);
        for round in 0..12 {
            let writer = world.write(sync).unwrap();
            assert_eq!(live.refresh().unwrap(), end);
            for _ in 0..round * 9 {
                end = writer.append(2).unwrap();
            }
            assert_eq!(live.refresh().unwrap(), end);
            let epoch = writer.log.reader().epoch();
            assert_eq!(live.reader().epoch(), epoch);
            assert!(live.reader().knows(epoch, live.last()));
            end = writer.append(1).unwrap();
            assert_eq!(live.reader().epoch_at(end), None);
            if round % 2 == 0 {
                writer.die()
            } else {
                drop(writer)
            }
            assert_eq!(live.refresh().unwrap(), end);
            assert_eq!(live.reader().epoch_at(end), Some(epoch));
            // One that opens now sees the same.
            let again = world.read().unwrap();
            assert_eq!(again.reader().visible(), end);
            assert_eq!(again.last(), live.last());
            check_from(again.reader(), Position::START);
        }
        check_from(live.reader(), Position::START);
    }
}

/// Puts the files of one store in place of those of another, for everybody who has them open too.
fn put_back(fs: &MemoryFs, copy: &MemoryFs) {
    for path in fs.files() {
        if !copy.files().contains(&path) {
            fs.remove(&path).unwrap();
        }
    }
    for path in copy.files() {
        fs.write_file(&path, &copy.read_file(&path).unwrap()).unwrap();
    }
}

fn is_lost(live: &mut LiveLog) -> bool {
    let lost = live.refresh();
    match lost {
        Err(LogError::HistoryLost { position, .. }) => {
            assert_eq!(position, live.last().position);
            assert!(matches!(live.refresh(), Err(LogError::HistoryLost { .. })));
            true
        }
        other => {
            other.unwrap();
            false
        }
    }
}

#[test]
fn a_rewound_history_is_told_to_those_who_read_on() {
    for more in [1, 4, 200] {
        let fs = MemoryFs::new();
        let (world, scheduler) = World::stepped(Arc::new(fs.clone()), Path::new("store"));
        let writer = world.write(SYNC).unwrap();
        writer.append(5).unwrap();
        let mut early = world.read().unwrap();
        let mut both = world.read().unwrap();
        let copy = fs.fork();
        for _ in 0..more {
            writer.append(1).unwrap();
        }
        scheduler.run_until_idle();
        both.refresh().unwrap();
        writer.die();
        put_back(&fs, &copy);
        // Nothing was written yet in the other history.
        assert_eq!(both.refresh().unwrap(), Position::new(5 + more));
        let writer = world.write(SYNC).unwrap();
        for _ in 0..more + 3 {
            writer.append(1).unwrap();
        }
        assert!(is_lost(&mut both), "{more}");
        assert!(!is_lost(&mut early), "{more}");
        assert_eq!(early.reader().visible(), Position::new(5 + more + 3));
        check_from(early.reader(), Position::START);
        let mut again = world.read().unwrap();
        assert!(!is_lost(&mut again));
    }
}

#[test]
fn a_fork_of_the_same_epoch_number_is_another_history() {
    let fs = MemoryFs::new();
    let (world, _scheduler) = World::stepped(Arc::new(fs.clone()), Path::new("store"));
    drop(world.write(SYNC).unwrap());
    let copy = fs.fork();
    let writer = world.write(SYNC).unwrap();
    writer.append(3).unwrap();
    let mut live = world.read().unwrap();
    drop(writer);
    put_back(&fs, &copy);
    let other = World { env: World::stepped(Arc::new(fs), &world.root).0.env, ..world };
    let writer = other.write(SYNC).unwrap();
    assert_eq!(writer.log.reader().epoch().number, 2);
    writer.append(3).unwrap();
    assert!(is_lost(&mut live));
}

#[test]
fn another_store_in_the_same_folder_is_told() {
    let (fs, other) = (MemoryFs::new(), MemoryFs::new());
    let (world, _scheduler) = World::stepped(Arc::new(fs.clone()), Path::new("store"));
    let writer = world.write(SYNC).unwrap();
    writer.append(3).unwrap();
    let mut live = world.read().unwrap();
    drop(writer);
    let steps = annals_env::ManualScheduler::new(Arc::new(annals_env::SystemClock));
    let foreign = World::with(Arc::new(other.clone()), &world.root, Arc::new(steps), 77);
    foreign.write(SYNC).unwrap().append(9).unwrap();
    // Not under the hands of those who have the files open.
    fs.files().iter().for_each(|path| fs.remove(path).unwrap());
    put_back(&fs, &other);
    assert!(is_lost(&mut live));
    assert_eq!(check_from(live.reader(), Position::START), Position::new(3));
}

#[test]
fn a_copy_that_is_put_back_is_followed_in_its_new_files() {
    let fs = MemoryFs::new();
    let (world, _scheduler) = World::stepped(Arc::new(fs.clone()), Path::new("store"));
    let writer = world.write(SYNC).unwrap();
    writer.append(3).unwrap();
    let mut live = world.read().unwrap();
    let copy = fs.fork();
    writer.append(1).unwrap();
    writer.die();
    fs.files().iter().for_each(|path| fs.remove(path).unwrap());
    put_back(&fs, &copy);
    let last = world.write(SYNC).unwrap().append(5).unwrap();
    assert_eq!(live.refresh().unwrap(), last);
    check_from(live.reader(), Position::START);
}

/// Flips a bit in the middle of the event at `position`, which the writer has just written.
fn spoil(fs: &MemoryFs, reader: &LogReader, position: Position) {
    let data = reader.event(position).unwrap().unwrap().data().to_vec();
    let found = fs.files().into_iter().find_map(|path| {
        let bytes = fs.read_file(&path).unwrap();
        let at = bytes.windows(data.len()).position(|part| part == data)?;
        Some((path, bytes, at))
    });
    let (path, mut bytes, at) = found.unwrap();
    *bytes.get_mut(at + data.len() / 2).unwrap() ^= 1;
    fs.write_file(&path, &bytes).unwrap();
}

#[test]
fn damage_stops_a_refresh_in_front_of_it() {
    let fs = MemoryFs::new();
    let (world, _scheduler) = World::stepped(Arc::new(fs.clone()), Path::new("store"));
    let writer = world.write(SYNC).unwrap();
    writer.append(3).unwrap();
    let mut live = world.read().unwrap();
    for _ in 0..3 {
        writer.append(1).unwrap();
    }
    spoil(&fs, writer.log.reader(), Position::new(5));
    // What is intact before it comes first.
    assert_eq!(live.refresh().unwrap(), Position::new(4));
    for _ in 0..2 {
        let Err(LogError::Damaged(damage)) = live.refresh() else { panic!("it is damaged") };
        assert_eq!(damage.positions, Some((Position::new(5), Position::new(5))));
        assert_eq!(live.reader().visible(), Position::new(4));
    }
    // Who opens now is told as well, and reads what lies behind.
    let again = world.read().unwrap();
    assert_eq!(again.damage().len(), 1);
    assert_eq!(again.reader().visible(), Position::new(6));
    assert_right(&again.reader().event(Position::new(6)).unwrap().unwrap());
    assert!(again.reader().event(Position::new(5)).is_err());
}

#[test]
fn a_missing_segment_is_damage() {
    let fs = MemoryFs::new();
    let (world, _scheduler) = World::stepped(Arc::new(fs.clone()), Path::new("store"));
    let writer = world.write(SYNC).unwrap();
    writer.append(1).unwrap();
    let mut live = world.read().unwrap();
    let before = fs.files();
    while fs.files().len() == before.len() {
        writer.append(4).unwrap();
    }
    let full = writer.append(1).unwrap();
    let new = fs.files().into_iter().find(|path| !before.contains(path)).unwrap();
    let bytes = fs.read_file(&new).unwrap();
    fs.remove(&new).unwrap();
    let shown = live.refresh().unwrap();
    assert!(shown < full);
    let Err(LogError::Damaged(damage)) = live.refresh() else { panic!("it is missing") };
    assert_eq!(damage.positions, Some((shown.plus(1), full)));
    // It was only away.
    fs.write_file(&new, &bytes).unwrap();
    assert_eq!(live.refresh().unwrap(), full);
    check_from(live.reader(), Position::START);
}
