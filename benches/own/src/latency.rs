//! Durable appends that arrive at a fixed rate: one event a call, of the workload.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use annals::{ExpectedVersion, IndexKind, Position, Store};

use crate::args::index_name;
use crate::folder;
use crate::limit::{GroupFile, PlainReader};
use crate::pace::{self, Paced};
use crate::workload::{Call, Workload};

/// Small, so that many are sealed during a run.
const SEGMENT_BYTES: u64 = 256 << 10;
/// The index is saved so often.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// How long the rate is looked for.
const CALIBRATION: Duration = Duration::from_secs(1);
/// Followers have everything so long behind the last append.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(60);
/// Most calls a second of one thread that it is prepared for.
const RATE_MAX: usize = 40_000;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nobody: what the clock and waking up take.
    Clock,
    /// A plain file, `write` and `fdatasync` for each group, and how many threads wait to hear of
    /// each call.
    Plain(usize),
    /// A store, and how many follow it.
    Annals(IndexKind, usize),
}

impl Side {
    /// What it is called.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Clock => "nothing, the clock alone".to_owned(),
            Self::Plain(0) => "plain file".to_owned(),
            Self::Plain(waiting) => format!("plain file, {waiting} told"),
            Self::Annals(kind, 0) => format!("annals, {}", index_name(kind)),
            Self::Annals(kind, followers) => {
                format!("annals, {}, {followers} followers", index_name(kind))
            }
        }
    }
}

/// What happened meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meanwhile {
    /// Segments sealed.
    pub sealed: u64,
    /// Times that the index was saved.
    pub saved: u64,
    /// Syncs, as far as they are counted.
    pub syncs: u64,
}

/// The rate that all sides can bear: half of what the slowest of these does where each call waits
/// for the one before.
#[must_use]
pub fn rate(workload: &Workload, writers: usize, sides: &[Side]) -> f64 {
    let most = (CALIBRATION.as_secs_f64() * RATE_MAX as f64) as usize;
    let shares = workload.shares(writers, most / writers, 1);
    let rates = sides.iter().map(|side| {
        let run = |call: pace::Calls<'_>| pace::closed(writers, CALIBRATION, most / writers, call);
        with(*side, workload, &shares, None, run).0
    });
    rates.fold(f64::INFINITY, f64::min) / 2.0
}

/// Appends by the schedule for so long.
#[must_use]
pub fn run(
    side: Side,
    workload: &Workload,
    writers: usize,
    rate: f64,
    time: Duration,
) -> (Paced, Meanwhile) {
    let each = (rate * time.as_secs_f64() / writers as f64) as usize;
    let shares = workload.shares(writers, each, 1);
    let events = each * writers;
    with(side, workload, &shares, Some(events), |call| pace::open(writers, each, rate, call))
}

/// Gives `run` the appends of a side in a new folder, and checks that all `events` are there behind
/// it.
fn with<T>(
    side: Side,
    workload: &Workload,
    shares: &[Vec<Call>],
    events: Option<usize>,
    run: impl FnOnce(pace::Calls<'_>) -> T,
) -> (T, Meanwhile) {
    let folder = folder::fresh();
    match side {
        Side::Clock => (run(&|_, _| {}), Meanwhile::default()),
        Side::Plain(waiting) => {
            let result = plain(folder.path(), waiting, workload, shares, events, run);
            (result, Meanwhile::default())
        }
        Side::Annals(kind, followers) => {
            annals(folder.path(), kind, followers, workload, shares, events, run)
        }
    }
}

fn plain<T>(
    folder: &Path,
    waiting: usize,
    workload: &Workload,
    shares: &[Vec<Call>],
    events: Option<usize>,
    run: impl FnOnce(pace::Calls<'_>) -> T,
) -> T {
    let path = folder.join("plain");
    let file = GroupFile::create(&path);
    let (told, news) = (Mutex::new(0), Condvar::new());
    let tell = |number: u64| {
        *told.lock().unwrap() = number;
        news.notify_all();
    };
    let result = thread::scope(|scope| {
        for _ in 0..waiting {
            scope.spawn(|| {
                let mut told = told.lock().unwrap();
                while *told != u64::MAX {
                    told = news.wait(told).unwrap();
                }
            });
        }
        let result = run(&|writer, number| {
            let call = &shares[writer][number];
            let (stream, events) = (workload.stream(call), workload.events(call));
            file.append(&mut Vec::new(), stream, call.version(), events);
            if waiting > 0 {
                tell(number as u64);
            }
        });
        tell(u64::MAX);
        result
    });
    if let Some(events) = events {
        let mut found = 0;
        PlainReader::open(&path).scan(&mut |_| found += 1);
        assert_eq!(found, events);
    }
    result
}

fn annals<T>(
    folder: &Path,
    kind: IndexKind,
    followers: usize,
    workload: &Workload,
    shares: &[Vec<Call>],
    events: Option<usize>,
    run: impl FnOnce(pace::Calls<'_>) -> T,
) -> (T, Meanwhile) {
    let options = Store::options().index(kind).segment_bytes(SEGMENT_BYTES);
    let store = options.open(folder.join("store")).unwrap();
    let (done, followed) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..followers {
            let follower = store.follow().start().unwrap();
            // Until the store is closed.
            scope.spawn(|| {
                for event in follower {
                    event.unwrap();
                    followed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let saving = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                thread::sleep(SAVE_EVERY);
                store.save_index().unwrap();
            }
        });
        let result = run(&|writer, number| {
            let call = &shares[writer][number];
            let expected = ExpectedVersion::at(call.version());
            store.append(workload.stream(call), expected, workload.events(call)).unwrap();
        });
        done.store(true, Ordering::Relaxed);
        saving.join().unwrap();
        if let Some(events) = events {
            assert_eq!(store.position(), Position::new(events as u64));
            assert_eq!(store.read_all().filter(|event| event.is_ok()).count(), events);
        }
        let counters = store.counters();
        let meanwhile = Meanwhile {
            sealed: counters.log.segments_sealed,
            saved: counters.index_saves,
            syncs: counters.log.syncs,
        };
        let wanted = followers * store.position().get() as usize;
        let begun = Instant::now();
        while followed.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < FOLLOWED_WITHIN, "a follower missed an event");
            thread::sleep(Duration::from_millis(5));
        }
        store.clone().close().unwrap();
        (result, meanwhile)
    })
}
