//! The store as a reader can meet it at every single moment of a writer's life.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::sync::Arc;

use annals_env::{Choices, FaultyFs, FirstChoices, LastChoices, SeededChoices};
use annals_log::{LiveLog, LogError, SyncMode};
use annals_types::Position;

use super::support::{BUFFERED, SYNC, World, check_from};

const COMMITS: u64 = 45;

/// A writer's life: what it acknowledged, and what it had begun when the disk stopped.
fn live(disk: &FaultyFs, sync: SyncMode) -> (u64, u64) {
    let (world, scheduler) = World::stepped(Arc::new(disk.clone()), Path::new("store"));
    let (mut done, mut begun) = (0, 0);
    let mut run = || -> Result<(), LogError> {
        for opening in 0..2 {
            let writer = world.write(sync)?;
            for n in 0..COMMITS {
                begun = done + n % 9 + 1;
                let last = writer.append(n % 9 + 1)?.get();
                // A process that died in the middle acknowledges nothing.
                if disk.has_crashed() {
                    return Ok(());
                }
                done = last;
                if n % 8 == opening {
                    scheduler.run_until_idle();
                }
            }
            writer.log.close()?;
        }
        Ok(())
    };
    run().ok();
    (done, begun)
}

/// The next writer is followed by those who read before it came.
fn is_followed(world: &World, sync: SyncMode, readers: [&mut LiveLog; 2], what: &str) {
    let writer = world.write(sync).unwrap();
    let last = writer.append(2).unwrap();
    for reader in readers {
        assert_eq!(reader.refresh().unwrap(), last, "{what}");
        check_from(reader.reader(), Position::START);
    }
}

fn every_moment_of(sync: SyncMode) {
    let disk = FaultyFs::default();
    live(&disk, sync);
    let (world, _scheduler) = World::stepped(Arc::new(disk.clone()), Path::new("store"));
    let (_, segments, sealed) = world.read().unwrap().reader().size().unwrap();
    assert!(segments > 5 && sealed > 4, "{segments} {sealed}");
    let operations = disk.operations();
    assert!(operations > 300, "{operations}");
    for number in 1..=operations {
        let disk = FaultyFs::default();
        disk.crash_at(number);
        let (done, begun) = live(&disk, sync);
        let what = format!("{:?}", disk.crashed_in());
        let mut half = SeededChoices::new(number);
        let choices: [&mut dyn Choices; 3] = [&mut FirstChoices, &mut LastChoices, &mut half];
        for choices in choices {
            let image = disk.kill(choices);
            let (world, _scheduler) = World::stepped(Arc::new(image.clone()), Path::new("store"));
            // As if the writer were living still, in the middle of this operation.
            let beside = world.read_beside();
            let Some(mut beside) = beside else {
                assert_eq!(done, 0, "{what}");
                continue;
            };
            let problems = (beside.damage().to_vec(), beside.notes().to_vec());
            assert_eq!(problems, (vec![], vec![]), "{what}");
            assert_eq!(beside.torn_tail(), None);
            let visible = check_from(beside.reader(), Position::START).get();
            assert!(done <= visible && visible <= begun, "{what}: {done} {visible} {begun}");
            assert_eq!(beside.refresh().unwrap().get(), visible, "{what}");
            // Without the writer there may be more.
            let mut alone = world.read().unwrap();
            let whole = check_from(alone.reader(), Position::START).get();
            assert!(visible <= whole && whole <= begun, "{what}");
            assert_eq!(alone.damage(), [], "{what}");
            // The next writer keeps all that anybody saw.
            is_followed(&world, sync, [&mut beside, &mut alone], &what);
        }
    }
}

/// The visible position in the newer slot of the page.
fn told_by(disk: &FaultyFs) -> u64 {
    let page = disk.read_file(Path::new("store/state")).unwrap_or_default();
    let number = |at: usize| {
        page.get(at..at + 8).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
    };
    [0, 512].map(|slot| (number(slot + 24), number(slot + 60))).into_iter().max().unwrap().1
}

#[test]
fn after_a_power_cut_the_page_may_tell_of_more_than_there_is() {
    let disk = FaultyFs::default();
    live(&disk, BUFFERED);
    let operations = disk.operations();
    let mut told_more = 0;
    for number in (1..operations).step_by(5) {
        let disk = FaultyFs::default();
        disk.crash_at(number);
        live(&disk, BUFFERED);
        let what = format!("{:?}", disk.crashed_in());
        for seed in 0..4 {
            let image = disk.power_cut(&mut SeededChoices::new(number * 4 + seed));
            let told = told_by(&image);
            let (world, _scheduler) = World::stepped(Arc::new(image), Path::new("store"));
            let (Some(mut beside), Some(mut alone)) = (world.read_beside(), world.read()) else {
                continue;
            };
            assert_eq!((beside.damage(), alone.damage()), (&[][..], &[][..]), "{what}");
            let visible = check_from(beside.reader(), Position::START);
            let whole = check_from(alone.reader(), Position::START);
            assert!(visible <= whole, "{what}");
            assert_eq!(beside.refresh().unwrap(), visible, "{what}");
            told_more += u32::from(told > whole.get());
            is_followed(&world, BUFFERED, [&mut beside, &mut alone], &what);
        }
    }
    assert!(told_more > 10, "{told_more}");
}

#[test]
fn every_moment_of_synced_commits() {
    every_moment_of(SYNC);
}

#[test]
fn every_moment_of_buffered_commits() {
    every_moment_of(BUFFERED);
}
