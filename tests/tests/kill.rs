//! Real processes, killed at random moments: what they said was acknowledged is there.
//!
//! `ANNALS_KILL_ROUNDS` sets how many processes are killed (default 20), half of them in each
//! durability. `ANNALS_KILL_SEED` sets the moments.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use annals::{Durability, Event, EventReader, Position, Read as Reading, ReadOnlyStore, Store};
use annals_env::SeededRandom;
use annals_tests::budget;
use annals_tests::check;
use annals_tests::kinds;
use annals_tests::model::Recorded;
use annals_tests::setting;
use annals_tests::workload::seeded;

/// One test at a time: a process that is being made shares this one's open files for a moment, and
/// with them the lock of a store that the other test has just closed.
static TURN: Mutex<()> = Mutex::new(());

const THREADS: u64 = 4;
const SEGMENT_BYTES: u64 = 64 << 10;

/// What the killed processes said.
#[derive(Default)]
struct Said {
    /// By seed: count and stream of the commits tried.
    tried: HashMap<u64, (u64, String)>,
    /// By first position: seed, stream and first version of the acknowledged ones.
    acknowledged: BTreeMap<u64, (u64, String, u64)>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["open", _] => {}
            ["try", seed, count, stream] => {
                let tried = (count.parse().unwrap(), stream.to_owned());
                self.tried.insert(seed.parse().unwrap(), tried);
            }
            ["ack", seed, _, stream, position, version] => {
                let (seed, version) = (seed.parse().unwrap(), version.parse().unwrap());
                let said = (seed, stream.to_owned(), version);
                let before = self.acknowledged.insert(position.parse().unwrap(), said);
                assert!(before.is_none(), "position {position} was given twice");
            }
            _ => panic!("the writer said {line:?}"),
        }
    }
}

/// Each writer has the next kind of index: the folder goes from one to the other.
fn spawn(folder: &Path, durability: Durability, seed: u64) -> Child {
    static SPAWNED: AtomicUsize = AtomicUsize::new(0);
    let spawned = SPAWNED.fetch_add(1, Ordering::Relaxed);
    let index = kinds()[spawned % kinds().len()];
    Command::new(env!("CARGO_BIN_EXE_kill_writer"))
        .arg(folder)
        .arg(if durability == Durability::Sync { "sync" } else { "buffered" })
        .arg(setting::index_name(index))
        .args([seed, THREADS, SEGMENT_BYTES].map(|number| number.to_string()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets a writer run for so long after its first word and kills it. A `kill` in the middle of a line
/// leaves that line out: it was not heard.
fn run_and_kill(folder: &Path, durability: Durability, seed: u64, life: Duration, said: &mut Said) {
    let mut child = spawn(folder, durability, seed);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (first, heard_first) = mpsc::channel();
    let listener = thread::spawn(move || {
        let mut lines = Vec::new();
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n') {
                lines.push(line.trim_end().to_owned());
            }
            line.clear();
            let _ = first.send(());
        }
        lines
    });
    let _ = heard_first.recv_timeout(Duration::from_secs(20));
    thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert!(complaints.is_empty(), "the writer said {complaints}");
    for line in listener.join().unwrap() {
        said.hear(&line);
    }
}

/// The event is one that was tried, whole and at its place in the commit before it.
fn check_event(event: &Event, before: Option<&Event>, said: &Said) -> (u64, u64, u64) {
    let mark = event.tags().find_map(seeded::mark).expect("each event has a mark");
    let (seed, count, index) = mark;
    let (tried, stream) = &said.tried[&seed];
    assert_eq!((*tried, stream.as_str()), (count, event.stream()));
    let expected = Recorded {
        position: event.position(),
        version: event.version(),
        stream: stream.clone(),
        recorded_at: None,
        epoch: None,
        derived_id: None,
        event: seeded::marked(seed, count).swap_remove(usize::try_from(index).unwrap()),
    };
    check::event(&expected, event).unwrap();
    if index > 0 {
        let before = before.expect("a commit does not begin in its middle");
        let (before_seed, _, before_index) = before.tags().find_map(seeded::mark).unwrap();
        assert_eq!((before_seed, before_index + 1), (seed, index));
        assert_eq!(event.recorded_at(), before.recorded_at());
    }
    mark
}

/// All events are there that were acknowledged, none that was not tried, and commits are whole.
fn check_all(store: &dyn EventReader, said: &Said) -> Position {
    let mut before: Option<Event> = None;
    let mut versions: HashMap<String, u64> = HashMap::new();
    let mut begun: HashMap<u64, Position> = HashMap::new();
    let mut open = false;
    for event in store.read(Reading::all()) {
        let event = event.unwrap();
        let expected = before.as_ref().map_or(1, |before| before.position().get() + 1);
        assert_eq!(event.position().get(), expected);
        let version = versions.entry(event.stream().to_owned()).or_default();
        *version += 1;
        assert_eq!(event.version().get(), *version);
        let (seed, count, index) = check_event(&event, before.as_ref(), said);
        assert_eq!(open, index > 0, "a commit is cut at {}", event.position());
        open = index + 1 < count;
        if index == 0 {
            assert!(begun.insert(seed, event.position()).is_none(), "commit {seed} is there twice");
        }
        if let Some((acknowledged, stream, version)) =
            said.acknowledged.get(&event.position().get())
        {
            assert_eq!((*acknowledged, stream.as_str()), (seed, event.stream()));
            assert_eq!((index, *version), (0, event.version().get()));
        }
        before = Some(event);
    }
    assert!(!open, "the last commit is cut");
    for (position, (seed, ..)) in &said.acknowledged {
        let found = begun.get(seed).map(|position| position.get());
        assert_eq!(found, Some(*position), "the acknowledged commit {seed}");
    }
    let head = before.map_or(Position::START, |event| event.position());
    assert_eq!(store.position(), head);
    for (stream, version) in versions {
        assert_eq!(store.version(&stream).unwrap().get(), version);
    }
    head
}

fn kill_again_and_again(durability: Durability) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let rounds: u64 = budget::from_env::<u64>("ANNALS_KILL_ROUNDS", 20).div_ceil(2);
    let random = SeededRandom::new(budget::from_env("ANNALS_KILL_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let mut path = folder.path().join("store-0");
    let mut said = Said::default();
    let mut acknowledged = 0;
    for round in 0..rounds {
        // A new store now and then: its creation is killed too, and checking stays quick.
        if round % 10 == 0 {
            acknowledged += said.acknowledged.len();
            said = Said::default();
            path = folder.path().join(format!("store-{round}"));
        }
        let life = Duration::from_micros(random.below(60_000));
        run_and_kill(&path, durability, round * 10_000_000, life, &mut said);
        if round % 2 == 0
            && let Ok(reader) = ReadOnlyStore::open(&path)
        {
            check_all(&reader, &said);
            assert!(reader.damage().is_empty(), "{:?}", reader.damage());
        }
        let store = Store::open(&path).unwrap();
        check_all(&store, &said);
        if round % 5 == 4 {
            let report = store.verify(&mut |_, _| {}).unwrap();
            assert!(report.is_clean(), "{:?}", report.damage);
        }
        if round % 3 == 0 {
            drop(store);
        } else {
            store.close().unwrap();
        }
    }
    acknowledged += said.acknowledged.len();
    println!("{durability:?}: {rounds} kills, {acknowledged} acknowledged commits");
    assert!(acknowledged as u64 > rounds, "the writers hardly wrote");
}

#[test]
fn synced_appends_outlive_their_process() {
    kill_again_and_again(Durability::Sync);
}

#[test]
fn buffered_appends_outlive_their_process() {
    kill_again_and_again(Durability::Buffered);
}
