//! The rows that read, from stores that hold the same, loaded by commits of different sizes.

use std::time::{Duration, Instant};

use annals_benches::folder;
use annals_benches::workload::{Call, SEED, STREAMS, Tally, Workload};
use tempfile::TempDir;

use super::append::appended;
use super::{Bench, Limit, Unit};
use crate::engine::{Engine, Kind, Seen, Settings, Task};
use crate::engines::plain;

/// Events of a commit of the largest size.
const LARGEST: usize = 10_000;
/// Streams of each size that a run reads, at most.
const WHOLE_STREAMS: usize = 400;
/// The same of the large ones.
const LARGE_STREAMS: usize = 3;
/// Streams whose last event a run reads, at most.
const LAST_STREAMS: usize = 1_000;
/// A run goes on as long as this.
const SHORTEST: Duration = Duration::from_millis(100);

/// What a row reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Whole streams of about so many events.
    Whole(u64),
    /// The second half of them.
    Middle(u64),
    /// Last events.
    Last,
    /// All.
    Scan,
}

/// The rows on stores that were loaded by commits of so many events.
const ROWS: [(usize, &[What]); 3] = [
    (1, &[What::Whole(100), What::Whole(10_000), What::Last, What::Middle(100), What::Scan]),
    (100, &[What::Whole(100), What::Whole(10_000), What::Last, What::Middle(100)]),
    (LARGEST, &[What::Whole(10_000), What::Last, What::Middle(10_000)]),
];

impl What {
    fn label(self, batch: usize) -> String {
        let what = match self {
            Self::Whole(100) => "whole stream of 100",
            Self::Whole(_) => "whole stream of 10,000",
            Self::Middle(100) => "from the middle of 100",
            Self::Middle(_) => "from the middle of 10,000",
            Self::Last => "last event of a stream",
            Self::Scan => "scan in global order",
        };
        match batch {
            1 => format!("{what}, commits of one"),
            100 => format!("{what}, commits of 100"),
            _ => format!("{what}, commits of 10,000"),
        }
    }
}

/// Measures them.
pub fn rows(bench: &mut Bench<'_>) {
    for (batch, rows) in ROWS {
        if !rows.iter().any(|row| bench.wants(&row.label(batch))) {
            continue;
        }
        let events = bench.options.events;
        let pool = batch.min(events).max(4_096);
        let workload = Workload::with_pool(SEED, STREAMS, pool);
        let calls = workload.calls(events.div_ceil(batch), batch.min(events));
        let loaded = Loaded::new(&bench.options.engines, &workload, &calls);
        for &what in rows {
            let asked = Asked::new(&workload, &calls, what);
            let tasks: &[Task] = if what == What::Scan { &[Task::Scan] } else { &[] };
            let run = |kind: &Kind, round| asked.rate(kind, loaded.engine(kind), round);
            let name = what.label(batch);
            bench.row(&name, Unit::EventsPerSecond, tasks, Limit::Plain, &run);
        }
    }
}

/// The limit and the engines, each with the same events in it.
struct Loaded {
    engines: Vec<(&'static str, Box<dyn Engine>)>,
    _folder: TempDir,
}

impl Loaded {
    fn new(kinds: &[Kind], workload: &Workload, calls: &[Call]) -> Self {
        let folder = folder::fresh();
        let engines = [plain::KIND].iter().chain(kinds).enumerate().map(|(number, kind)| {
            eprintln!("  loading {}", kind.name);
            let engine = (kind.open)(&folder.path().join(number.to_string()), &Settings::LOAD);
            engine.load(&mut calls.iter().map(|call| appended(workload, call)));
            engine.settle();
            (kind.name, engine)
        });
        Self { engines: engines.collect(), _folder: folder }
    }

    fn engine(&self, kind: &Kind) -> &dyn Engine {
        let (_, engine) = self.engines.iter().find(|(name, _)| *name == kind.name).unwrap();
        &**engine
    }
}

/// What is asked, and what must be answered.
struct Asked {
    what: What,
    /// Streams, each with the version to begin at and what follows.
    streams: Vec<(String, u64, Tally)>,
    all: Tally,
}

impl Asked {
    fn new(workload: &Workload, calls: &[Call], what: What) -> Self {
        let of_all = workload.by_stream(calls);
        let events = |calls: &[Call]| calls.iter().map(Call::count).sum::<u64>();
        let chosen: Vec<usize> = match what {
            What::Whole(size) | What::Middle(size) => {
                let most = if size == 100 { WHOLE_STREAMS } else { LARGE_STREAMS };
                let mut nearest: Vec<usize> = (0..of_all.len()).collect();
                nearest.sort_by_key(|&at| events(&of_all[at].1).abs_diff(size));
                nearest.truncate(most);
                nearest
            }
            What::Last => (0..of_all.len()).step_by(of_all.len().div_ceil(LAST_STREAMS)).collect(),
            What::Scan => Vec::new(),
        };
        let stream = |at: usize| {
            let (name, calls) = &of_all[at];
            let from = match what {
                What::Middle(_) => events(calls) / 2 + 1,
                What::Last => events(calls),
                What::Whole(_) | What::Scan => 1,
            };
            let mut tally = Tally::default();
            for call in calls {
                let versions = call.version() + 1..;
                for (version, event) in versions.zip(workload.events(call)) {
                    if version >= from {
                        tally.add(version, &event.metadata, &event.data);
                    }
                }
            }
            ((*name).to_owned(), from, tally)
        };
        let streams = chosen.into_iter().map(stream).collect();
        Self { what, streams, all: Tally::of(workload, calls) }
    }

    /// Events a second; each answer is checked.
    fn rate(&self, kind: &Kind, engine: &dyn Engine, round: usize) -> f64 {
        if round == 1 {
            // Read from memory from then on.
            self.once(kind, engine);
        }
        let (start, mut events) = (Instant::now(), 0);
        while events == 0 || start.elapsed() < SHORTEST {
            events += self.once(kind, engine);
        }
        events as f64 / start.elapsed().as_secs_f64()
    }

    fn once(&self, kind: &Kind, engine: &dyn Engine) -> u64 {
        if self.what == What::Scan {
            let tally = tally(|each| engine.scan(each));
            assert_eq!(tally, self.all, "{} gives other events", kind.name);
            return tally.events;
        }
        let mut events = 0;
        for (name, from, wanted) in &self.streams {
            let tally = tally(|each| match self.what {
                What::Last => engine.last(name, each),
                _ => engine.stream(name, *from, each),
            });
            assert_eq!(tally, *wanted, "{} gives other events of {name}", kind.name);
            events += tally.events;
        }
        events
    }
}

/// What is given by `read`.
pub(super) fn tally(read: impl FnOnce(&mut dyn FnMut(Seen<'_>))) -> Tally {
    let mut tally = Tally::default();
    read(&mut |seen| tally.add(seen.version, seen.metadata, seen.data));
    tally
}
