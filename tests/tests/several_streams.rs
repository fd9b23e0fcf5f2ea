//! Commits over several streams: all or nothing, in the order in which they name their events.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use annals::{
    Commit, ErrorKind, Event, EventReader, ExpectedVersion, Invalid, NewEvent, Position, Read,
    ReadOnlyStore, Receipt, Result, Store, Version, limits,
};
use annals_tests::setting::{each_kind, each_setting};

const ANY: ExpectedVersion = ExpectedVersion::Any;

fn events(data: &[&str]) -> Vec<NewEvent> {
    data.iter().map(|data| NewEvent::binary("Moved", (*data).to_owned())).collect()
}

fn one() -> Vec<NewEvent> {
    events(&["one"])
}

fn texts(read: impl IntoIterator<Item = Result<Event>>) -> Vec<String> {
    read.into_iter().map(|event| String::from_utf8(event.unwrap().data().into()).unwrap()).collect()
}

/// Stream, first version and version of each.
fn given(receipt: &Receipt) -> Vec<(&str, u64, u64)> {
    let each = receipt.streams.iter();
    each.map(|got| (&*got.stream, got.first_version.get(), got.version.get())).collect()
}

#[test]
fn positions_and_versions_follow_the_order_of_naming() {
    each_setting(|setting| {
        let store = setting.open();
        store.append("b-1", ANY, &one()).unwrap();
        let before = store.head();
        let commit = Commit::new()
            .append("a-1", ExpectedVersion::NoStream, events(&["1", "2"]))
            .append("b-1", ExpectedVersion::at(1), events(&["3"]))
            .append("a-1", ExpectedVersion::NoStream, events(&["4"]))
            .append("c-1", ANY, events(&["5", "6"]));
        let receipt = store.commit(&commit).unwrap();
        assert_eq!(given(&receipt), [("a-1", 1, 3), ("b-1", 2, 2), ("c-1", 1, 2)]);
        assert_eq!((receipt.first_version.get(), receipt.version.get()), (1, 3));
        assert_eq!((receipt.first_position.get(), receipt.position.get()), (2, 7));
        let check = |reader: &dyn EventReader| {
            let read = |read: Read| reader.read(read);
            assert_eq!(texts(read(Read::all())), ["one", "1", "2", "3", "4", "5", "6"]);
            assert_eq!(texts(read(Read::stream("a-1"))), ["1", "2", "4"]);
            assert_eq!(texts(read(Read::stream("a-1").backward())), ["4", "2", "1"]);
            assert_eq!(texts(read(Read::stream("b-1"))), ["one", "3"]);
            assert_eq!(texts(read(Read::stream("c-1").from_version(Version::new(2)))), ["6"]);
            let last = reader.last_event("a-1").unwrap().unwrap();
            assert_eq!((last.position().get(), last.version().get()), (5, 3));
            for event in read(Read::all().from(receipt.first_position)) {
                assert_eq!(event.unwrap().recorded_at(), receipt.recorded_at);
            }
            let streams: Vec<_> = reader.streams("").map(Result::unwrap).collect();
            let listed = streams.iter().map(|s| (&*s.name, s.version.get(), s.position.get()));
            assert!(listed.eq([("a-1", 3, 5), ("b-1", 2, 4), ("c-1", 2, 7)]), "{streams:?}");
        };
        check(&store);
        assert_eq!(before.version("a-1").unwrap(), Version::NONE);
        assert_eq!(before.version("b-1").unwrap().get(), 1);
        assert_eq!(before.streams().count(), 1);
        store.close().unwrap();
        check(&ReadOnlyStore::open(setting.path()).unwrap());
        check(&setting.open());
        fs::remove_dir_all(setting.path().join("index")).unwrap();
        check(&ReadOnlyStore::open(setting.path()).unwrap());
        check(&setting.open());
    });
}

/// Every expectation is about the store before the commit, also of a stream named again.
#[test]
fn a_stream_named_twice() {
    each_setting(|setting| {
        let store = setting.open();
        let twice = |first: ExpectedVersion, second: ExpectedVersion| {
            store.commit(&Commit::new().append("s", first, one()).append("s", second, one()))
        };
        let error = twice(ExpectedVersion::NoStream, ExpectedVersion::at(1)).unwrap_err();
        assert_eq!(error.conflict(), Some(Version::NONE));
        assert!(twice(ANY, ExpectedVersion::Exists).is_err());
        let receipt = twice(ExpectedVersion::NoStream, ExpectedVersion::at(0)).unwrap();
        assert_eq!((receipt.first_version.get(), receipt.version.get()), (1, 2));
        assert!(receipt.streams.is_empty(), "it is one stream");
        let error = twice(ExpectedVersion::at(2), ExpectedVersion::at(3)).unwrap_err();
        assert_eq!(error.conflict(), Some(Version::new(2)));
        assert_eq!(twice(ExpectedVersion::at(2), ANY).unwrap().version.get(), 4);
    });
}

#[test]
fn expectations_of_streams_that_are_not_written() {
    each_setting(|setting| {
        let store = setting.open();
        store.append("there", ANY, &events(&["1", "2"])).unwrap();
        let expecting = |stream: &'static str, expected: ExpectedVersion| {
            let commit = Commit::new().append("written", ANY, one()).expect(stream, expected);
            store.commit(&commit).map_err(|error| error.kind().clone())
        };
        let cases = [
            ("there", ExpectedVersion::Any, true),
            ("there", ExpectedVersion::Exists, true),
            ("there", ExpectedVersion::NoStream, false),
            ("there", ExpectedVersion::at(0), false),
            ("there", ExpectedVersion::at(1), false),
            ("there", ExpectedVersion::at(2), true),
            ("there", ExpectedVersion::at(3), false),
            ("missing", ExpectedVersion::Any, true),
            ("missing", ExpectedVersion::Exists, false),
            ("missing", ExpectedVersion::NoStream, true),
            ("missing", ExpectedVersion::at(0), true),
            ("missing", ExpectedVersion::at(1), false),
        ];
        for (stream, expected, holds) in cases {
            let head = store.position();
            match expecting(stream, expected) {
                Ok(receipt) => {
                    assert!(holds, "{stream} {expected:?}");
                    assert!(receipt.streams.is_empty(), "one stream is written");
                }
                Err(ErrorKind::Conflict { stream: of, expected: told, actual }) => {
                    assert!(!holds, "{stream} {expected:?}");
                    assert_eq!((of.as_str(), told), (stream, expected));
                    assert_eq!(actual, store.version(stream).unwrap());
                    assert_eq!(store.position(), head);
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(store.version("missing").unwrap(), Version::NONE);
        assert_eq!(store.version("there").unwrap().get(), 2);
    });
}

#[test]
fn one_that_fails_fails_all() {
    each_setting(|setting| {
        let store = setting.open();
        store.append("s-3", ANY, &one()).unwrap();
        let names: Vec<String> = (0..8).map(|n| format!("s-{n}")).collect();
        for order in [0, 3, 7] {
            let mut commit = Commit::new();
            for n in 0..8 {
                commit = commit.append(&*names[(n + order) % 8], ExpectedVersion::NoStream, one());
            }
            match store.commit(&commit).unwrap_err().kind() {
                ErrorKind::Conflict { stream, actual, .. } => {
                    assert_eq!((stream.as_str(), actual.get()), ("s-3", 1));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(store.position(), Position::new(1));
        assert_eq!(store.streams().count(), 1);
        store.close().unwrap();
        assert_eq!(setting.open().position(), Position::new(1));
    });
}

#[test]
fn a_hundred_streams_and_no_more() {
    each_setting(|setting| {
        let store = setting.open();
        let max = limits::STREAMS_PER_COMMIT_MAX;
        let over = |written: usize, expected: usize| {
            let commit = (0..written)
                .fold(Commit::new(), |commit, n| commit.append(format!("w-{n}"), ANY, one()));
            let commit = (0..expected).fold(commit, |commit, n| {
                commit.expect(format!("e-{n}"), ExpectedVersion::NoStream)
            });
            store.commit(&commit)
        };
        for (written, expected) in [(max + 1, 0), (max, 1), (1, max), (50, 51)] {
            match over(written, expected).unwrap_err().kind() {
                ErrorKind::Invalid(Invalid::TooLarge { actual, max: told, .. }) => {
                    assert_eq!((*actual, *told), (written + expected, max));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(store.position(), Position::START);
        let receipt = over(max, 0).unwrap();
        assert_eq!(receipt.streams.len(), max);
        assert_eq!(over(40, 60).unwrap().streams.len(), 40);
        // A stream that is named again is no further one.
        let commit = (0..3 * max).fold(Commit::new(), |commit, n| {
            commit.append(format!("w-{}", n % max), ExpectedVersion::Exists, one())
        });
        let receipt = store.commit(&commit).unwrap();
        assert!(receipt.streams.iter().all(|s| s.version.get() == s.first_version.get() + 2));
        for n in 0..max {
            let version = store.version(&format!("w-{n}")).unwrap().get();
            assert_eq!(version, if n < 40 { 5 } else { 4 });
        }
    });
}

/// Commits of one to five streams, whose frames fill several segments.
fn mixed(store: &Store) {
    for n in 0..120_u64 {
        let parts = (0..n % 5 + 1).map(|part| ((n * 7 + part * part) % 9, part));
        let commit = parts.fold(Commit::new(), |commit, (stream, part)| {
            let texts: Vec<String> =
                (0..=part % 3).map(|k| format!("{n}.{part}.{k}.{}", "x".repeat(300))).collect();
            let events = texts.into_iter().map(|text| NewEvent::binary("Moved", text));
            commit.append(format!("s-{stream}"), ANY, events.collect::<Vec<_>>())
        });
        let receipt = store.commit(&commit).unwrap();
        for stream in &receipt.streams {
            assert_eq!(store.version(&stream.stream).unwrap(), stream.version);
        }
    }
}

#[test]
fn reads_forward_and_backward_over_such_frames() {
    each_setting(|setting| {
        let store = setting.open();
        mixed(&store);
        let all: Vec<Event> = store.read_all().collect::<Result<_>>().unwrap();
        let positions = all.iter().map(|event| event.position().get());
        assert!(positions.eq(1..=store.position().get()));
        let check = |reader: &dyn EventReader| {
            for stream in 0..9 {
                let name = format!("s-{stream}");
                let own: Vec<&Event> = all.iter().filter(|event| event.stream() == name).collect();
                assert!((1..=own.len() as u64).eq(own.iter().map(|event| event.version().get())));
                let positions = |read: Read| -> Vec<Position> {
                    reader.read(read).map(|event| event.unwrap().position()).collect()
                };
                let expected = |after: u64, low: u64| -> Vec<Position> {
                    let wanted = own.iter().map(|event| (event.position(), event.version()));
                    wanted
                        .filter(|(at, version)| at.get() > after && version.get() >= low)
                        .map(|(at, _)| at)
                        .collect()
                };
                for (after, low) in [(0, 0), (1, 1), (50, 3), (101, 40), (200, 0), (10_000, 0)] {
                    let read = Read::stream(&*name)
                        .after(Position::new(after))
                        .from_version(Version::new(low));
                    let mut wanted = expected(after, low);
                    assert_eq!(positions(read.clone()), wanted);
                    assert_eq!(positions(read.clone().limit(3)), wanted[..wanted.len().min(3)]);
                    wanted.reverse();
                    assert_eq!(positions(read.clone().backward()), wanted);
                    let limited = read.backward().limit(3);
                    assert_eq!(positions(limited), wanted[..wanted.len().min(3)]);
                }
                let last = reader.last_event(&name).unwrap().unwrap();
                assert_eq!(last.position(), own.last().unwrap().position());
            }
            let mut backward = texts(reader.read(Read::all().backward()));
            backward.reverse();
            assert_eq!(backward, texts(reader.read(Read::all())));
        };
        check(&store);
        for n in [1, 17, 99] {
            let view = store.as_of(Position::new(n)).unwrap();
            let of_view: BTreeSet<&str> =
                all.iter().filter(|e| e.position().get() <= n).map(Event::stream).collect();
            let listed: BTreeSet<String> = view.streams().map(|s| s.unwrap().name).collect();
            assert!(listed.iter().map(String::as_str).eq(of_view));
        }
        store.close().unwrap();
        check(&ReadOnlyStore::open(setting.path()).unwrap());
        fs::remove_dir_all(setting.path().join("index")).unwrap();
        check(&ReadOnlyStore::open(setting.path()).unwrap());
        check(&setting.open());
    });
}

fn segments(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.join("log")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Flips a bit of these bytes of data, which stand in one place only.
fn damage(store: &Path, data: &[u8]) {
    let mut hits = 0;
    for path in segments(store) {
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(data.len()).position(|window| window == data) {
            bytes[at] ^= 4;
            fs::write(&path, bytes).unwrap();
            hits += 1;
        }
    }
    assert_eq!(hits, 1);
}

/// One flipped bit costs one event of the frame and of one stream, whether or not there is an index
/// that knows the stream of it.
#[test]
fn damage_in_such_a_frame() {
    for victim in ["second-a", "first-b", "last-c"] {
        each_kind(|setting| {
            let store = setting.open();
            let commit = Commit::new()
                .append("a", ANY, events(&["first-a", "second-a"]))
                .append("b", ANY, events(&["first-b"]))
                .append("c", ANY, events(&["first-c", "last-c"]));
            store.append("b", ANY, &events(&["earlier-b"])).unwrap();
            store.commit(&commit).unwrap();
            store.append("a", ANY, &events(&["later-a"])).unwrap();
            let all: Vec<Event> = store.read_all().collect::<Result<_>>().unwrap();
            let hit = all.iter().find(|event| event.data() == victim.as_bytes()).unwrap();
            store.close().unwrap();
            damage(&setting.path(), victim.as_bytes());
            for with_index in [true, false] {
                if !with_index {
                    fs::remove_dir_all(setting.path().join("index")).unwrap();
                }
                let store = ReadOnlyStore::open(setting.path()).unwrap();
                assert_eq!(store.position().get(), 7);
                let lost = |items: Vec<Result<Event>>| {
                    let (events, errors): (Vec<_>, Vec<_>) =
                        items.into_iter().partition(Result::is_ok);
                    for error in &errors {
                        let error = error.as_ref().unwrap_err();
                        let damage = error.damage().unwrap_or_else(|| panic!("{error}"));
                        let positions = damage.positions.or(Some((hit.position(), hit.position())));
                        assert_eq!(positions, Some((hit.position(), hit.position())), "{error}");
                    }
                    (texts(events), errors.len())
                };
                for backward in [false, true] {
                    let turned = |read: Read| if backward { read.backward() } else { read };
                    let mut expected: Vec<&str> =
                        all.iter().map(|event| str::from_utf8(event.data()).unwrap()).collect();
                    expected.retain(|text| *text != victim);
                    let (mut left, errors) = lost(store.read(turned(Read::all())).collect());
                    if backward {
                        left.reverse();
                    }
                    assert_eq!(
                        (left.iter().map(String::as_str).collect::<Vec<_>>(), errors),
                        (expected, 1)
                    );
                    for stream in ["a", "b", "c"] {
                        let own = all.iter().filter(|event| event.stream() == stream).count();
                        let (left, errors) =
                            lost(store.read(turned(Read::stream(stream))).collect());
                        if stream == hit.stream() {
                            assert_eq!(left.len(), own - 1);
                            // Without an index nobody knows whose the last event of a stream was;
                            // that something is lost is told with the opening.
                            let told =
                                errors > 0 || !with_index && hit.version().get() == own as u64;
                            assert!(told, "{stream}: {victim} is lost without a word");
                        } else {
                            assert_eq!((left.len(), errors), (own, 0), "{stream}");
                        }
                    }
                }
                assert!(with_index || !store.damage().is_empty());
                let report = store.verify(&mut |_, _| {}).unwrap();
                assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
            }
        });
    }
}
