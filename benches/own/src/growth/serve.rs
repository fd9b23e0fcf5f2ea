//! Opening what was loaded, and asking it.

use std::path::Path;
use std::time::Instant;

use annals::{Event, ExpectedVersion, Read, Store};
use annals_env::SeededRandom;
use serde_json::json;

use super::load::mebibytes;
use super::places::{self, Places};
use super::{DORMANT, Figures, Size, dormant};
use crate::memory;
use crate::workload::{Workload, name};

/// Streams that are read, and the most events of each.
const READ_STREAMS: u64 = 500;
const READ_EVENTS: u64 = 100;
/// Streams whose last event is read.
const HEADS: u64 = 2_000;
/// Times that a warm store is opened.
const OPENINGS: usize = 5;

struct Serving<'a> {
    root: &'a Path,
    size: Size,
    workload: Workload,
    places: Places,
    figures: Figures,
}

/// Serves the store in `root`, whose frames are so long.
#[must_use]
pub fn run(root: &Path, size: Size, frame_bytes: u64) -> Figures {
    let workload = Workload::new(size.seed(), 1);
    let own = memory::status("RssAnon");
    let places = Places::new(&root.join("store"), frame_bytes);
    let figures = Figures::new();
    let mut serving = Serving { root, size, workload, places, figures };
    let ((), peak) = memory::peak(|| serving.all());
    serving.put("serve: memory of the store, MiB", mebibytes(peak.saturating_sub(own)));
    let most = mebibytes(memory::status("VmHWM"));
    serving.put("serve: most memory with files mapped, MiB", most);
    serving.figures
}

impl Serving<'_> {
    fn all(&mut self) {
        let store = self.root.join("store");
        let events = (self.size.events + DORMANT) as f64;
        self.put("log, bytes an event", places::bytes(&store.join("log")) as f64 / events);
        self.put(
            "index on disk, bytes an event",
            places::bytes(&store.join("index")) as f64 / events,
        );
        for (cold, seed) in [(true, 1), (true, 2), (false, 3)] {
            let state = if cold { "cold" } else { "warm" };
            // Reads and heads of cold streams each begin with nothing.
            if !cold || seed == 1 {
                self.streams(state, seed);
            }
            if !cold || seed == 2 {
                self.heads(state, seed);
            }
        }
        for (state, backward) in [("forward", false), ("backward", true)] {
            self.scan(state, backward);
        }
        let store = self.forgotten();
        self.wake(&store);
        store.close().unwrap();
        let mut times: Vec<_> = (0..OPENINGS).map(|_| self.opening("warm")).collect();
        times.sort_by(f64::total_cmp);
        self.put("open, warm, ms", times[OPENINGS / 2]);
        places::forget(&self.root.join("store"));
        let time = self.opening("cold");
        self.put("open, cold, ms", time);
    }

    fn put(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), json!(value));
    }

    /// The store, with nothing of it in the page cache but what opening it reads.
    fn forgotten(&self) -> Store {
        places::forget(&self.root.join("store"));
        self.open()
    }

    fn open(&self) -> Store {
        self.size.options().create(false).open(self.root.join("store")).unwrap()
    }

    /// Milliseconds until the first append and the first read are answered.
    fn opening(&self, state: &str) -> f64 {
        let start = Instant::now();
        let store = self.open();
        let stream = format!("opened-{state}");
        store.append(&stream, ExpectedVersion::Any, self.workload.event(0)).unwrap();
        assert!(store.last_event(&dormant(0)).unwrap().is_some());
        let time = start.elapsed().as_secs_f64() * 1e3;
        store.close().unwrap();
        time
    }

    /// Streams from their beginning.
    fn streams(&mut self, state: &str, seed: u64) {
        let streams = self.draw(seed, READ_STREAMS);
        let row = format!("stream reads, {state}");
        self.measure(&row, state, |serving, store, positions| {
            for &stream in &streams {
                let read = Read::stream(name(stream)).limit(READ_EVENTS);
                for (version, event) in (1..).zip(store.read(read)) {
                    let event = event.unwrap();
                    assert_eq!(event.version().get(), version);
                    positions.push(serving.checked(&event));
                }
            }
        });
    }

    /// The last events of streams.
    fn heads(&mut self, state: &str, seed: u64) {
        let streams = self.draw(seed, HEADS);
        let row = format!("stream heads, {state}");
        self.measure(&row, state, |serving, store, positions| {
            for &stream in &streams {
                // Of a Zipf-like spread some have nothing.
                let event = store.last_event(&name(stream)).unwrap();
                positions.extend(event.map(|event| serving.checked(&event)));
            }
        });
    }

    /// All events in the order of the log, or the other way round, cold: beside plain reads of all of
    /// the log's files, a piece at a time.
    fn scan(&mut self, direction: &str, backward: bool) {
        let store = self.forgotten();
        let mut events = 0.0;
        let (time, fetched) = timed(1, || {
            let read = Read::all();
            for event in store.read(if backward { read.backward() } else { read }) {
                std::hint::black_box(event.unwrap());
                events += 1.0;
            }
        });
        store.close().unwrap();
        places::forget(&self.root.join("store"));
        let (plain, _) = timed(1, || self.places.scan());
        let row = format!("scan {direction}, cold");
        self.put(&format!("{row}, events/s"), events / time);
        self.put(&format!("{row}, of plain reads"), plain / time);
        self.put(&format!("{row}, KiB from disk an event"), fetched / 1024.0 / events);
    }

    /// Runs `read`, which gives the positions of what it read, beside plain reads of the same; warm:
    /// both for the second time.
    fn measure(&mut self, row: &str, state: &str, read: impl Fn(&Self, &Store, &mut Vec<u64>)) {
        let warm = state == "warm";
        let store = if warm { self.open() } else { self.forgotten() };
        let times = 1 + u32::from(warm);
        let mut positions = Vec::new();
        let (time, fetched) = timed(times, || {
            positions.clear();
            read(self, &store, &mut positions);
        });
        store.close().unwrap();
        assert!(!positions.is_empty());
        if !warm {
            places::forget(&self.root.join("store"));
        }
        let (plain, plain_fetched) = timed(times, || self.places.read(&positions));
        let events = positions.len() as f64;
        self.put(&format!("{row}, events/s"), events / time);
        self.put(&format!("{row}, of plain reads"), plain / time);
        if !warm {
            self.put(&format!("{row}, KiB from disk an event"), fetched / 1024.0 / events);
            let name = format!("{row}, KiB from disk a plain read");
            self.put(&name, plain_fetched / 1024.0 / events);
        }
    }

    /// The first appends to streams that were not touched since the beginning.
    fn wake(&mut self, store: &Store) {
        let start = Instant::now();
        for number in 0..DORMANT {
            let events = self.workload.event(number);
            store.append(&dormant(number), ExpectedVersion::at(1), events).unwrap();
        }
        let rate = DORMANT as f64 / start.elapsed().as_secs_f64();
        self.put("first appends to streams long untouched, cold, events/s", rate);
    }

    /// Its position, once it is the event that was written there.
    fn checked(&self, event: &Event) -> u64 {
        let position = event.position().get();
        if let Some(number) = (position - 1).checked_sub(DORMANT) {
            assert_eq!(event.data(), &self.workload.event(number)[0].data[..]);
        }
        position
    }

    fn draw(&self, seed: u64, count: u64) -> Vec<u64> {
        let random = SeededRandom::new(self.size.seed() ^ seed);
        (0..count).map(|_| random.below(self.size.streams)).collect()
    }
}

/// Seconds that the last of so many runs took, and bytes that it had read from disk.
fn timed(times: u32, mut run: impl FnMut()) -> (f64, f64) {
    let mut last = (0.0, 0.0);
    for _ in 0..times {
        let (start, fetched) = (Instant::now(), memory::disk_reads());
        run();
        last = (start.elapsed().as_secs_f64(), (memory::disk_reads() - fetched) as f64);
    }
    last
}
