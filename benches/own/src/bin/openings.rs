//! Prints how long it takes to open a store until its first append and its first read are answered,
//! after a clean close and after the process was killed at the end of the load, beside one scan of a
//! plain file that holds the same: medians, as a Markdown table.
//!
//! `openings [EVENTS]`: so many events, one a commit (1,000,000 where nothing is said).

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use annals::{Durability, ExpectedVersion, IndexKind, Store};
use annals_benches::workload::{Call, LABEL, Workload};
use annals_benches::{append, folder};

const EVENTS: usize = 1_000_000;
/// Openings of each kind; each is of a store that was loaded anew.
const ROUNDS: usize = 3;
/// Scans of the plain file.
const SCANS: usize = 5;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [folder, index, end, events] = &args[..] {
        return load(Path::new(folder), kind(index), end, events.parse().unwrap());
    }
    let events = args.first().map_or(EVENTS, |arg| arg.parse().expect("EVENTS is a number"));
    println!("{events} events, one a commit; {LABEL}; {}; medians", folder::describe());
    println!();
    let scan = scan(events);
    println!("| opening | ms | of one scan of the plain file ({scan:.1} ms) |");
    println!("| --- | ---: | ---: |");
    let indexes = if cfg!(feature = "rocksdb") { &["memory", "rocksdb"][..] } else { &["memory"] };
    for index in indexes {
        for end in ["close", "kill"] {
            let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| open(index, end, events)).collect();
            rounds.sort_by(f64::total_cmp);
            let median = rounds[ROUNDS / 2];
            println!("| {index}, after a {end} | {median:.1} | {:.3} |", median / scan);
        }
    }
}

fn kind(index: &str) -> IndexKind {
    match index {
        #[cfg(feature = "rocksdb")]
        "rocksdb" => IndexKind::RocksDb,
        _ => IndexKind::Memory,
    }
}

fn calls(workload: &Workload, events: usize) -> [Vec<Call>; 1] {
    [workload.calls(events, 1)]
}

/// Appends the events in a process of its own, which then ends as it is told.
fn load(folder: &Path, index: IndexKind, end: &str, events: usize) {
    let workload = Workload::default();
    let options = Store::options().durability(Durability::Buffered).index(index);
    let store = options.open(folder).unwrap();
    for call in &calls(&workload, events)[0] {
        let expected = ExpectedVersion::at(call.version());
        store.append(workload.stream(call), expected, workload.events(call)).unwrap();
    }
    match end {
        "kill" => std::process::abort(),
        _ => store.close().unwrap(),
    }
}

/// Milliseconds until the first append and the first read are answered.
fn open(index: &str, end: &str, events: usize) -> f64 {
    let folder = folder::fresh();
    let path = folder.path().join("store");
    let mut loader = Command::new(std::env::current_exe().unwrap());
    let status = loader.arg(&path).args([index, end, &events.to_string()]).status().unwrap();
    assert_eq!(status.success(), end == "close");
    let workload = Workload::default();
    let call = &workload.calls(1, 1)[0];
    let start = Instant::now();
    let options = Store::options().durability(Durability::Buffered).index(kind(index));
    let store = options.open(&path).unwrap();
    store.append("opened", ExpectedVersion::NoStream, workload.events(call)).unwrap();
    let newest = store.last_event(workload.stream(call)).unwrap();
    let time = start.elapsed();
    assert!(newest.is_some());
    assert_eq!(store.position().get(), events as u64 + 1);
    time.as_secs_f64() * 1e3
}

/// Milliseconds that one scan of the plain file takes.
fn scan(events: usize) -> f64 {
    let folder = folder::fresh();
    let workload = Workload::default();
    let calls = calls(&workload, events);
    let (plain, _) = append::limit(folder.path(), &workload, &calls, Durability::Buffered);
    let mut rounds: Vec<f64> = (0..SCANS)
        .map(|_| {
            let (start, mut found) = (Instant::now(), 0);
            plain.scan(&mut |_| found += 1);
            assert_eq!(found, events);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[SCANS / 2]
}
