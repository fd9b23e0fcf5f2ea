//! Following: what is there, then what comes, without a hole or a double; what checkpoints are
//! worth after a crash; and waiting for the disk.

use std::thread;
use std::time::{Duration, Instant};

use annals::{
    Checkpoint, Commit, Durability, Epoch, ErrorKind, Event, ExpectedVersion, Followed, Follower,
    Invalid, NewEvent, Options, Position, Query, QueryItem, Read, Result, Store,
};
use annals_env::{Faults, FaultyFs, FirstChoices, LastChoices};
use annals_tests::kinds;
use annals_tests::setting::{Setting, each_setting};
use annals_tests::world::{World, new_disk};

const ANY: ExpectedVersion = ExpectedVersion::Any;
const WRITERS: u64 = 4;
const COMMITS: u64 = 120;

fn event(n: u64) -> NewEvent {
    let kind = ["Added", "Moved", "Removed"][usize::try_from(n % 3).unwrap()];
    NewEvent::json(kind, format!(r#"{{"n":{n}}}"#)).tag(format!("n:{}", n % 5))
}

/// Commits of one to three events, large ones among them, so that segments fill.
fn write(store: &Store, writer: u64) {
    for n in 0..COMMITS {
        let events: Vec<NewEvent> = (0..=n % 3).map(|k| event(n + k)).collect();
        let large = NewEvent::binary("Large", vec![0; 3_000]);
        let events = if n % 16 == 5 { vec![large] } else { events };
        let commit = Commit::new().append(format!("w-{writer}"), ANY, events);
        if n % 2 == 0 {
            store.commit(&commit).unwrap();
        } else {
            drop(store.submit(&commit).unwrap());
        }
    }
}

fn positions(events: impl Iterator<Item = Result<Event>>) -> Vec<Position> {
    events.map(|event| event.unwrap().position()).collect()
}

fn some_query() -> Query {
    Query::any([
        QueryItem::new().event_type("Moved").tag("n:2"),
        QueryItem::new().category("w").event_types(["Large", "Removed"]),
    ])
}

/// Follows to the end, and goes on from its checkpoint again and again.
fn follow_in_pieces(store: &Store, pieces: usize) -> Vec<Position> {
    let mut seen = Vec::new();
    let mut checkpoint = Checkpoint::START;
    loop {
        let mut follower = store.follow().resume(checkpoint).start().unwrap();
        assert_eq!(follower.reached(), checkpoint.position);
        for n in 0..=pieces {
            if n == pieces {
                break;
            }
            match follower.next() {
                Some(event) => seen.push(event.unwrap().position()),
                None => return seen,
            }
        }
        checkpoint = follower.checkpoint();
        assert_eq!(seen.last(), Some(&checkpoint.position));
        // As kept in a file.
        checkpoint = checkpoint.to_string().parse().unwrap();
    }
}

#[test]
fn catching_up_and_going_on_without_a_hole_or_a_double() {
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 0);
        let view = store.head();
        let some = Position::new(view.position().get() / 2);
        let follow = || store.follow();
        thread::scope(|scope| {
            let all = follow().start().unwrap();
            let visible = follow().visible().start().unwrap();
            let late = follow().after(some).start().unwrap();
            let from_view = follow().resume(view.checkpoint()).start().unwrap();
            let filtered = follow().matching(some_query()).start().unwrap();
            let both = follow().matching(some_query()).after(some).visible().start().unwrap();
            let followers: Vec<_> = [all, visible, late, from_view, filtered, both]
                .map(|follower| scope.spawn(move || positions(follower)))
                .into_iter()
                .collect();
            let in_pieces = scope.spawn(|| follow_in_pieces(&store, 7));
            let writers: Vec<_> = (1..=WRITERS)
                .map(|n| {
                    scope.spawn({
                        let store = &store;
                        move || write(store, n)
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            store.sync().unwrap();
            let last = store.position();
            let expected = |read: Read| positions(store.head().read(read));
            let wanted = [
                expected(Read::all()),
                expected(Read::all()),
                expected(Read::all().after(some)),
                expected(Read::all().after(view.position())),
                expected(Read::all().matching(some_query())),
                expected(Read::all().matching(some_query()).after(some)),
            ];
            assert_eq!(wanted[0].len() as u64, last.get());
            store.clone().close().unwrap();
            for (n, (follower, wanted)) in followers.into_iter().zip(&wanted).enumerate() {
                assert!(follower.join().unwrap() == *wanted, "follower {n}");
            }
            assert!(in_pieces.join().unwrap() == wanted[0], "the one in pieces");
        });
    });
}

#[test]
fn it_ends_when_the_store_closes() {
    each_setting(|setting| {
        let store = setting.open();
        store.append("s", ANY, &[event(1)]).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut follower = store.follow().start().unwrap();
                let first = follower.next().unwrap().unwrap();
                (first.position().get(), follower.next().is_none(), follower.next().is_none())
            });
            thread::sleep(Duration::from_millis(20));
            store.clone().close().unwrap();
            assert_eq!(waiting.join().unwrap(), (1, true, true));
        });
        // What was there is still given, then the end.
        let mut follower = store.follow().start().unwrap();
        assert_eq!(follower.next().unwrap().unwrap().position().get(), 1);
        assert!(follower.next().is_none());
        assert!(matches!(follower.next_within(Duration::MAX), Ok(Followed::Ended)));
    });
}

fn nothing(follower: &mut Follower) -> bool {
    matches!(follower.next_within(Duration::ZERO), Ok(Followed::Nothing))
}

fn next(follower: &mut Follower) -> Position {
    match follower.next_within(Duration::from_secs(10)).unwrap() {
        Followed::Event(event) => event.position(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_waits_no_longer_than_it_was_told() {
    each_setting(|setting| {
        let store = setting.open();
        let mut follower = store.follow().start().unwrap();
        let begun = Instant::now();
        let waited = follower.next_within(Duration::from_millis(30)).unwrap();
        assert!(matches!(waited, Followed::Nothing));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert!(nothing(&mut follower));
        store.append("s", ANY, &[event(1)]).unwrap();
        store.sync().unwrap();
        let begun = Instant::now();
        assert_eq!(next(&mut follower).get(), 1);
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(nothing(&mut follower));
    });
}

/// Another thread appends all the time what the follower does not get.
fn is_on_time_under_appends(store: &Store, follower: &mut Follower, pause: Duration) {
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let end = Instant::now() + Duration::from_millis(600);
            while Instant::now() < end {
                store.append("s", ANY, &[event(1)]).unwrap();
                thread::sleep(pause);
            }
        });
        let begun = Instant::now();
        let waited = follower.next_within(Duration::from_millis(50)).unwrap();
        let took = begun.elapsed();
        writer.join().unwrap();
        assert!(matches!(waited, Followed::Nothing));
        assert!(took < Duration::from_millis(400), "it waited for {took:?}");
    });
}

/// Time that passes in other events than those asked for counts as well.
#[test]
fn it_waits_no_longer_among_events_that_it_does_not_want() {
    each_setting(|setting| {
        let store = setting.open();
        let never = QueryItem::new().tag("never");
        for pause in [Duration::from_millis(1), Duration::ZERO] {
            let mut follower = store.follow().matching(never.clone()).visible().start().unwrap();
            is_on_time_under_appends(&store, &mut follower, pause);
        }
    });
}

/// Nor among events that are not durable yet.
#[test]
fn it_waits_no_longer_among_events_that_are_not_durable() {
    for index in kinds() {
        let setting = Setting::new(index, Durability::Buffered);
        let options = setting.options().sync_interval(Duration::from_secs(3_600));
        let store = options.open(setting.path()).unwrap();
        let mut follower = store.follow().start().unwrap();
        is_on_time_under_appends(&store, &mut follower, Duration::from_millis(1));
    }
}

#[test]
fn what_is_passed_over_counts_as_dealt_with() {
    each_setting(|setting| {
        let store = setting.open();
        let query = QueryItem::new().tag("n:1");
        let mut follower = store.follow().matching(query.clone()).start().unwrap();
        assert_eq!(follower.checkpoint(), Checkpoint::START);
        store.append("s", ANY, &[event(1), event(2), event(3)]).unwrap();
        store.sync().unwrap();
        assert_eq!(next(&mut follower).get(), 1);
        assert!(nothing(&mut follower));
        assert_eq!(follower.reached().get(), 3);
        let checkpoint = follower.checkpoint();
        assert_eq!(checkpoint, store.head().checkpoint());
        store.append("s", ANY, &[event(4), event(6)]).unwrap();
        store.sync().unwrap();
        let mut resumed = store.follow().matching(query).resume(checkpoint).start().unwrap();
        assert_eq!((next(&mut resumed).get(), next(&mut follower).get()), (5, 5));
    });
}

fn buffered() -> (FaultyFs, World, Store) {
    let disk = new_disk(Faults::default());
    let world = World::new(disk.clone(), 1);
    let store = world.open(Durability::Buffered).unwrap();
    (disk, world, store)
}

#[test]
fn only_what_is_durable_unless_it_asked_for_more() {
    let (_disk, world, store) = buffered();
    let mut durable = store.follow().start().unwrap();
    let mut visible = store.follow().visible().start().unwrap();
    let receipt = store.append("s", ANY, &[event(1), event(2)]).unwrap();
    assert!(nothing(&mut durable));
    assert_eq!((next(&mut visible).get(), next(&mut visible).get()), (1, 2));
    assert_eq!(visible.checkpoint(), Checkpoint::START, "what may be lost is no progress");
    assert_eq!(store.sync().unwrap(), receipt.position);
    assert_eq!((next(&mut durable).get(), next(&mut durable).get()), (1, 2));
    assert_eq!(durable.checkpoint(), receipt.checkpoint());
    store.append("s", ANY, &[event(3)]).unwrap();
    assert!(nothing(&mut durable));
    // The background's sync is as good.
    world.clock.advance(Options::SYNC_INTERVAL_DEFAULT);
    world.scheduler.run_until_idle();
    world.clock.advance(Options::SYNC_INTERVAL_DEFAULT);
    world.scheduler.run_until_idle();
    assert_eq!((next(&mut durable).get(), next(&mut visible).get()), (3, 3));
}

/// Both ways to go on from a checkpoint say the same of it.
fn resumes(store: &Store, checkpoint: Checkpoint) -> bool {
    let read = store.read(Read::all().resume(checkpoint)).next();
    match store.follow().resume(checkpoint).start() {
        Ok(follower) => {
            assert_eq!(follower.reached(), checkpoint.position);
            assert!(read.is_none_or(|event| event.is_ok()));
            true
        }
        Err(error) => {
            let lost = ErrorKind::HistoryLost { checkpoint };
            assert_eq!(*error.kind(), lost, "{error}");
            assert_eq!(*read.unwrap().unwrap_err().kind(), lost);
            let of_stream = store.read(Read::stream("s").resume(checkpoint)).next();
            assert_eq!(*of_stream.unwrap().unwrap_err().kind(), lost);
            false
        }
    }
}

#[test]
fn a_power_cut_that_took_events_is_told() {
    let (disk, _world, store) = buffered();
    let kept = store.append("s", ANY, &[event(1)]).unwrap().checkpoint();
    store.sync().unwrap();
    let lost = store.append("s", ANY, &[event(2)]).unwrap().checkpoint();
    let later = store.append("s", ANY, &[event(3), event(4)]).unwrap().checkpoint();
    assert_eq!(store.head().checkpoint(), later);
    for checkpoint in [Checkpoint::START, kept, lost, later] {
        assert!(resumes(&store, checkpoint));
    }
    let all = disk.power_cut(&mut LastChoices);
    let none = disk.power_cut(&mut FirstChoices);
    for (image, left) in [(all, 4), (none, 1)] {
        let world = World::new(image.clone(), 2);
        for opening in 0..3 {
            let store = world.open(Durability::Sync).unwrap();
            // The positions are given to other events, and may be passed by them.
            for checkpoint in [Checkpoint::START, kept, lost, later] {
                assert_eq!(resumes(&store, checkpoint), checkpoint.position.get() <= left);
            }
            let new = store.append("s", ANY, &[event(9), event(9)]).unwrap();
            for checkpoint in [Checkpoint::START, kept, lost, later] {
                assert_eq!(resumes(&store, checkpoint), checkpoint.position.get() <= left);
            }
            assert!(resumes(&store, new.checkpoint()));
            assert_eq!(new.position.get(), left + 2 * (opening + 1));
            store.close().unwrap();
        }
        let reader = world.open_read_only().unwrap();
        for checkpoint in [kept, lost, later] {
            let started = reader.follow().resume(checkpoint).start();
            assert_eq!(started.is_ok(), checkpoint.position.get() <= left);
        }
    }
}

/// What a follower of durable events was given is there after every power cut.
#[test]
fn checkpoints_of_durable_events_outlive_any_power_cut() {
    let (disk, world, store) = buffered();
    let mut follower = store.follow().start().unwrap();
    for n in 0..30 {
        store.append("s", ANY, &[event(n), event(n + 1)]).unwrap();
        world.clock.advance(Options::SYNC_INTERVAL_DEFAULT / 3);
        world.scheduler.run_until_idle();
        while !nothing(&mut follower) {}
        let checkpoint = follower.checkpoint();
        for image in disk.power_cuts(4, n).images {
            let store = World::new(image, 2).open(Durability::Buffered).unwrap();
            assert!(resumes(&store, checkpoint), "{checkpoint}");
        }
    }
    assert!(follower.reached().get() > 30, "the background hardly synced");
}

#[test]
fn a_checkpoint_of_another_store() {
    each_setting(|setting| {
        let other = Setting::new(setting.index, setting.durability).open();
        let store = setting.open();
        for store in [&store, &other] {
            store.append("s", ANY, &[event(1), event(2)]).unwrap();
        }
        assert!(!resumes(&store, other.head().checkpoint()));
        assert!(resumes(&store, Checkpoint::START));
        let ours = store.head().checkpoint();
        let forged = [
            Checkpoint { epoch: Epoch { number: ours.epoch.number + 1, ..ours.epoch }, ..ours },
            Checkpoint { epoch: Epoch { id: ours.epoch.id ^ 1, ..ours.epoch }, ..ours },
            Checkpoint { epoch: Checkpoint::START.epoch, ..ours },
        ];
        for forged in forged {
            assert!(!resumes(&store, forged));
        }
        // A copy of the folder is the same history until either goes on.
        store.close().unwrap();
        let store = setting.open();
        assert!(resumes(&store, ours));
        let receipt = store.append("s", ANY, &[event(3)]).unwrap();
        let beyond = Checkpoint { position: receipt.position, ..ours };
        assert!(!resumes(&store, beyond), "that epoch ended before");
    });
}

#[test]
fn waiting_for_the_disk() {
    each_setting(|setting| {
        let store = setting.open();
        assert_eq!(store.sync().unwrap(), Position::START);
        store.wait_durable(Position::START).unwrap();
        let receipt = store.append("s", ANY, &[event(1), event(2)]).unwrap();
        store.wait_durable(receipt.first_position).unwrap();
        store.wait_durable(receipt.position).unwrap();
        let mut follower = store.follow().start().unwrap();
        assert_eq!(next(&mut follower).get(), 1);
        for beyond in [receipt.position.plus(1), Position::MAX] {
            let error = store.wait_durable(beyond).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Invalid(Invalid::Other(_))), "{error}");
        }
    });
    let (disk, world, store) = buffered();
    store.append("s", ANY, &[event(1)]).unwrap();
    let before = store.counters().log.syncs;
    store.wait_durable(Position::new(1)).unwrap();
    assert_eq!(store.counters().log.syncs, before + 1);
    store.wait_durable(Position::new(1)).unwrap();
    assert_eq!(store.sync().unwrap(), Position::new(1));
    assert_eq!(store.counters().log.syncs, before + 1, "there is nothing more to sync");
    let image = disk.power_cut(&mut FirstChoices);
    assert_eq!(World::new(image, 2).open(Durability::Sync).unwrap().position().get(), 1);
    drop(world);
}

#[test]
fn counters_tell_what_was_done() {
    each_setting(|setting| {
        let store = setting.open();
        let before = store.counters();
        for n in 0..10 {
            store.append("s", ANY, &[event(n), event(n)]).unwrap();
        }
        store.append("s", ExpectedVersion::NoStream, &[event(1)]).unwrap_err();
        let one = Commit::new().append("t", ANY, vec![event(1).id(7_u128)]);
        store.commit(&one).unwrap();
        store.commit(&one).unwrap();
        store.commit(&one.clone().fail_if(Query::all(), Position::START)).unwrap();
        let late = Commit::new().append("t", ANY, vec![event(1)]);
        store.commit(&late.fail_if(Query::all(), Position::START)).unwrap_err();
        store.sync().unwrap();
        let after = store.counters();
        assert_eq!(after.log.frames - before.log.frames, 11);
        assert_eq!(after.log.events - before.log.events, 21);
        assert!(after.log.bytes > before.log.bytes + 21 * 10);
        assert_eq!((after.conflicts, after.repeated), (2, 2));
        let syncs = after.log.syncs - before.log.syncs;
        match setting.durability {
            Durability::Sync => assert_eq!(syncs, 11),
            Durability::Buffered => assert!((1..=11).contains(&syncs), "{syncs}"),
        }
        for _ in 0..60 {
            store.append("s", ANY, &[NewEvent::binary("Large", vec![0; 4_000])]).unwrap();
        }
        assert!(store.counters().log.segments_begun >= 3);
        assert_eq!(store.counters().index_save_failures, 0);
    });
}
