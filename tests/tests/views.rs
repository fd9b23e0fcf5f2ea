//! Views: the store as it was at a position or a moment, the same whenever it is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use annals::{
    Commit, Durability, ErrorKind, Event, ExpectedVersion, NewEvent, Position, Query, QueryItem,
    Read, Result, Store, Timestamp, Version, View,
};
use annals_env::{Clock, Env, Faults, ManualClock};
use annals_tests::setting::{Setting, each_setting};
use annals_tests::world::{BEGINNING, World, new_disk};

const ANY: ExpectedVersion = ExpectedVersion::Any;
const SECOND: Duration = Duration::from_secs(1);

fn event(n: u64) -> NewEvent {
    let kind = if n.is_multiple_of(4) { "Opened" } else { "Changed" };
    NewEvent::json(kind, format!(r#"{{"n":{n}}}"#)).tag(format!("n:{}", n % 3))
}

fn query() -> Query {
    Query::any([QueryItem::new().event_type("Opened"), QueryItem::new().category("b").tag("n:1")])
}

/// So many commits of one or two events, over streams of three categories.
fn write(store: &Store, from: u64, commits: u64) {
    for n in from..from + commits {
        let stream = format!("{}-{}", ["a", "b", "c"][usize::try_from(n % 3).unwrap()], n % 7);
        let events: Vec<NewEvent> = (0..=n % 2).map(|k| event(n + k)).collect();
        store.append(&stream, ANY, &events).unwrap();
    }
}

/// A moment so many microseconds after the beginning.
fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(BEGINNING.as_micros() + micros)
}

fn open_with_clock(setting: &Setting) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(BEGINNING));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Env::real() };
    (setting.options().env(env).open(setting.path()).unwrap(), clock)
}

fn is_invalid<T>(outcome: Result<T>) -> bool {
    matches!(outcome.map_err(|error| error.kind().clone()), Err(ErrorKind::Invalid(_)))
}

/// Everything that a view answers.
#[derive(Debug, PartialEq)]
struct Answers {
    all: Vec<(Position, String, Version)>,
    backward: Vec<Position>,
    matching: Vec<Position>,
    matching_backward: Vec<Position>,
    streams: Vec<(String, Version, Position)>,
    of_category: Vec<String>,
    last: Vec<Option<Position>>,
    events: u64,
    stream_count: u64,
    head: Position,
}

impl Answers {
    fn of(view: &View) -> Self {
        let positions = |read: Read| -> Vec<Position> {
            view.read(read).map(|event| event.unwrap().position()).collect()
        };
        let all = view.read_all().map(|event| {
            let event = event.unwrap();
            (event.position(), event.stream().to_owned(), event.version())
        });
        let streams = view.streams().map(|stream| {
            let stream = stream.unwrap();
            assert_eq!(view.version(&stream.name).unwrap(), stream.version);
            assert_eq!(view.read_stream(&stream.name).count() as u64, stream.version.get());
            (stream.name, stream.version, stream.position)
        });
        let last = ["a-0", "b-1", "c-2", "nobody"]
            .map(|stream| view.last_event(stream).unwrap().map(|event| event.position()));
        let stats = view.stats().unwrap();
        let of_category = view.streams().category("b").map(|stream| stream.unwrap().name);
        Self {
            all: all.collect(),
            backward: positions(Read::all().backward()),
            matching: positions(Read::all().matching(query())),
            matching_backward: positions(Read::all().matching(query()).backward()),
            of_category: of_category.collect(),
            last: last.to_vec(),
            events: stats.events,
            stream_count: stats.streams,
            head: stats.head,
            streams: streams.collect(),
        }
    }

    /// What they must be, from all events of the store.
    fn expected(events: &[Event], position: Position) -> Self {
        let events: Vec<&Event> =
            events.iter().filter(|event| event.position() <= position).collect();
        let matching: Vec<Position> = events
            .iter()
            .filter(|event| query().matches(**event))
            .map(|event| event.position())
            .collect();
        let mut streams = std::collections::BTreeMap::new();
        for event in &events {
            streams.insert(event.stream().to_owned(), (event.version(), event.position()));
        }
        let last = ["a-0", "b-1", "c-2", "nobody"].map(|name| streams.get(name).map(|s| s.1));
        let all: Vec<_> = events
            .iter()
            .map(|event| (event.position(), event.stream().to_owned(), event.version()))
            .collect();
        let in_b = |name: &&String| name.starts_with("b-");
        Self {
            backward: all.iter().rev().map(|event| event.0).collect(),
            matching_backward: matching.iter().rev().copied().collect(),
            matching,
            of_category: streams.keys().filter(in_b).cloned().collect(),
            last: last.to_vec(),
            events: position.get(),
            stream_count: streams.len() as u64,
            head: position,
            all,
            streams: streams.into_iter().map(|(name, s)| (name, s.0, s.1)).collect(),
        }
    }
}

#[test]
fn at_every_position() {
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 0, 40);
        let check = |store: &Store| {
            let all: Vec<Event> = store.read_all().collect::<Result<_>>().unwrap();
            for position in (0..=store.position().get()).map(Position::new) {
                let view = store.as_of(position).unwrap();
                assert_eq!(view.position(), position);
                assert_eq!(Answers::of(&view), Answers::expected(&all, position));
                assert_eq!(view.event(position.plus(1)).unwrap().map(|e| e.position()), None);
                let own = view.event(position).unwrap().map(|event| event.position());
                assert_eq!(own, Some(position).filter(|p| *p > Position::START));
                let checkpoint = view.checkpoint();
                assert_eq!(checkpoint.position, position);
                let behind = store.read(Read::all().resume(checkpoint)).next();
                let behind = behind.map(|event| event.unwrap().position());
                let there = Some(position.plus(1)).filter(|next| *next <= store.position());
                assert_eq!(behind, there);
            }
        };
        check(&store);
        store.close().unwrap();
        check(&setting.open());
    });
}

#[test]
fn beyond_the_head_and_beyond_the_view() {
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 0, 10);
        let head = store.position();
        for beyond in [head.plus(1), Position::MAX] {
            assert!(is_invalid(store.as_of(beyond)));
            assert!(is_invalid(store.head().as_of(beyond)));
        }
        let view = store.as_of(head.minus(3)).unwrap();
        assert!(is_invalid(view.as_of(head)), "a view knows nothing of what came later");
        assert_eq!(view.as_of(head.minus(4)).unwrap().position(), head.minus(4));
        assert_eq!(view.as_of(view.position()).unwrap().position(), view.position());
        assert_eq!(store.as_of(Position::START).unwrap().read_all().count(), 0);
    });
}

#[test]
fn repeatable_while_writers_go_on() {
    each_setting(|setting| {
        let store = setting.open();
        write(&store, 0, 30);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (1..3)
                .map(|writer| {
                    let (store, stop) = (&store, &stop);
                    scope.spawn(move || {
                        let mut n = writer * 10_000;
                        while !stop.load(Ordering::Relaxed) {
                            write(store, n, 7);
                            n += 7;
                        }
                    })
                })
                .collect();
            let mut views: Vec<(View, Answers)> = Vec::new();
            for round in 0..6_u64 {
                let head = store.head();
                views.push((head.clone(), Answers::of(&head)));
                let earlier = store.as_of(Position::new(10 + round)).unwrap();
                views.push((earlier.clone(), Answers::of(&earlier)));
                for (view, before) in &views {
                    assert_eq!(Answers::of(view), *before);
                }
                thread::sleep(Duration::from_millis(5));
            }
            stop.store(true, Ordering::Relaxed);
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            let all: Vec<Event> = store.read_all().collect::<Result<_>>().unwrap();
            for (view, before) in &views {
                assert_eq!(*before, Answers::expected(&all, view.position()));
                assert_eq!(Answers::of(&store.as_of(view.position()).unwrap()), *before);
            }
        });
    });
}

#[test]
fn at_moments() {
    each_setting(|setting| {
        let (store, clock) = open_with_clock(setting);
        // Commits of two events at 0 s, 10 s, twice at 20 s, and at 30 s.
        for seconds in [0, 10, 20, 20, 30] {
            clock.set(at(seconds * 1_000_000));
            let receipt = store.append("s", ANY, &[event(1), event(2)]).unwrap();
            assert_eq!(receipt.recorded_at, clock.now());
        }
        let check = |store: &Store| {
            for (moment, events) in [
                (at(-1), 0),
                (at(0), 2),
                (at(1), 2),
                (at(9_999_999), 2),
                (at(10_000_000), 4),
                (at(19_999_999), 4),
                (at(20_000_000), 8),
                (at(29_999_999), 8),
                (Timestamp::MIN, 0),
            ] {
                let view = store.as_of(moment).unwrap();
                assert_eq!(view.position().get(), events, "{moment}");
                assert_eq!(view.version("s").unwrap().get(), events);
                assert_eq!(store.head().as_of(moment).unwrap().position().get(), events);
            }
        };
        for early in [at(30_000_000), at(30_000_001), Timestamp::MAX] {
            assert!(is_invalid(store.as_of(early)), "{early} is not past");
        }
        check(&store);
        clock.advance(SECOND);
        assert_eq!(store.as_of(at(30_000_000)).unwrap().position().get(), 10);
        // A view of earlier shows no more than it has.
        let view = store.as_of(Position::new(3)).unwrap();
        assert_eq!(view.as_of(at(20_000_000)).unwrap().position().get(), 3);
        assert_eq!(view.as_of(at(5_000_000)).unwrap().position().get(), 2);
        check(&store);
        store.close().unwrap();
        let env = Env { clock: clock as Arc<dyn Clock>, ..Env::real() };
        check(&setting.options().env(env).open(setting.path()).unwrap());
    });
}

/// An answer that was given stays true, whatever becomes of the clock.
#[test]
fn a_clock_set_back_after_the_answer() {
    each_setting(|setting| {
        let (store, clock) = open_with_clock(setting);
        store.append("s", ANY, &[event(1)]).unwrap();
        clock.set(at(100_000_000));
        let asked = at(90_000_000);
        let answer = store.as_of(asked).unwrap().position();
        assert_eq!(answer.get(), 1);
        for seconds in [50, 60, -1_000, 89, 90] {
            clock.set(at(seconds * 1_000_000));
            let receipt = store.append("s", ANY, &[event(2)]).unwrap();
            assert!(receipt.recorded_at > asked, "{}", receipt.recorded_at);
            // Not while the clock says that it is still to come.
            assert!(is_invalid(store.as_of(asked)));
        }
        clock.set(at(95_000_000));
        assert_eq!(store.as_of(asked).unwrap().position(), answer);
        assert_eq!(store.append("s", ANY, &[event(3)]).unwrap().recorded_at, clock.now());
        assert_eq!(store.as_of(at(94_999_999)).unwrap().position().get(), 6);
    });
}

/// Nor does a stamp that the caller of an append brings change an answer.
#[test]
fn a_stamp_of_the_past_after_the_answer() {
    each_setting(|setting| {
        let (store, clock) = open_with_clock(setting);
        store.append("s", ANY, &[event(1)]).unwrap();
        clock.set(at(100_000_000));
        let asked = at(90_000_000);
        assert_eq!(store.as_of(asked).unwrap().position().get(), 1);
        let stamped = Commit::new().append("s", ANY, vec![event(2)]).recorded_at(at(80_000_000));
        let outcome = store.commit(&stamped);
        assert_eq!(store.as_of(asked).unwrap().position().get(), 1, "{outcome:?}");
    });
}

/// What has its place counts, although it is not visible yet: it has its stamp.
#[test]
fn a_commit_in_flight_at_the_moment() {
    let world = World::new(new_disk(Faults::default()), 1);
    let store = world.open(Durability::Sync).unwrap();
    store.append("s", ANY, &[event(1)]).unwrap();
    world.clock.advance(SECOND);
    let in_flight = store.submit(&Commit::new().append("s", ANY, vec![event(2)])).unwrap();
    let moment = in_flight.receipt().recorded_at;
    world.clock.advance(SECOND);
    assert_eq!(store.position().get(), 1, "it is not visible yet");
    assert_eq!(store.as_of(moment).unwrap().position().get(), 2);
    assert_eq!(store.as_of(moment).unwrap().position().get(), 2);
    in_flight.wait().unwrap();
}

/// Many threads ask for a moment just past, again and again, while others append.
#[test]
fn moments_just_past_under_writers() {
    each_setting(|setting| {
        let store = setting.open();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|_| {
                    let (store, stop) = (&store, &stop);
                    scope.spawn(move || {
                        while !stop.load(Ordering::Relaxed) {
                            store.append("s", ANY, &[event(1)]).unwrap();
                        }
                    })
                })
                .collect();
            let asked: Vec<_> = (0..100)
                .filter_map(|_| {
                    let now = Env::real().clock.now();
                    let moment = Timestamp::from_micros(now.as_micros() - 1);
                    let view = store.as_of(moment).ok()?;
                    Some((moment, view.position()))
                })
                .collect();
            assert!(asked.len() > 90);
            stop.store(true, Ordering::Relaxed);
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            for (moment, position) in asked {
                assert_eq!(store.as_of(moment).unwrap().position(), position, "{moment}");
            }
        });
    });
}
