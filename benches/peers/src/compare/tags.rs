//! The rows on types and tags: queries, and appends under a condition. The store holds twice as many
//! events as the others, one half tagged `a` and the other `b`, so that each list is as long as the
//! other stores are; one of `a` in a thousand has `d` too, as all of `b` have.

use std::cell::Cell;
use std::time::{Duration, Instant};

use annals::{Durability, NewEvent};
use annals_benches::folder;
use annals_benches::workload::{Tally, Workload};

use super::read::tally;
use super::{Bench, Limit, Unit};
use crate::engine::{Append, Engine, Kind, Settings, Task, Terms};
use crate::engines::plain::Plain;

/// Every so many of the events tagged `a` have `d` as well.
const BOTH: u64 = 1_000;
/// Events tagged `few`.
const FEW: u64 = 10;
/// Events of a commit of the load.
const BATCH: usize = 100;
/// A run goes on as long as this.
const SHORTEST: Duration = Duration::from_millis(200);
/// A run of appends ends behind so many.
const APPENDS: u64 = 20_000;

/// The queries.
const QUERIES: [(&str, Terms<'_>); 2] = [
    ("query by type, 1 in 20", Terms { event_type: Some("AccountEvent07"), tags: &[] }),
    (
        "query by two tags with long lists, 1 in 2,000",
        Terms { event_type: None, tags: &["a", "d"] },
    ),
];

/// The conditions: what must not match, and whether it is asked from the first event on.
const CONDITIONS: [(&str, Terms<'_>, bool); 3] = [
    ("append on a tag with 10 earlier matches", Terms { event_type: None, tags: &["few"] }, false),
    (
        "append on a tag with as many earlier matches as events",
        Terms { event_type: None, tags: &["a"] },
        false,
    ),
    (
        "append on two tags that never meet, from the first event on",
        Terms { event_type: None, tags: &["a", "b"] },
        true,
    ),
];

/// Streams that the load is spread over.
const STREAMS: usize = 64;

/// What the store is loaded with, in commits of [`BATCH`].
struct Tagged {
    streams: Vec<String>,
    events: Vec<NewEvent>,
}

impl Tagged {
    fn new(workload: &Workload, events: usize) -> Self {
        let call = workload.calls(1, 4_000)[0];
        let pool = workload.events(&call);
        let event = |number: u64| {
            let event = pool[number as usize % pool.len()].clone();
            let event = if number < FEW { event.tag("few") } else { event };
            if number % 2 == 1 {
                return event.tag("b").tag("d");
            }
            let event = event.tag("a");
            if number.is_multiple_of(2 * BOTH) { event.tag("d") } else { event }
        };
        let streams = (0..STREAMS).map(|number| format!("tagged-{number:02}")).collect();
        Self { streams, events: (0..events as u64).map(event).collect() }
    }

    fn appends(&self) -> impl Iterator<Item = Append<'_>> {
        let chunk = |(number, events): (usize, _)| {
            let version = (number / STREAMS * BATCH) as u64;
            Append { stream: self.streams[number % STREAMS].as_str(), version, events }
        };
        self.events.chunks(BATCH).enumerate().map(chunk)
    }

    /// The positions of what matches, and what a reader of them must count.
    fn matching(&self, terms: &Terms<'_>) -> (Vec<u64>, Tally) {
        let (mut positions, mut tally, mut position) = (Vec::new(), Tally::default(), 0);
        for append in self.appends() {
            for (version, event) in (append.version + 1..).zip(append.events) {
                position += 1;
                let has = |tag: &&str| event.tags.iter().any(|one| one == tag);
                let of_type = terms.event_type.is_none_or(|wanted| event.event_type == wanted);
                if of_type && terms.tags.iter().all(has) {
                    positions.push(position);
                    tally.add(version, &event.metadata, &event.data);
                }
            }
        }
        (positions, tally)
    }
}

/// Measures them.
pub fn rows(bench: &mut Bench<'_>) {
    let names = QUERIES.iter().map(|(name, _)| name);
    let mut names = names.chain(CONDITIONS.iter().map(|(name, ..)| name));
    if !names.any(|name| bench.wants(name)) {
        return;
    }
    let workload = Workload::default();
    let tagged = Tagged::new(&workload, 2 * bench.options.events);
    let folder = folder::fresh();
    let load = Settings { tagged: true, ..Settings::LOAD };
    let filled = |number: usize, kind: &Kind| {
        eprintln!("  loading {}", kind.name);
        let engine = (kind.open)(&folder.path().join(number.to_string()), &load);
        engine.load(&mut tagged.appends());
        engine.settle();
        (kind.name, engine)
    };
    let able = |kind: &&Kind| kind.why_not(Task::Tags).is_none();
    let engines = bench.options.engines.iter().filter(able).enumerate();
    let engines: Vec<_> = engines.map(|(number, kind)| filled(number, kind)).collect();
    let engine = |kind: &Kind| -> &dyn Engine {
        &*engines.iter().find(|(name, _)| *name == kind.name).unwrap().1
    };
    let plain = Plain::create(&folder.path().join("plain"), Durability::Buffered);
    plain.load(&mut tagged.appends());
    for (name, terms) in QUERIES {
        let (positions, wanted) = tagged.matching(&terms);
        let limit = |_| {
            rate(|| {
                let read = tally(|each| plain.at(&positions, each));
                assert_eq!(read, wanted);
                read.events
            })
        };
        let run = |kind: &Kind, _: usize| {
            rate(|| {
                let read = tally(|each| engine(kind).query(&terms, each));
                assert_eq!(read, wanted, "{} gives other events", kind.name);
                read.events
            })
        };
        bench.row(name, Unit::EventsPerSecond, &[Task::Tags], Limit::Other(&limit), &run);
    }
    let event = workload.events(&workload.calls(1, 1)[0]).to_vec();
    let counter = Cell::new(0);
    for (name, terms, from_first) in CONDITIONS {
        let appends = |append: &dyn Fn(Append<'_>)| {
            counter.set(counter.get() + 1);
            let (stream, mut version) = (format!("counter-{}", counter.get()), 0);
            rate(|| {
                append(Append { stream: &stream, version, events: &event });
                version += 1;
                1
            })
        };
        let limit = |_| appends(&|append| plain.append(append));
        let run = |kind: &Kind, _: usize| {
            let engine = engine(kind);
            appends(&|append| {
                let after = if from_first { 0 } else { engine.position() };
                engine.append_if(append, &terms, after);
            })
        };
        bench.row(name, Unit::CallsPerSecond, &[Task::Tags], Limit::Other(&limit), &run);
    }
}

/// A second's worth of what `run` counts.
fn rate(mut run: impl FnMut() -> u64) -> f64 {
    let (start, mut count, mut runs) = (Instant::now(), 0, 0);
    while runs == 0 || (start.elapsed() < SHORTEST && runs < APPENDS) {
        count += run();
        runs += 1;
    }
    count as f64 / start.elapsed().as_secs_f64()
}
