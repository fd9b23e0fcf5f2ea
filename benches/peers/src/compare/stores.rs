//! The rows on stores as wholes: how much memory a load takes, what it leaves on disk, and how fast
//! that opens. Each engine loads in a process of its own, one event a commit, and is killed at the
//! end. Times of opening are of stores opened one engine behind the other, not in turns.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals::Durability;
use annals_benches::folder;
use annals_benches::workload::Workload;

use super::append::appended;
use super::read::tally;
use super::{Bench, Limit, Options, Unit};
use crate::engine::{Append, Kind, Settings, Task};
use crate::engines::plain;

/// Time between two looks at the memory.
const SAMPLING: Duration = Duration::from_millis(5);

const MEMORY: &str = "peak memory of the load, mapped file pages apart";
const DISK: &str = "disk as loaded, index included";
const KILLED: &str = "open after a kill at the end of a load, first append and read answered";
const CLEAN: &str = "open, clean, first append and read answered";

/// What is known of an engine's store.
#[derive(Clone, Debug, Default)]
struct Known {
    name: &'static str,
    memory: f64,
    disk: f64,
    killed: Vec<f64>,
    clean: Vec<f64>,
}

/// Measures them.
pub fn rows(bench: &mut Bench<'_>) {
    let wants = [MEMORY, DISK, KILLED, CLEAN].map(|name| bench.wants(name));
    if !wants.contains(&true) {
        return;
    }
    let opens = wants[2] || wants[3];
    let kinds = std::iter::once(&plain::KIND).chain(&bench.options.engines);
    let known = kinds.map(|kind| know(kind, &bench.options, opens)).collect::<Vec<_>>();
    let of = |name: &str| known.iter().find(|known| known.name == name).unwrap();
    let once = std::mem::replace(&mut bench.options.rounds, 1);
    let memory = |kind: &Kind, _: usize| of(kind.name).memory;
    bench.row(MEMORY, Unit::Mebibytes, &[], Limit::None, &memory);
    let disk = |kind: &Kind, _: usize| of(kind.name).disk;
    bench.row(DISK, Unit::BytesPerEvent, &[], Limit::Plain, &disk);
    bench.options.rounds = once;
    let clean = |kind: &Kind, round: usize| of(kind.name).clean[round - 1];
    bench.row(CLEAN, Unit::Milliseconds, &[], Limit::None, &clean);
    let killed = |kind: &Kind, round: usize| of(kind.name).killed[round - 1];
    bench.row(KILLED, Unit::Milliseconds, &[], Limit::Plain, &killed);
}

fn know(kind: &Kind, options: &Options, opens: bool) -> Known {
    let (events, rounds) = (options.events, options.rounds);
    eprintln!("  loading {}", kind.name);
    let folder = folder::fresh();
    let store = folder.path().join("store");
    let memory = load_in_child(kind, &store, options) as f64 / f64::from(1 << 20);
    let disk = disk_bytes(&store) as f64 / events as f64;
    let mut known = Known { name: kind.name, memory, disk, ..Known::default() };
    if !opens {
        return known;
    }
    let last = Workload::default();
    let calls = last.calls(events, 1);
    let stream = last.stream(calls.last().unwrap());
    if kind.name == plain::KIND.name {
        let scan = |_| {
            let start = Instant::now();
            assert_eq!(plain::open_by_scan(&store), events as u64);
            milliseconds(start)
        };
        known.killed = (0..rounds).map(scan).collect();
        known.clean.clone_from(&known.killed);
        return known;
    }
    let open = |store: &Path, round: usize| {
        let start = Instant::now();
        let engine = (kind.open)(store, &Settings::new(Durability::Buffered));
        let first = format!("first-{round}");
        let events = last.events(&calls[0]);
        engine.append(Append { stream: &first, version: 0, events });
        let read = tally(|each| engine.last(stream, each)).events;
        assert!(read == 1 || kind.why_not(Task::Kill).is_some(), "{} lost an event", kind.name);
        let time = milliseconds(start);
        engine.close();
        time
    };
    let killed = |round| {
        let copied = folder::fresh();
        let copy = copied.path().join("store");
        copy_synced(&store, &copy);
        open(&copy, round)
    };
    known.killed = (0..rounds).map(killed).collect();
    open(&store, 0);
    known.clean = (1..=rounds).map(|round| open(&store, round)).collect();
    known
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The bytes that the file system gives a folder.
fn disk_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => disk_bytes(&entry.path()),
        false => entry.metadata().unwrap().blocks() * 512,
    });
    bytes.sum()
}

/// Copies a folder, holes left out, and syncs the copy, so that its writing falls on nothing that is
/// measured.
fn copy_synced(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_synced(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            std::fs::File::open(target).unwrap().sync_all().unwrap();
        }
    }
}

/// Lets a child load a store and kills it; gives the memory that the load took at most.
fn load_in_child(kind: &Kind, store: &Path, options: &Options) -> u64 {
    let mut child = Command::new(&options.loader)
        .args(["--load", kind.name])
        .arg(store)
        .args(["--events", &options.events.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    line.trim().parse().unwrap_or_else(|_| panic!("{} did not load", kind.name))
}

/// What the child does: it loads, tells the memory that took at most, and waits to be killed.
pub fn load_and_wait(kind: &Kind, store: &Path, events: usize, tell: &mut dyn Write) -> ! {
    let workload = Workload::default();
    let calls = workload.calls(events, 1);
    let before = own_memory();
    let (most, ended) = (AtomicU64::new(before), AtomicBool::new(false));
    // Never dropped: a kill leaves no time for it.
    let engine = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                most.fetch_max(own_memory(), Ordering::Relaxed);
                std::thread::sleep(SAMPLING);
            }
        });
        let appends = &mut calls.iter().map(|call| appended(&workload, call));
        let engine = if kind.why_not(Task::Buffered).is_none() {
            let engine = (kind.open)(store, &Settings::new(Durability::Buffered));
            appends.for_each(|append| engine.append(append));
            engine
        } else {
            let engine = (kind.open)(store, &Settings::LOAD);
            engine.load(appends);
            engine
        };
        ended.store(true, Ordering::Relaxed);
        engine
    });
    writeln!(tell, "{}", most.load(Ordering::Relaxed) - before).unwrap();
    let _engine = engine;
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// Bytes of the process that are no pages of files: `RssAnon`.
fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes << 10
}
