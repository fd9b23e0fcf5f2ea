//! Reading beside a writer: threads, and processes whose writer is killed and started again. Nothing
//! is seen that the writer does not show, nothing is left out, and nothing is lost without a word.
//!
//! `ANNALS_KILL_ROUNDS` sets how many writers are killed for each way to open a store (default 6).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use annals::{
    Commit, Durability, ErrorKind, Event, ExpectedVersion, Followed, Follower, NewEvent, Options,
    Position, Query, QueryItem, Read, ReadOnlyStore, Result, Store,
};
use annals_env::{Faults, SeededRandom};
use annals_tests::budget;
use annals_tests::process::Process;
use annals_tests::setting::{self, Setting, each_kind, each_setting};
use annals_tests::workload::seeded;
use annals_tests::world::{World, new_disk};

const ANY: ExpectedVersion = ExpectedVersion::Any;

/// One test at a time: a process that is being made shares this one's open files for a moment, and
/// with them the lock of a store that another test has just closed.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn event(n: u64) -> NewEvent {
    NewEvent::json("Noted", format!(r#"{{"n":{n}}}"#)).tag(format!("n:{}", n % 5))
}

fn all(read: impl Iterator<Item = Result<Event>>) -> Vec<Position> {
    read.map(|event| event.unwrap().position()).collect()
}

fn query() -> Query {
    Query::any([QueryItem::new().tag("n:1"), QueryItem::new().category("b").tag("n:2")])
}

/// Commits of one to three events over two streams, some large, until it is told to stop.
fn write(store: &Store, writer: u64, commits: u64) {
    for n in 0..commits {
        let large = NewEvent::binary("Large", vec![0; 2_000]).tag("n:1");
        let commit = Commit::new().append(format!("a-{writer}"), ANY, vec![event(n)]);
        let commit = match n % 4 {
            0 => commit,
            1 => commit.append("b-1", ANY, vec![event(n + 1), event(n + 2)]),
            2 => commit.append("b-1", ANY, vec![large]),
            _ => commit.durable(),
        };
        store.commit(&commit).unwrap();
    }
}

/// What a reader sees after a refresh is what the writer's store has there, by every verb.
fn agrees(beside: &ReadOnlyStore, store: &Store) {
    let view = beside.head();
    let same = store.as_of(view.position()).unwrap();
    for read in [
        Read::all(),
        Read::all().backward(),
        Read::all().matching(query()),
        Read::all().matching(query()).backward(),
        Read::stream("b-1"),
        Read::stream("a-1").backward(),
    ] {
        assert_eq!(all(view.read(read.clone())), all(same.read(read.clone())), "{read:?}");
    }
    let list = |view: &annals::View| view.streams().collect::<Result<Vec<_>>>().unwrap();
    assert_eq!(list(&view), list(&same));
    for stream in ["a-0", "b-1", "nobody"] {
        assert_eq!(view.version(stream).unwrap(), same.version(stream).unwrap());
    }
    assert_eq!(view.checkpoint(), same.checkpoint());
    assert_eq!(view.stats().unwrap().events, same.stats().unwrap().events);
}

#[test]
fn in_threads_of_one_process() {
    let _turn = turn();
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 9, 20);
        let (over, path) = (AtomicBool::new(false), setting.path());
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let beside = ReadOnlyStore::open(&path).unwrap();
                        let mut seen = Position::START;
                        let mut rounds = 0;
                        while !over.load(Ordering::SeqCst) {
                            let refreshed = beside.refresh().unwrap();
                            assert!(refreshed <= store.position(), "the writer does not show it");
                            assert!(refreshed >= seen);
                            let new = all(beside.read(Read::all().after(seen)));
                            assert!(
                                (seen.get() + 1..=refreshed.get())
                                    .eq(new.iter().map(|position| position.get()))
                            );
                            seen = refreshed;
                            rounds += 1;
                            if rounds % 16 == 1 {
                                agrees(&beside, &store);
                            }
                        }
                        beside.refresh().unwrap();
                        assert_eq!(beside.position(), store.position());
                        agrees(&beside, &store);
                        rounds
                    })
                })
                .collect();
            let writers: Vec<_> = (0..3)
                .map(|n| {
                    scope.spawn({
                        let store = &store;
                        move || write(store, n, 60)
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            over.store(true, Ordering::SeqCst);
            let rounds: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
            assert!(rounds > 4, "the readers hardly looked");
        });
    });
}

#[test]
fn followers_get_everything_in_order() {
    let _turn = turn();
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 9, 40);
        let beside = ReadOnlyStore::open(setting.path()).unwrap();
        let some = Position::new(store.position().get() / 2);
        thread::scope(|scope| {
            let mut followers = Vec::new();
            for read in [Read::all(), Read::all().after(some), Read::all().matching(query())] {
                for visible in [false, true] {
                    let mut follow = beside.follow().after(read.from.minus(1));
                    if let Some(query) = &read.query {
                        follow = follow.matching(query.clone());
                    }
                    let follow = if visible { follow.visible() } else { follow };
                    let follower = follow.start().unwrap();
                    let read = read.clone();
                    followers.push((scope.spawn(move || until_end(follower)), read));
                }
            }
            let writers: Vec<_> = (0..2)
                .map(|n| {
                    scope.spawn({
                        let store = &store;
                        move || write(store, n, 60)
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            let end = NewEvent::json("End", "{}").tag("n:1");
            store.commit(&Commit::new().append("end", ANY, vec![end]).durable()).unwrap();
            for (follower, read) in followers {
                let expected = all(store.read(read.clone()));
                assert!(follower.join().unwrap() == expected, "{read:?}");
            }
        });
    });
}

/// Follows up to the event that says so.
fn until_end(follower: Follower) -> Vec<Position> {
    let mut seen = Vec::new();
    for event in follower {
        let event = event.unwrap();
        seen.push(event.position());
        if event.event_type() == "End" {
            break;
        }
    }
    seen
}

#[test]
fn a_picture_stays_as_it_is() {
    let _turn = turn();
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 0, 20);
        let beside = ReadOnlyStore::open(setting.path()).unwrap();
        let mut pictures = Vec::new();
        for _ in 0..6 {
            beside.refresh().unwrap();
            let view = beside.head();
            let answers = (all(view.read_all()), all(view.read(Read::all().matching(query()))));
            pictures.push((view, answers));
            write(&store, 1, 30);
        }
        store.close().unwrap();
        setting.open().close().unwrap();
        beside.refresh().unwrap();
        for (view, answers) in pictures {
            assert_eq!(all(view.read_all()), answers.0);
            assert_eq!(all(view.read(Read::all().matching(query()))), answers.1);
        }
    });
}

#[test]
fn it_waits_no_longer_than_it_was_told() {
    let _turn = turn();
    each_kind(|setting| {
        let store = setting.open();
        write(&store, 0, 1);
        let beside = ReadOnlyStore::open(setting.path()).unwrap();
        let mut follower = beside.follow().after(store.position()).start().unwrap();
        let begun = Instant::now();
        let waited = follower.next_within(Duration::from_millis(120)).unwrap();
        assert!(matches!(waited, Followed::Nothing));
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(120) && took < Duration::from_secs(5), "{took:?}");
        write(&store, 0, 1);
        let begun = Instant::now();
        let next = follower.next_within(Duration::from_secs(30)).unwrap();
        assert!(matches!(next, Followed::Event(_)));
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

/// On a machine where nothing is synced before somebody waits for it.
#[test]
fn only_what_the_writer_shows() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Sync).unwrap();
    store.append("s", ANY, &[event(1)]).unwrap();
    let beside = world.open_read_only().unwrap();
    assert_eq!(beside.position().get(), 1);
    let in_flight = store.submit(&Commit::new().append("s", ANY, vec![event(2)])).unwrap();
    assert_eq!(beside.refresh().unwrap().get(), 1, "it is not durable yet");
    assert_eq!(world.open_read_only().unwrap().position().get(), 1);
    in_flight.wait().unwrap();
    assert_eq!(beside.refresh().unwrap().get(), 2);
}

/// Durable events, and checkpoints of them, outlive every power cut; others may not.
#[test]
fn beside_a_buffered_writer_on_a_machine_without_power() {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Buffered).unwrap();
    let beside = world.open_read_only().unwrap();
    let mut durable = beside.follow().start().unwrap();
    let mut visible = beside.follow().visible().start().unwrap();
    let drain = |follower: &mut Follower| {
        while let Followed::Event(_) = follower.next_within(Duration::ZERO).unwrap() {}
        follower.reached()
    };
    let mut lost = 0;
    for n in 0..24 {
        let receipt = store.append("s", ANY, &[event(n), event(n)]).unwrap();
        assert_eq!(drain(&mut visible), receipt.position);
        let synced = drain(&mut durable);
        assert!(synced <= receipt.position);
        let checkpoint = durable.checkpoint();
        assert_eq!(checkpoint.position, synced);
        for image in disk.power_cuts(4, n).images {
            let after = World::new(image, 2);
            let store = after.open(Durability::Sync).unwrap();
            assert!(store.position() >= synced, "a durable event is lost");
            assert!(store.follow().resume(checkpoint).start().is_ok());
            let reader = after.open_read_only().unwrap();
            assert!(reader.follow().resume(checkpoint).start().is_ok());
            let told = reader.follow().resume(receipt.checkpoint()).start();
            assert_eq!(told.is_ok(), store.position() >= receipt.position);
            lost += u64::from(told.is_err());
        }
        world.clock.advance(Options::SYNC_INTERVAL_DEFAULT / 2);
        world.scheduler.run_until_idle();
    }
    assert!(durable.reached().get() >= 40 && lost > 0, "{} {lost}", durable.reached());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// An older copy was put in the place of the store, and went on: whoever saw more is told.
#[test]
fn a_history_that_was_taken_back() {
    let _turn = turn();
    each_setting(|setting| {
        let (path, older) = (setting.path(), setting.path().with_extension("older"));
        let store = setting.open();
        write(&store, 0, 30);
        store.close().unwrap();
        copy(&path, &older);
        let store = setting.open();
        write(&store, 0, 30);
        let beside = ReadOnlyStore::open(&path).unwrap();
        let kept = beside.as_of(Position::new(20)).unwrap().checkpoint();
        let taken = beside.head().checkpoint();
        let mut follower = beside.follow().after(beside.position()).start().unwrap();
        store.close().unwrap();
        fs::remove_dir_all(&path).unwrap();
        fs::rename(&older, &path).unwrap();
        let store = setting.open();
        for more in [1, 60] {
            write(&store, 0, more);
            let error = beside.refresh().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::HistoryLost { .. }), "{error}");
            // What it has seen it can still show.
            assert_eq!(beside.position(), taken.position);
        }
        let error = follower.next().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::HistoryLost { .. }), "{error}");
        assert!(follower.next().is_none());
        let again = ReadOnlyStore::open(&path).unwrap();
        let lost = again.follow().resume(taken).start().unwrap_err();
        assert_eq!(*lost.kind(), ErrorKind::HistoryLost { checkpoint: taken });
        let mut resumed = again.follow().resume(kept).start().unwrap();
        assert_eq!(resumed.next().unwrap().unwrap().position().get(), 21);
        store.close().unwrap();
    });
}

fn reader(folder: &Path, what: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beside_reader"));
    Process::spawn(command.arg(folder).arg(what))
}

fn writer(setting: &Setting, seed: u64) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kill_writer"));
    let durability = if setting.durability == Durability::Sync { "sync" } else { "buffered" };
    let numbers = [seed, 3, 32 << 10].map(|number| number.to_string());
    command.arg(setting.path()).arg(durability).arg(setting::index_name(setting.index)).arg("stay");
    Process::spawn(command.args(numbers))
}

/// What a reading process says of these events.
fn sightings(store: &Store) -> Vec<String> {
    let events = store.read_all().map(|event| {
        let event = event.unwrap();
        let (seed, _, index) = event.tags().find_map(seeded::mark).unwrap();
        format!("saw {} {seed} {index}", event.position())
    });
    events.chain([format!("end {}", store.position())]).collect()
}

/// The death of a process takes nothing away in either durability: the readers go on through all of
/// them and see exactly what is there in the end.
#[test]
fn in_processes_whose_writer_is_killed() {
    let _turn = turn();
    let rounds: u64 = budget::from_env("ANNALS_KILL_ROUNDS", 6);
    let random = SeededRandom::new(budget::from_env("ANNALS_KILL_SEED", 1));
    each_setting(|setting| {
        let mut readers: Vec<Process> =
            ["durable", "visible"].map(|what| reader(&setting.path(), what)).into_iter().collect();
        let mut acknowledged = 0;
        for round in 0..rounds {
            let writing = writer(setting, round * 10_000_000);
            // Some are killed while they open the store.
            if round % 3 > 0 {
                writing.wait_for_a_word();
            }
            thread::sleep(Duration::from_millis(random.below(100)));
            if round == rounds / 2 {
                // One that comes later, beside a living writer.
                readers.push(reader(&setting.path(), "durable"));
            }
            let lines = writing.kill();
            acknowledged += lines.iter().filter(|line| line.starts_with("ack ")).count();
        }
        let store = setting.open();
        write_marked(&store, rounds * 10_000_000);
        let expected = sightings(&store);
        for (number, reader) in readers.into_iter().enumerate() {
            let (lines, complaints) = reader.end();
            assert!(complaints.is_empty(), "reader {number} said {complaints}");
            let differs = lines.iter().zip(&expected).find(|(one, other)| one != other);
            assert_eq!(differs, None, "reader {number}");
            assert_eq!(lines.len(), expected.len(), "reader {number}");
        }
        println!(
            "{:?}, {:?}: {rounds} kills, {acknowledged} acknowledged commits, {} events",
            setting.index,
            setting.durability,
            store.position()
        );
        assert!(acknowledged as u64 > rounds, "the writers hardly wrote");
    });
}

/// A few more commits of the kind that the writing process makes.
fn write_marked(store: &Store, seed: u64) {
    for n in 0..5 {
        let seed = seed + n * 10;
        let commit = Commit::new().append("shared-1", ANY, seeded::marked(seed, 1 + n % 3));
        store.commit(&commit.durable()).unwrap();
    }
}

#[test]
fn two_writing_processes() {
    let _turn = turn();
    each_setting(|setting| {
        let store = setting.open();
        let (lines, complaints) = writer(setting, 0).end();
        assert!(lines.is_empty(), "it opened: {lines:?}");
        assert!(complaints.contains("open for writing"), "{complaints}");
        store.append("s", ANY, &[event(1)]).unwrap();
        store.close().unwrap();
        let writing = writer(setting, 0);
        let begun = Instant::now();
        while ReadOnlyStore::open(setting.path()).unwrap().position().get() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not write");
        }
        let refused = setting.options().open(setting.path()).unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Locked, "{refused}");
        let _ = writing.kill();
        setting.open().close().unwrap();
    });
}

/// The reading process sees the folder on a medium that it cannot write to, while this one writes.
#[test]
fn from_a_medium_that_cannot_be_written() {
    const SKIPPED: i32 = 77;
    let _turn = turn();
    each_setting(|setting| {
        let store = setting.open();
        write_marked(&store, 0);
        let folder = setting.path();
        let folder = folder.parent().unwrap();
        let script = format!(
            "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit {SKIPPED}\n\
             touch \"$1/x\" 2>/dev/null && exit {SKIPPED}\n\
             exec \"$0\" \"$1/store\" durable"
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_beside_reader")]);
        command.arg(folder);
        let probe = Command::new("unshare").args(["-m", "true"]).output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            println!("skipped: no other name space for mounts can be had here");
            return;
        }
        let mut reader = Process::spawn(&mut command);
        for round in 1..=10 {
            write_marked(&store, round * 100);
            thread::sleep(Duration::from_millis(10));
        }
        reader.end_input();
        if reader.code() == Some(SKIPPED) {
            println!("skipped: a folder cannot be mounted read-only here");
            return;
        }
        let (lines, complaints) = reader.end();
        assert!(complaints.is_empty(), "{complaints}");
        assert_eq!(lines, sightings(&store));
    });
}
