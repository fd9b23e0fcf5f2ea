//! Many threads at once: exactly one of the racers wins, the losers learn the truth, positions have
//! no gaps, and no reader ever sees a hole.
//!
//! `ANNALS_RACE_ROUNDS` sets the rounds of each race (default 120).

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use annals::{
    Commit, Durability, ExpectedVersion, IndexKind, NewEvent, Options, Position, Read, Store,
    Version,
};
use annals_env::Env;
use annals_tests::budget;
use annals_tests::check::collect;
use annals_tests::kinds;

const THREADS: u64 = 64;
const BOTH: [Durability; 2] = [Durability::Sync, Durability::Buffered];

/// Runs `test` on stores of both durabilities, on the machine's files and in memory. The real
/// threads of the background steps run beside it.
fn on_each_store(test: impl Fn(&Store)) {
    for durability in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let real = kinds()
            .into_iter()
            .map(|kind| (Env::real(), folder.path().join(format!("{kind:?}")), kind));
        let memory = (Env::in_memory(), Path::new("/store").to_path_buf(), IndexKind::Memory);
        for (env, path, kind) in real.chain([memory]) {
            let options = Store::options().env(env).durability(durability).index(kind);
            let options = options.segment_bytes(Options::SEGMENT_BYTES_MIN * 8);
            let store = options.open(&path).unwrap();
            test(&store);
            let head = store.position();
            let report = store.verify(&mut |_, _| {}).unwrap();
            assert!(report.is_clean(), "{:?}", report.damage);
            store.close().unwrap();
            let store = options.open(&path).unwrap();
            assert_eq!(store.position(), head);
            check_positions(&store);
        }
    }
}

/// Positions and the versions of each stream have no gaps, stamps never decrease.
fn check_positions(store: &Store) {
    let mut versions = std::collections::HashMap::<String, u64>::new();
    let mut stamp = None;
    let mut count = 0;
    for event in store.read_all() {
        let event = event.unwrap();
        count += 1;
        assert_eq!(event.position().get(), count);
        let version = versions.entry(event.stream().to_owned()).or_default();
        *version += 1;
        assert_eq!(event.version().get(), *version);
        assert!(Some(event.recorded_at()) >= stamp);
        stamp = Some(event.recorded_at());
    }
    assert_eq!(store.position().get(), count);
}

fn event(thread: u64, number: u64) -> NewEvent {
    NewEvent::json("Raced", format!(r#"{{"thread":{thread},"number":{number}}}"#))
}

/// Reads what is new again and again: always the next positions, and never fewer than the head that
/// was seen before.
fn follow(store: &Store, stop: &AtomicBool) {
    let mut seen = Position::START;
    while !stop.load(Ordering::Relaxed) {
        let head = store.position();
        assert!(head >= seen, "the head went back from {seen} to {head}");
        let view = store.head();
        assert!(view.position() >= head);
        let events = collect(view.read(Read::all().after(seen))).unwrap();
        for (event, number) in events.iter().zip(seen.get() + 1..) {
            assert_eq!(event.position().get(), number);
        }
        let last = events.last().map_or(seen, |event| event.position());
        assert_eq!(last, view.position(), "the view shows another end than it says");
        let newest = collect(view.read(Read::all().backward().limit(1))).unwrap();
        assert_eq!(newest.first().map_or(Position::START, |event| event.position()), last);
        // The store has gone on meanwhile, never back.
        let beyond = collect(store.read(Read::all().after(seen))).unwrap();
        assert!(beyond.len() >= events.len());
        seen = last;
        thread::yield_now();
    }
}

#[test]
fn one_of_64_wins_and_the_others_learn_the_version() {
    let rounds: u64 = budget::from_env("ANNALS_RACE_ROUNDS", 120);
    on_each_store(|store| {
        let (start, end) = (Barrier::new(THREADS as usize), Barrier::new(THREADS as usize));
        let winners = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| follow(store, &stop));
            let race = |racer: u64| {
                for round in 0..rounds {
                    start.wait();
                    let expected = ExpectedVersion::at(round);
                    match store.append("contested-1", expected, &[event(racer, round)]) {
                        Ok(receipt) => {
                            assert_eq!(receipt.version, Version::new(round + 1));
                            winners.fetch_add(1, Ordering::Relaxed);
                            let last = store.last_event("contested-1").unwrap().unwrap();
                            assert_eq!(last.data(), &event(racer, round).data[..]);
                        }
                        Err(error) => {
                            assert_eq!(error.conflict(), Some(Version::new(round + 1)), "{error}");
                            // What the loser was told, it finds at once.
                            assert_eq!(store.version("contested-1").unwrap().get(), round + 1);
                            let last = store.last_event("contested-1").unwrap().unwrap();
                            assert_eq!(last.version().get(), round + 1);
                        }
                    }
                    end.wait();
                    assert_eq!(winners.load(Ordering::Relaxed), round + 1);
                }
            };
            let racers: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || race(n))).collect();
            let results: Vec<_> = racers.into_iter().map(|racer| racer.join()).collect();
            stop.store(true, Ordering::Relaxed);
            assert!(results.iter().all(Result::is_ok));
        });
        assert_eq!(store.version("contested-1").unwrap().get(), rounds);
        check_positions(store);
    });
}

#[test]
fn racers_that_try_again_all_get_through() {
    let each: u64 = budget::from_env("ANNALS_RACE_ROUNDS", 120) / 4;
    on_each_store(|store| {
        thread::scope(|scope| {
            for racer in 0..THREADS {
                scope.spawn(move || {
                    let mut believed = Version::NONE;
                    let mut done = 0;
                    while done < each {
                        let expected = ExpectedVersion::Version(believed);
                        match store.append("busy-1", expected, &[event(racer, done)]) {
                            Ok(receipt) => {
                                done += 1;
                                believed = receipt.version;
                            }
                            Err(error) => {
                                let actual = error.conflict().expect("it is a conflict");
                                assert_ne!(actual, believed);
                                assert!(store.version("busy-1").unwrap() >= actual);
                                believed = actual;
                            }
                        }
                    }
                });
            }
        });
        let events = collect(store.read_stream("busy-1")).unwrap();
        assert_eq!(events.len() as u64, THREADS * each);
        for racer in 0..THREADS {
            let of_racer = events.iter().filter(|event| {
                event.data().starts_with(format!(r#"{{"thread":{racer},"#).as_bytes())
            });
            let data: Vec<&[u8]> = of_racer.map(|event| event.data()).collect();
            let expected: Vec<NewEvent> = (0..each).map(|number| event(racer, number)).collect();
            let expected: Vec<&[u8]> = expected.iter().map(|event| &event.data[..]).collect();
            assert_eq!(data, expected, "racer {racer}");
        }
    });
}

#[test]
fn one_of_64_creates_the_stream() {
    let rounds: u64 = budget::from_env("ANNALS_RACE_ROUNDS", 120) / 2;
    on_each_store(|store| {
        let barrier = Barrier::new(THREADS as usize);
        let winners = AtomicU64::new(0);
        thread::scope(|scope| {
            for racer in 0..THREADS {
                let (barrier, winners) = (&barrier, &winners);
                scope.spawn(move || {
                    for round in 0..rounds {
                        barrier.wait();
                        let stream = format!("new-{round}");
                        // Two events: no loser may see one of them only.
                        let events = [event(racer, round), event(racer, round)];
                        match store.append(&stream, ExpectedVersion::NoStream, &events) {
                            Ok(_) => _ = winners.fetch_add(1, Ordering::Relaxed),
                            Err(error) => assert_eq!(error.conflict(), Some(Version::new(2))),
                        }
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), rounds);
        assert_eq!(store.position().get(), rounds * 2);
    });
}

#[test]
fn one_of_64_uses_an_id() {
    let rounds: u64 = budget::from_env("ANNALS_RACE_ROUNDS", 120) / 2;
    on_each_store(|store| {
        let barrier = Barrier::new(THREADS as usize);
        let winners = AtomicU64::new(0);
        thread::scope(|scope| {
            for racer in 0..THREADS {
                let (barrier, winners) = (&barrier, &winners);
                scope.spawn(move || {
                    for round in 0..rounds {
                        barrier.wait();
                        let id = annals_tests::workload::seeded::id(round);
                        let one = event(racer, round).id(id);
                        let stream = format!("of-{racer}");
                        match store.append(&stream, ExpectedVersion::Any, &[one]) {
                            Ok(_) => _ = winners.fetch_add(1, Ordering::Relaxed),
                            Err(error) => match error.kind() {
                                annals::ErrorKind::IdReused { id: used, position } => {
                                    assert_eq!(*used, id);
                                    let one = Read::all().from(*position).limit(1);
                                    let found = collect(store.read(one));
                                    assert_eq!(found.unwrap()[0].id(), id);
                                }
                                other => panic!("{other:?}"),
                            },
                        }
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), rounds);
        assert_eq!(store.position().get(), rounds);
    });
}

#[test]
fn writers_of_64_streams() {
    let each: u64 = budget::from_env("ANNALS_RACE_ROUNDS", 120);
    on_each_store(|store| {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| follow(store, &stop))).collect();
            let writers: Vec<_> = (0..THREADS)
                .map(|writer| {
                    scope.spawn(move || {
                        let stream = format!("own-{writer}");
                        for number in 0..each {
                            // Some commits are larger than what is usually reserved.
                            let size = if number % 16 == 3 { 20_000 } else { 200 };
                            let data = vec![u8::try_from(writer).unwrap(); size];
                            let events = [event(writer, number), NewEvent::binary("B", data)];
                            let expected = ExpectedVersion::at(number * 2);
                            let commit = Commit::new().append(&stream, expected, &events);
                            let durable = number % 10 == 9;
                            let commit = if durable { commit.durable() } else { commit };
                            let receipt = store.commit(&commit).unwrap();
                            assert_eq!(receipt.version.get(), number * 2 + 2);
                            assert_eq!(receipt.position, receipt.first_position.plus(1));
                            assert!(store.position() >= receipt.position);
                        }
                    })
                })
                .collect();
            let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            stop.store(true, Ordering::Relaxed);
            assert!(results.iter().all(Result::is_ok));
            assert!(readers.into_iter().all(|reader| reader.join().is_ok()));
        });
        assert_eq!(store.position().get(), THREADS * each * 2);
        check_positions(store);
        for writer in 0..THREADS {
            let events = collect(store.read_stream(&format!("own-{writer}"))).unwrap();
            for (number, pair) in (0..).zip(events.chunks(2)) {
                assert_eq!(pair[0].data(), &event(writer, number).data[..]);
                assert_eq!(
                    pair[1].position(),
                    pair[0].position().plus(1),
                    "a commit lies in one piece"
                );
            }
            assert_eq!(events.len() as u64, each * 2);
        }
    });
}

/// The store is closed while others append: each append is there afterwards, or failed.
#[test]
fn closing_under_appends() {
    for durability in BOTH {
        for _ in 0..budget::from_env("ANNALS_RACE_ROUNDS", 120) / 4 {
            let env = Env::in_memory();
            let options = Store::options().env(env).durability(durability);
            let store = options.open("/store").unwrap();
            let barrier = Barrier::new(9);
            let acknowledged = AtomicU64::new(0);
            thread::scope(|scope| {
                for writer in 0..8 {
                    let (store, barrier, acknowledged) = (store.clone(), &barrier, &acknowledged);
                    scope.spawn(move || {
                        barrier.wait();
                        for number in 0.. {
                            let events = [event(writer, number)];
                            match store.append("s", ExpectedVersion::Any, &events) {
                                Ok(_) => _ = acknowledged.fetch_add(1, Ordering::Relaxed),
                                Err(error) => {
                                    assert_eq!(*error.kind(), annals::ErrorKind::Closed, "{error}");
                                    break;
                                }
                            }
                        }
                    });
                }
                barrier.wait();
                thread::yield_now();
                store.close().unwrap();
            });
            let store = options.open("/store").unwrap();
            assert_eq!(store.position().get(), acknowledged.into_inner());
            check_positions(&store);
        }
    }
}
