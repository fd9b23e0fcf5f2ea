//! How many instructions the engine takes an event, under callgrind: the figures do not depend on
//! what else the machine does, so they are held to [`LIMITS`] whenever everything is checked.
//!
//! `tools/instructions` runs it, and fails where one is passed. Where a change is meant to cost more,
//! or has made something cheaper, `tools/instructions --limits` prints the table as it should be now:
//! put it in the place of the one below.

#![expect(missing_docs, reason = "the macros make public items that nobody sees")]

use std::sync::Arc;

use annals::{
    Commit, Durability, Event, ExpectedVersion, IndexKind, NewEvent, Position, Query, QueryItem,
    Read, Store,
};
use annals_benches::folder;
use annals_benches::workload::{Call, SEED, Workload};
use annals_env::{Access, Env, ManualScheduler, SeededRandom, SystemClock};
use annals_log::{Draft, Inventory, LogReader};
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use tempfile::TempDir;

/// The most instructions an event: what was measured, and 3 % for what a compiler does otherwise.
const LIMITS: [(&str, u64); 8] = [
    ("encode one_a_call", 1_212),
    ("encode hundred_a_call", 600),
    ("decode at_a_position", 2_816),
    ("append one_a_call", 5_056),
    ("append hundred_a_call", 1_634),
    ("read stream_of_100", 1_765),
    ("scan all", 1_091),
    ("merge two_lists", 273),
];

/// Events of each row.
const EVENTS: usize = 2_000;
/// Events of a stream that is read whole.
const STREAM_EVENTS: usize = 100;
const STREAMS: usize = EVENTS / STREAM_EVENTS;

fn limit(row: &str) -> LibraryBenchmarkConfig {
    let (_, limit) = LIMITS.iter().find(|(name, _)| *name == row).unwrap();
    let most = [(EventKind::Ir, limit * EVENTS as u64)];
    let callgrind = Callgrind::with_args(["--cache-sim=no"]).hard_limits(most).clone();
    LibraryBenchmarkConfig::default().tool(callgrind).clone()
}

/// Nothing runs beside the row, and nothing is left to chance.
fn env() -> Env {
    Env {
        scheduler: Arc::new(ManualScheduler::new(Arc::new(SystemClock))),
        random: Arc::new(SeededRandom::new(SEED)),
        ..Env::real()
    }
}

/// A buffered store, and what is written to it.
struct Rig {
    store: Store,
    workload: Workload,
    calls: Vec<Call>,
    folder: TempDir,
}

impl Rig {
    fn new(batch: usize) -> Self {
        let folder = folder::fresh();
        let options = Store::options().durability(Durability::Buffered).index(IndexKind::Memory);
        let store = options.env(env()).open(folder.path().join("store")).unwrap();
        let workload = Workload::new(SEED, EVENTS);
        let calls = workload.calls(2 * EVENTS / batch, batch);
        Self { store, workload, calls, folder }
    }

    fn append(&self, call: &Call) {
        let (stream, events) = (self.workload.stream(call), self.workload.events(call));
        self.store.append(stream, ExpectedVersion::at(call.version()), events).unwrap();
    }

    /// The first half of the calls made.
    fn begun(batch: usize) -> Self {
        let rig = Self::new(batch);
        rig.calls[..rig.calls.len() / 2].iter().for_each(|call| rig.append(call));
        rig
    }

    /// As many streams as there are, in turns.
    fn filled() -> Self {
        let rig = Self::new(1);
        for (number, call) in rig.calls[..EVENTS].iter().enumerate() {
            let expected = ExpectedVersion::at((number / STREAMS) as u64);
            let events = rig.workload.events(call);
            rig.store.append(&stream(number % STREAMS), expected, events).unwrap();
        }
        rig
    }

    /// Two lists with nothing in common, each position of which must be looked at.
    fn tagged() -> Self {
        let rig = Self::new(1);
        for number in 0..EVENTS {
            let tag = if number % 2 == 0 { "even" } else { "odd" };
            let event = [NewEvent::json("Tagged", "{}").tag(tag)];
            rig.store.append("tagged", ExpectedVersion::Any, &event).unwrap();
        }
        rig
    }

    /// The log alone.
    fn reader() -> (LogReader, TempDir) {
        let rig = Self::filled();
        rig.store.close().unwrap();
        let root = rig.folder.path().join("store");
        let inventory = Inventory::take(&*env().fs, &root, Access::Read).unwrap().unwrap();
        (inventory.recover(None).unwrap().reader().clone(), rig.folder)
    }
}

fn stream(number: usize) -> String {
    format!("account-{number:08}")
}

fn count(events: impl Iterator<Item = annals::Result<Event>>) -> usize {
    events.map(|event| assert!(!event.unwrap().data().is_empty())).count()
}

#[library_benchmark]
#[bench::one_a_call(args = (1), setup = Rig::new, config = limit("encode one_a_call"))]
#[bench::hundred_a_call(args = (100), setup = Rig::new, config = limit("encode hundred_a_call"))]
fn encode(rig: Rig) -> Rig {
    for call in &rig.calls[..rig.calls.len() / 2] {
        let (stream, events) = (rig.workload.stream(call), rig.workload.events(call));
        let commit = Commit::new().append(stream, ExpectedVersion::at(call.version()), events);
        std::hint::black_box(Draft::commit(&commit));
    }
    rig
}

#[library_benchmark]
#[bench::at_a_position(setup = Rig::reader, config = limit("decode at_a_position"))]
fn decode((reader, folder): (LogReader, TempDir)) -> (LogReader, TempDir) {
    for position in 1..=EVENTS as u64 {
        let event = reader.event(Position::new(position)).unwrap().unwrap();
        assert!(!event.data().is_empty());
    }
    (reader, folder)
}

#[library_benchmark]
#[bench::one_a_call(args = (1), setup = Rig::begun, config = limit("append one_a_call"))]
#[bench::hundred_a_call(args = (100), setup = Rig::begun, config = limit("append hundred_a_call"))]
fn append(rig: Rig) -> Rig {
    rig.calls[rig.calls.len() / 2..].iter().for_each(|call| rig.append(call));
    rig
}

#[library_benchmark]
#[bench::stream_of_100(setup = Rig::filled, config = limit("read stream_of_100"))]
fn read(rig: Rig) -> Rig {
    for number in 0..STREAMS {
        assert_eq!(count(rig.store.read_stream(&stream(number))), STREAM_EVENTS);
    }
    rig
}

#[library_benchmark]
#[bench::all(setup = Rig::filled, config = limit("scan all"))]
fn scan(rig: Rig) -> Rig {
    assert_eq!(count(rig.store.read_all()), EVENTS);
    rig
}

#[library_benchmark]
#[bench::two_lists(setup = Rig::tagged, config = limit("merge two_lists"))]
fn merge(rig: Rig) -> Rig {
    let both = Query::from(QueryItem::new().tag("even").tag("odd"));
    assert_eq!(count(rig.store.read(Read::all().matching(both))), 0);
    rig
}

library_benchmark_group!(name = rows, benchmarks = [encode, decode, append, read, scan, merge]);
main!(library_benchmark_groups = rows);
