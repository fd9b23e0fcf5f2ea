//! Many threads read, decide and append at the same time: all have read before any of them appends,
//! so that each believes that it may. Exactly one of each round is right.
//!
//! `ANNALS_RACE_ROUNDS` sets the rounds of each race (default 120).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use annals::{
    Commit, ErrorKind, ExpectedVersion, NewEvent, Position, Query, QueryItem, Read, Receipt,
    Result, Store, Version,
};
use annals_tests::budget;
use annals_tests::meeting::Meeting;
use annals_tests::setting::each_setting;

const THREADS: u64 = 64;
const ANY: ExpectedVersion = ExpectedVersion::Any;

fn rounds() -> u64 {
    budget::from_env("ANNALS_RACE_ROUNDS", 120)
}

fn event(racer: u64, round: u64) -> NewEvent {
    let data = format!(r#"{{"racer":{racer},"round":{round}}}"#);
    NewEvent::json("Claimed", data).tag(format!("round:{}", round % 3)).tag("prize")
}

/// Runs rounds in which all racers `read`, then all `append` what they decided on what they read;
/// `append` says whether it won.
fn race<T>(
    rounds: u64,
    read: impl Fn(u64) -> T + Sync,
    append: impl Fn(u64, u64, T) -> bool + Sync,
) {
    let threads = usize::try_from(THREADS).unwrap();
    let meeting = Meeting::new(threads);
    let winners = AtomicU64::new(0);
    thread::scope(|scope| {
        for racer in 0..THREADS {
            let (meeting, read, append, winners) = (&meeting, &read, &append, &winners);
            scope.spawn(move || {
                let racers = meeting.join();
                for round in 0..rounds {
                    racers.wait();
                    let basis = read(round);
                    racers.wait();
                    if append(racer, round, basis) {
                        winners.fetch_add(1, Ordering::Relaxed);
                    }
                    racers.wait();
                    let won = winners.load(Ordering::Relaxed);
                    assert_eq!(won, round + 1, "so many won until round {round}");
                }
            });
        }
    });
}

/// The refusal is true: what it tells of is read at once.
fn lost_to(store: &Store, query: &Query, after: Position, outcome: Result<Receipt>) -> bool {
    match outcome.map_err(|error| error.kind().clone()) {
        Ok(_) => true,
        Err(ErrorKind::ConditionFailed { position }) => {
            let behind = Read::all().matching(query.clone()).after(after);
            let first = store.read(behind).next().expect("it was told of one").unwrap();
            assert_eq!(first.position(), position);
            assert_eq!(store.head().event(position).unwrap().unwrap().id(), first.id());
            false
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn one_of_64_meets_the_condition() {
    each_setting(|setting| {
        let store = setting.open();
        let query = Query::from(QueryItem::new().event_type("Claimed").tag("prize"));
        let newest = || {
            let newest = store.read(Read::all().matching(query.clone()).backward().limit(1)).next();
            newest.map_or(Position::START, |event| event.unwrap().position())
        };
        race(
            rounds(),
            |_| newest(),
            |racer, round, after| {
                let commit = Commit::new()
                    .append(format!("racer-{racer}"), ANY, vec![event(racer, round)])
                    .fail_if(query.clone(), after);
                let outcome = if racer % 3 == 0 {
                    store.submit(&commit).and_then(annals::Submitted::wait)
                } else {
                    store.commit(&commit)
                };
                lost_to(&store, &query, after, outcome)
            },
        );
        assert_eq!(store.position().get(), rounds());
    });
}

#[test]
fn one_of_64_is_at_the_version() {
    each_setting(|setting| {
        let store = setting.open();
        race(
            rounds(),
            |_| {
                let version = store.version("prize-1").unwrap();
                let last = store.last_event("prize-1").unwrap();
                assert_eq!(last.map_or(Version::NONE, |event| event.version()), version);
                version
            },
            |racer, round, version| {
                let events = [event(racer, round), event(racer, round)];
                match store.append("prize-1", ExpectedVersion::Version(version), &events) {
                    Ok(receipt) => {
                        assert_eq!(receipt.first_version, version.plus(1));
                        true
                    }
                    Err(error) => {
                        let actual = error.conflict().unwrap_or_else(|| panic!("{error}"));
                        assert_eq!(actual, version.plus(2));
                        assert_eq!(store.version("prize-1").unwrap(), actual);
                        let last = store.last_event("prize-1").unwrap().unwrap();
                        assert_eq!(last.version(), actual);
                        let new = Read::stream("prize-1").from_version(version.plus(1));
                        assert_eq!(store.read(new).count(), 2);
                        false
                    }
                }
            },
        );
    });
}

/// The racers' commits write and expect streams that overlap, named in another order by each. Of
/// each contended stream one racer gets the next version, and nobody waits for ever.
#[test]
fn commits_that_overlap_in_their_streams() {
    const STREAMS: u64 = 8;
    each_setting(|setting| {
        let store = setting.open();
        let start = Meeting::new(usize::try_from(THREADS).unwrap());
        let name = |stream: u64| format!("shared-{stream}");
        let of = |racer: u64| -> Vec<u64> {
            // Three of them, forward or backward, and from another one on.
            let chosen = (0..3).map(|k| (racer + k * (1 + racer % 3)) % STREAMS);
            if racer.is_multiple_of(2) { chosen.collect() } else { chosen.rev().collect() }
        };
        let won = thread::scope(|scope| {
            let racers: Vec<_> = (0..THREADS)
                .map(|racer| {
                    let (store, start) = (&store, &start);
                    scope.spawn(move || {
                        let start = start.join();
                        let mut won = Vec::new();
                        for round in 0..rounds() {
                            start.wait();
                            let streams = of(racer);
                            let seen: Vec<Version> = streams
                                .iter()
                                .map(|stream| store.version(&name(*stream)).unwrap())
                                .collect();
                            start.wait();
                            let mut commit = Commit::new();
                            for (k, (stream, version)) in streams.iter().zip(&seen).enumerate() {
                                let expected = ExpectedVersion::Version(*version);
                                commit = if k == 2 && racer % 4 == 0 {
                                    commit.expect(name(*stream), expected)
                                } else {
                                    commit.append(
                                        name(*stream),
                                        expected,
                                        vec![event(racer, round)],
                                    )
                                };
                            }
                            match store.commit(&commit) {
                                Ok(receipt) => {
                                    for got in &receipt.streams {
                                        won.push((got.stream.to_string(), got.version));
                                    }
                                }
                                Err(error) => match error.kind() {
                                    ErrorKind::Conflict { stream, actual, .. } => {
                                        let at = streams.iter().position(|s| name(*s) == *stream);
                                        assert!(*actual > seen[at.unwrap()]);
                                        assert!(store.version(stream).unwrap() >= *actual);
                                    }
                                    other => panic!("{other:?}"),
                                },
                            }
                        }
                        won
                    })
                })
                .collect();
            racers.into_iter().flat_map(|racer| racer.join().unwrap()).collect::<Vec<_>>()
        });
        let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (stream, version) in won {
            versions.entry(stream).or_default().push(version.get());
        }
        assert_eq!(versions.len() as u64, STREAMS);
        for (stream, mut own) in versions {
            own.sort_unstable();
            assert!(own.iter().copied().eq(1..=own.len() as u64), "{stream}: {own:?}");
            assert_eq!(store.version(&stream).unwrap().get(), own.len() as u64);
            // Some racer came through in each round.
            assert!(own.len() as u64 <= rounds());
        }
        assert!(store.position().get() >= rounds());
    });
}

/// Transfers between accounts, tried again until they come through: no money appears or vanishes,
/// at any version of the whole.
#[test]
fn transfers_keep_the_sum() {
    const ACCOUNTS: u64 = 6;
    let transfers = rounds() / 8;
    each_setting(|setting| {
        let store = setting.open();
        let name = |account: u64| format!("account-{account}");
        let changed = |by: i64| NewEvent::json("Changed", by.to_string());
        let opened = (0..ACCOUNTS).fold(Commit::new(), |commit, account| {
            commit.append(name(account), ExpectedVersion::NoStream, vec![changed(100)])
        });
        store.commit(&opened).unwrap();
        let amount = |event: annals::Event| -> i64 {
            str::from_utf8(event.data()).unwrap().parse().unwrap()
        };
        thread::scope(|scope| {
            for racer in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    for n in 0..transfers {
                        let (from, to) = ((racer + n) % ACCOUNTS, (racer + 2 * n + 1) % ACCOUNTS);
                        if from == to {
                            continue;
                        }
                        loop {
                            let view = store.head();
                            let version = |account| view.version(&name(account)).unwrap();
                            let commit = Commit::new()
                                .append(name(from), version(from), vec![changed(-1)])
                                .append(name(to), version(to), vec![changed(1)]);
                            match store.commit(&commit) {
                                Ok(_) => break,
                                Err(error) => assert!(error.conflict().is_some(), "{error}"),
                            }
                        }
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..20 {
                    let sum: i64 = store.read_all().map(|event| amount(event.unwrap())).sum();
                    assert_eq!(sum, 100 * i64::try_from(ACCOUNTS).unwrap(), "half a transfer");
                    thread::yield_now();
                }
            });
        });
    });
}
