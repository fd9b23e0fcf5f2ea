//! Kept states from somebody who means harm: their checksums are right and their fields are not. The
//! events are read as if they were not there, nothing is loaded from them, and nothing takes longer
//! or more memory than the files justify. Each test runs confined
//! ([`confined`](annals_tests::confined)).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use annals::{
    Aggregate, Aggregates, Applied, Event, EventReader, EventStore, Fold, Options, Projector,
    ReadOnlyStore, Result, StateKey, StateRole, Store, Version,
};
use annals_tests::confined::confined;
use annals_tests::crafted::{self, EPOCH, Frame, Kept, Segment, event};
use annals_tests::kinds;
use serde::{Deserialize, Serialize};

/// What takes longer loops or waits.
const TIME_MAX: Duration = Duration::from_secs(40);
/// As many as one may take the place of.
const SUPERSEDED_MAX: u32 = annals::limits::SUPERSEDED_MAX as u32;
/// The largest state that may be kept.
const STATE_MAX: usize = annals::limits::STATE_BYTES_MAX;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    sum: u64,
}

#[derive(Serialize, Deserialize)]
enum SumEvent {
    T(u64),
}

impl Aggregate for Sum {
    type Event = SumEvent;
    const NAME: &'static str = "Sum";

    fn apply(&mut self, SumEvent::T(number): SumEvent, _: &Event) -> Applied {
        self.sum += number;
        Ok(())
    }
}

fn projection() -> Fold<Sum> {
    Fold::new("sum", |sum: &mut Sum, event: &Event| {
        sum.sum += serde_json::from_slice::<u64>(event.data())?;
        Ok(())
    })
}

/// Two streams, and what is kept behind their first events; then one event more in each.
fn log(kept: &[Kept]) -> Segment {
    let mut segment = Segment::begin();
    segment.push(&Frame::commit("a-1", 1, 1, vec![event("T", "1"), event("T", "2")]));
    segment.push(&Frame::commit("b-1", 1, 3, vec![event("T", "10"), event("T", "20")]));
    for (k, kept) in (1..).zip(kept) {
        segment.push(&kept.frame((4, k)));
    }
    segment.push(&Frame::commit("a-1", 3, 5, vec![event("T", "3")]));
    segment.push(&Frame::commit("b-1", 3, 6, vec![event("T", "30")]));
    segment
}

fn save(segment: &Segment, root: &Path) {
    segment.save(root, 8 << 10);
    fs::write(root.join("state"), crafted::state(2, EPOCH, (6, 0), (6, 0))).unwrap();
}

/// What is loaded is right, whatever is kept. Gives the version of the snapshot that was used.
fn loads(reader: &dyn EventReader) -> Option<Version> {
    let sums = Aggregates::<Sum, _>::new(reader);
    let used = [("a-1", 6, 3), ("b-1", 60, 30)].map(|(stream, now, then)| {
        let loaded = sums.load(stream).unwrap();
        assert_eq!((loaded.state.sum, loaded.version), (now, Version::new(3)));
        assert_eq!(sums.load_at(stream, Version::new(2)).unwrap().state.sum, then);
        sums.check_snapshots(stream).unwrap();
        loaded.replayed.snapshot
    });
    for name in ["a-1", "b-1", "sum", ""] {
        for role in [StateRole::Snapshot, StateRole::Projection] {
            for fold in ["Sum", ""] {
                let key = StateKey { role, name: name.into(), fold: fold.into() };
                reader.kept_state(&key, None).unwrap();
            }
        }
    }
    used[0]
}

/// What the projection comes to is right, whatever is kept.
fn projects(store: &Store) -> Result<()> {
    let store: &dyn EventStore = store;
    let mut projector = Projector::with(store, projection())?;
    projector.catch_up()?;
    assert_eq!(projector.state().sum, 66);
    Ok(())
}

/// What became of it: the snapshot that was used, the damage that was found, and whether the store
/// opens for writing.
#[derive(Debug)]
struct Came {
    used: Option<Version>,
    damage: usize,
    opens: bool,
}

fn use_it(root: &Path) -> Came {
    let begun = Instant::now();
    let reading = ReadOnlyStore::open(root).unwrap();
    assert_eq!(reading.read_all().filter(Result::is_ok).count(), 6);
    let used = loads(&reading);
    let damage = reading.verify_deep(&mut |_, _| {}).unwrap().damage.len();
    drop(reading);
    let mut opens = true;
    for kind in kinds() {
        let options = Store::options().segment_bytes(Options::SEGMENT_BYTES_MIN).index(kind);
        match options.open(root) {
            Ok(store) => {
                loads(&store);
                projects(&store).unwrap();
                let sums = Aggregates::<Sum>::new(store.clone());
                assert_eq!(sums.snapshot("a-1").unwrap(), Version::new(3));
                assert_eq!(sums.load("a-1").unwrap().replayed.events, 0);
                store.close().unwrap();
            }
            Err(error) => {
                assert!(error.damage().is_some(), "{error}");
                opens = false;
            }
        }
    }
    assert!(begun.elapsed() < TIME_MAX, "it took {:?}", begun.elapsed());
    Came { used, damage, opens }
}

fn right() -> Kept {
    Kept::snapshot("a-1", "Sum", (2, 2), r#"{"sum":3}"#)
}

fn with(change: impl FnOnce(&mut Kept)) -> Vec<Kept> {
    let mut kept = right();
    change(&mut kept);
    vec![kept]
}

/// Each cannot be what it says.
fn contradictions() -> Vec<(&'static str, Vec<Kept>)> {
    let others = |position| Kept { position, ..Kept::projection("sum", 4, r#"{"sum":999}"#) };
    vec![
        ("a projection by somebody", {
            let somebodys = Kept::projection("sum", 4, r#"{"sum":999}"#);
            vec![Kept { fold: b"Sum".to_vec(), ..somebodys }]
        }),
        ("no role", with(|kept| kept.role = 0)),
        ("an unknown role", with(|kept| kept.role = 9)),
        ("an unknown content", with(|kept| kept.content = 77)),
        ("unknown flags", with(|kept| kept.flags = 0xfe)),
        ("no version", with(|kept| kept.version = 0)),
        ("a position behind it", with(|kept| kept.position = 5)),
        ("the last position", with(|kept| kept.position = u64::MAX)),
        ("a later epoch", with(|kept| kept.epoch.0 = u32::MAX)),
        ("no name", with(|kept| kept.name.clear())),
        ("a long name", with(|kept| kept.name = vec![b'a'; 60_000])),
        ("a name that is no text", with(|kept| kept.name = vec![0xff; 9])),
        ("a name without end", with(|kept| kept.name_length = Some(u16::MAX))),
        ("a long fold", with(|kept| kept.fold = vec![b'a'; 60_000])),
        ("a fold without end", with(|kept| kept.fold_length = Some(u16::MAX))),
        ("places without end", with(|kept| kept.count = Some(u16::MAX))),
        ("places out of order", with(|kept| kept.superseded = vec![(3, 2), (3, 1)])),
        ("a place twice", with(|kept| kept.superseded = vec![(3, 1), (3, 1)])),
        ("a place of the future", with(|kept| kept.superseded = vec![(6, 1)])),
        ("its own place", with(|kept| kept.superseded = vec![(4, 1)])),
        ("the place of an event", with(|kept| kept.superseded = vec![(2, 0)])),
        ("many places", with(|kept| kept.superseded = (1..1_200).map(|k| (2, k)).collect())),
        ("more data than may be", with(|kept| kept.data = vec![b' '; STATE_MAX + 1])),
        ("a projection with a version", vec![Kept { version: 2, ..others(4) }]),
        ("a projection of the future", vec![others(6)]),
    ]
}

/// Each is in order by itself, and not what the events say, or no state.
fn lies() -> Vec<(&'static str, Vec<Kept>)> {
    let wrong = |data: &[u8]| with(|kept| kept.data = data.to_vec());
    vec![
        ("another's event", with(|kept| kept.position = 4)),
        ("an earlier event", with(|kept| kept.position = 1)),
        ("no event", with(|kept| kept.position = 0)),
        ("a version that is not yet", with(|kept| (kept.version, kept.position) = (3, 4))),
        ("the last version", with(|kept| kept.version = u64::MAX)),
        ("another epoch's id", with(|kept| (kept.epoch.1, kept.position) = (78, 4))),
        ("another stream", with(|kept| kept.name = b"b-1".to_vec())),
        ("no JSON", wrong(b"\xff\xff")),
        ("nothing", wrong(b"")),
        ("a deep one", wrong(&vec![b'['; 1 << 20])),
        ("as much data as may be", wrong(&vec![b' '; STATE_MAX])),
        ("binary", with(|kept| kept.content = 2)),
        ("another schema", with(|kept| kept.schema = u32::MAX)),
        ("a projection of another epoch", {
            let lost = Kept::projection("sum", 4, r#"{"sum":999}"#);
            vec![Kept { epoch: (1, 78), ..lost }]
        }),
        ("a projection of another schema", {
            let other = Kept::projection("sum", 4, r#"{"sum":999}"#);
            vec![Kept { schema: 9, ..other }]
        }),
        ("a projection that is none", vec![Kept::projection("sum", 4, "[1,2")]),
    ]
}

fn each(cases: Vec<(&'static str, Vec<Kept>)>, came: impl Fn(&str, Came)) {
    for (what, kept) in cases {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        save(&log(&kept), &root);
        let begun = Instant::now();
        let outcome = use_it(&root);
        println!("{what}: {outcome:?}, {:?}", begun.elapsed());
        came(what, outcome);
    }
}

#[test]
fn what_is_right_is_used() {
    confined("what_is_right_is_used", || {
        let large = format!(r#"{{"sum":3,"more":"{}"}}"#, "x".repeat(STATE_MAX - 24));
        let cases = vec![
            ("right", vec![right()]),
            ("right and large", with(|kept| kept.data = large.into_bytes())),
            ("right and twice", vec![right(), right()]),
            ("superseding nothing", with(|kept| kept.superseded = vec![(2, 1), (3, 7)])),
        ];
        each(cases, |what, came| {
            assert_eq!((came.used, came.damage), (Some(Version::new(2)), 0), "{what}");
            assert!(came.opens);
        });
    });
}

#[test]
fn a_record_that_contradicts_itself_is_damage() {
    confined("a_record_that_contradicts_itself_is_damage", || {
        each(contradictions(), |what, came| {
            assert_eq!(came.used, None, "{what}");
            assert!(came.damage > 0, "{what}");
        });
    });
}

#[test]
fn a_state_that_is_not_what_it_says_is_not_used() {
    confined("a_state_that_is_not_what_it_says_is_not_used", || {
        each(lies(), |what, came| {
            assert_eq!(came.used, None, "{what}");
            assert!(came.opens, "{what}");
        });
    });
}

#[test]
fn thousands_behind_one_event() {
    confined("thousands_behind_one_event", || {
        let many = |kept: &dyn Fn(u32) -> Kept| (0..10_000).map(kept).collect::<Vec<Kept>>();
        let cases = vec![
            ("of one key", many(&|_| Kept { data: b"no".to_vec(), ..right() })),
            ("of another schema", many(&|n| Kept { schema: 2 + n, ..right() })),
            ("of as many streams", many(&|n| Kept { name: format!("c-{n}").into(), ..right() })),
            ("of as many folds", many(&|n| Kept { fold: format!("F{n}").into(), ..right() })),
            ("of a projection", {
                let other = |n| Kept { schema: 2 + n, ..Kept::projection("sum", 4, "{}") };
                (0..2 * SUPERSEDED_MAX).map(other).collect()
            }),
        ];
        each(cases, |what, came| {
            assert_eq!(came.used, None, "{what}");
            assert!(came.opens, "{what}");
        });
    });
}
