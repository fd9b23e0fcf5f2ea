//! Real processes, killed at random moments: what they said was acknowledged is there, and who reads
//! beside them sees nothing that is not.
//!
//! `ANNALS_KILL_ROUNDS` sets how many processes are killed (default 200), half of them in each
//! durability. `ANNALS_KILL_SEED` sets the moments.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use annals::{Durability, Event, EventReader, Read, ReadOnlyStore, Store};
use annals_env::SeededRandom;
use annals_tests::check::Check;
use annals_tests::model::Recorded;
use annals_tests::process::Process;
use annals_tests::workload::{numbered, seeded};
use annals_tests::{budget, check, kinds, setting};

/// One test at a time: a process that is being made shares this one's open files for a moment, and
/// with them the lock of a store that the other test has just closed.
static TURN: Mutex<()> = Mutex::new(());

const THREADS: u64 = 6;
const SEGMENT_BYTES: u64 = 64 << 10;
/// Then another store is begun: its creation is killed too, and checking stays quick.
const ROUNDS_PER_STORE: u64 = 10;
/// Between the first numbers of two processes.
const NUMBERS: u64 = 10_000_000;

/// What the killed processes of one store said, and what was found of it.
#[derive(Default)]
struct Said {
    /// By number: the thread that tried the commit.
    tried: HashMap<u64, u64>,
    /// By number: first and last position of the acknowledged ones.
    acknowledged: BTreeMap<u64, (u64, u64)>,
    /// Number and index of each event that was there after a restart.
    found: Vec<(u64, u64)>,
}

/// What was done to the stores, and met there.
#[derive(Debug, Default)]
struct Counts {
    kills: u64,
    in_creations: u64,
    in_openings: u64,
    in_closings: u64,
    acknowledged: usize,
    tails_cut: u64,
    retries_found: u64,
    retries_written: u64,
    indexes_removed: u64,
    sightings: usize,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().unwrap();
        match words[..] {
            ["open", _] | ["closing"] | ["closed"] => {}
            ["try", commit, thread] => _ = self.tried.insert(number(commit), number(thread)),
            ["ack", commit, first, last] => {
                let before =
                    self.acknowledged.insert(number(commit), (number(first), number(last)));
                assert!(before.is_none(), "{commit} was acknowledged twice");
            }
            _ => panic!("the writer said {line:?}"),
        }
    }

    /// The event is one that was tried, whole and at its place in the commit before it.
    fn check_event(&self, event: &Event, before: Option<&Event>) -> (u64, u64, u64) {
        let mark @ (number, count, index) = mark(event);
        let parts = numbered::parts(number, self.tried[&number]);
        let all = parts.into_iter().flat_map(|(stream, events)| {
            events.into_iter().map(move |event| (stream.clone(), event))
        });
        let all: Vec<_> = all.collect();
        assert_eq!(all.len() as u64, count);
        let (stream, wanted) = all.into_iter().nth(usize::try_from(index).unwrap()).unwrap();
        let expected = Recorded {
            position: event.position(),
            version: event.version(),
            stream,
            recorded_at: None,
            epoch: None,
            derived_id: None,
            event: wanted,
        };
        check::event(&expected, event).unwrap();
        if index > 0 {
            let before = before.expect("a commit does not begin in its middle");
            let (before_number, _, before_index) = self::mark(before);
            assert_eq!((before_number, before_index + 1), (number, index));
            assert_eq!(event.recorded_at(), before.recorded_at());
        }
        mark
    }

    /// All events are there that were acknowledged or found before, none that was not tried, and
    /// commits are whole. Gives what is there.
    fn check_all(&self, store: &dyn EventReader) -> Vec<(u64, u64)> {
        let mut before: Option<Event> = None;
        let mut versions: HashMap<String, u64> = HashMap::new();
        let mut begun: HashMap<u64, (u64, u64)> = HashMap::new();
        let mut found = Vec::new();
        let mut open = false;
        for (event, position) in store.read(Read::all()).zip(1..) {
            let event = event.unwrap();
            assert_eq!(event.position().get(), position);
            let version = versions.entry(event.stream().to_owned()).or_default();
            *version += 1;
            assert_eq!(event.version().get(), *version);
            let (number, count, index) = self.check_event(&event, before.as_ref());
            assert_eq!(open, index > 0, "a commit is cut at {position}");
            open = index + 1 < count;
            if index == 0 {
                let there = begun.insert(number, (position, position + count - 1));
                assert!(there.is_none(), "commit {number} is there twice");
            }
            found.push((number, index));
            before = Some(event);
        }
        assert!(!open, "the last commit is cut");
        assert_eq!(store.position().get(), found.len() as u64);
        assert!(found.starts_with(&self.found), "what was there has changed");
        for (number, positions) in &self.acknowledged {
            assert_eq!(begun.get(number), Some(positions), "the acknowledged commit {number}");
        }
        for (stream, version) in versions {
            assert_eq!(store.version(&stream).unwrap().get(), version);
        }
        found
    }

    /// Tries again what was never acknowledged, where ids make that safe.
    fn retry(&mut self, store: &Store, counts: &mut Counts) {
        let unheard =
            self.tried.iter().filter(|(number, _)| !self.acknowledged.contains_key(number));
        let unheard: Vec<(u64, u64)> = unheard
            .map(|(number, thread)| (*number, *thread))
            .filter(|(number, thread)| numbered::has_id(*number, *thread))
            .collect();
        for (number, thread) in unheard {
            let commit = numbered::commit(number, thread, None);
            let receipt = store.commit(&commit).unwrap();
            let there = self.found.iter().position(|found| *found == (number, 0));
            assert_eq!(receipt.repeated, there.is_some(), "{number}");
            let positions = (receipt.first_position.get(), receipt.position.get());
            if let Some(there) = there {
                assert_eq!(positions.0, there as u64 + 1, "{number}");
                counts.retries_found += 1;
            } else {
                counts.retries_written += 1;
            }
            self.acknowledged.insert(number, positions);
            assert!(store.commit(&commit).unwrap().repeated, "{number}");
        }
    }
}

fn mark(event: &Event) -> (u64, u64, u64) {
    event.tags().find_map(seeded::mark).expect("each event has a mark")
}

/// Each writer has the next kind of index: the folder goes from one to the other.
fn writer(folder: &Path, durability: Durability, round: u64) -> Process {
    let index = kinds()[usize::try_from(round).unwrap() % kinds().len()];
    let durability = if durability == Durability::Sync { "sync" } else { "buffered" };
    let mut command = Command::new(env!("CARGO_BIN_EXE_kill_writer"));
    command.arg(folder).arg(durability).arg(setting::index_name(index)).arg("reopen");
    let numbers = [round * NUMBERS, THREADS, SEGMENT_BYTES];
    Process::spawn(command.args(numbers.map(|number| number.to_string())))
}

/// Processes that follow the store over the deaths of its writers.
fn readers(folder: &Path) -> Vec<Process> {
    let reader = |what| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beside_reader"));
        Process::spawn(command.arg(folder).arg(what))
    };
    ["durable", "visible"].map(reader).into_iter().collect()
}

/// Kills a writer: the first of a store and one of three others while they open it, else when it has
/// begun to write.
fn run_and_kill(writer: Process, random: &SeededRandom, said: &mut Said, counts: &mut Counts) {
    if !said.tried.is_empty() && random.below(3) > 0 {
        writer.wait_for_a_word();
        thread::sleep(Duration::from_micros(random.below(60_000)));
    } else {
        thread::sleep(Duration::from_micros(random.below(15_000)));
    }
    let lines = writer.kill();
    counts.kills += 1;
    match lines.last().map(String::as_str) {
        Some("closing") => counts.in_closings += 1,
        Some("closed") => counts.in_openings += 1,
        None if said.tried.is_empty() => counts.in_creations += 1,
        None => counts.in_openings += 1,
        Some(_) => {}
    }
    lines.iter().for_each(|line| said.hear(line));
}

/// What a reading process says that it saw is what is there.
fn check_sightings(lines: &[String], found: &[(u64, u64)]) -> Check {
    for (line, position) in lines.iter().zip(1..) {
        let there = usize::try_from(position - 1).ok().and_then(|at| found.get(at));
        let expected = there.map(|(number, index)| format!("saw {position} {number} {index}"));
        let end = format!("end {}", position - 1);
        if Some(line) != expected.as_ref() && *line != end {
            return Err(format!("a reader said {line:?}, but there is {expected:?}"));
        }
    }
    Ok(())
}

/// Opens the store after a kill, checks it and tries again what was not acknowledged.
fn examine(path: &Path, readers: &[Process], round: u64, said: &mut Said, counts: &mut Counts) {
    if round.is_multiple_of(2)
        && let Ok(reader) = ReadOnlyStore::open(path)
    {
        said.check_all(&reader);
        assert!(reader.damage().is_empty(), "{:?}", reader.damage());
    }
    // Before the store can grow again: what they saw, the dead writer had shown.
    let sightings: Vec<_> = readers.iter().map(Process::said).collect();
    let store = Store::open(path).unwrap();
    said.found = said.check_all(&store);
    counts.tails_cut += u64::from(store.recovered_tail().is_some());
    sightings.iter().for_each(|lines| check_sightings(lines, &said.found).unwrap());
    said.retry(&store, counts);
    said.found = said.check_all(&store);
    if round % 5 == 4 {
        let report = store.verify(&mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{:?}", report.damage);
    }
    if round.is_multiple_of(3) {
        drop(store);
    } else {
        store.close().unwrap();
    }
}

/// The readers of a store that rests see all of it.
fn end_readers(readers: Vec<Process>, said: &Said, counts: &mut Counts) {
    for reader in readers {
        let (lines, complaints) = reader.end();
        assert!(complaints.is_empty(), "a reader said {complaints}");
        assert_eq!(lines.last(), Some(&format!("end {}", said.found.len())));
        check_sightings(&lines, &said.found).unwrap();
        counts.sightings += lines.len() - 1;
    }
}

fn kill_again_and_again(durability: Durability) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let rounds: u64 = budget::from_env::<u64>("ANNALS_KILL_ROUNDS", 200).div_ceil(2);
    let random = SeededRandom::new(budget::from_env("ANNALS_KILL_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let mut path = PathBuf::new();
    let (mut said, mut counts) = (Said::default(), Counts::default());
    let mut beside = Vec::new();
    for round in 0..rounds {
        // Every other store is read beside its writers; of the rest the index is lost now and then.
        let is_read = (round / ROUNDS_PER_STORE).is_multiple_of(2);
        if round.is_multiple_of(ROUNDS_PER_STORE) {
            end_readers(std::mem::take(&mut beside), &said, &mut counts);
            counts.acknowledged += said.acknowledged.len();
            said = Said::default();
            path = folder.path().join(format!("store-{round}"));
            if is_read {
                beside = readers(&path);
            }
        } else if !is_read && random.below(2) == 0 {
            // It may not have been made yet.
            counts.indexes_removed +=
                u64::from(std::fs::remove_dir_all(path.join("index")).is_ok());
        }
        run_and_kill(writer(&path, durability, round), &random, &mut said, &mut counts);
        examine(&path, &beside, round, &mut said, &mut counts);
    }
    end_readers(beside, &said, &mut counts);
    counts.acknowledged += said.acknowledged.len();
    println!("{durability:?}: {counts:?}");
    assert!(counts.acknowledged as u64 > rounds, "the writers hardly wrote");
    assert!(rounds < 30 || counts.sightings > 0, "the readers saw nothing");
}

#[test]
fn synced_appends_outlive_their_process() {
    kill_again_and_again(Durability::Sync);
}

#[test]
fn buffered_appends_outlive_their_process() {
    kill_again_and_again(Durability::Buffered);
}

#[test]
fn what_was_seen_is_compared() {
    let found = [(10, 0), (10, 1)];
    let check = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        check_sightings(&lines, &found)
    };
    check(&["saw 1 10 0", "saw 2 10 1", "end 2"]).unwrap();
    check(&["saw 1 10 0"]).unwrap();
    check(&["saw 1 10 1"]).unwrap_err();
    check(&["saw 2 10 1"]).unwrap_err();
    check(&["saw 1 10 0", "saw 2 10 1", "saw 3 20 0"]).unwrap_err();
}
