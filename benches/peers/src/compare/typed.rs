//! The rows on typed state, over the events of the bench of replay: Annals loads aggregates, the
//! others fold the events of a stream that they read.

use std::time::{Duration, Instant};

use super::{Bench, Limit, Unit};
use crate::engine::{Engine, Kind, Task};
use crate::engines::{ANNALS, plain};
use crate::history::LONG;
use crate::replay::{At, Replay, folded};

/// A run goes on as long as this.
const SHORTEST: Duration = Duration::from_millis(100);

const SHORT: &str = "load an aggregate of 100 events";
const SNAPSHOTS: &str = "load an aggregate of 10,000 events, with snapshots where there are any";
const MOMENT: &str = "state as of a moment, an aggregate of 10,000 events";

/// Measures them. They know one index only, which no row here reads much of.
pub fn rows(bench: &mut Bench<'_>) {
    if ![SHORT, SNAPSHOTS, MOMENT].iter().any(|name| bench.wants(name)) {
        return;
    }
    let is_annals = |kind: &Kind| ANNALS.iter().any(|one| one.name == kind.name);
    let peers = bench.options.engines.iter().filter(|kind| !is_annals(kind));
    let replay = Replay::beside(bench.options.events, &peers.copied().collect::<Vec<_>>());
    let engine = |kind: &Kind| -> &dyn Engine {
        let peer = replay.peers.iter().find(|(name, _)| *name == kind.name);
        peer.map_or(&*replay.plain, |(_, engine)| &**engine)
    };
    let short = |kind: &Kind, round: usize| {
        if is_annals(kind) {
            return rate(|| replay.load(round, |stream| replay.annals(stream)));
        }
        rate(|| replay.load(round, |stream| folded(engine(kind), stream)))
    };
    bench.row(SHORT, Unit::CallsPerSecond, &[], Limit::Plain, &short);
    let (_, whole) = replay.answers.long.last().unwrap();
    let long = |kind: &Kind, round: usize| {
        if is_annals(kind) {
            return rate(|| replay.long(&replay.points(round, At::Head)));
        }
        rate(|| {
            assert_eq!(folded(engine(kind), LONG), *whole);
            1
        })
    };
    bench.row(SNAPSHOTS, Unit::CallsPerSecond, &[], Limit::Plain, &long);
    let moment = |kind: &Kind, round: usize| {
        assert!(is_annals(kind) || kind.name == plain::KIND.name);
        rate(|| replay.long(&replay.points(round, At::Moments)))
    };
    bench.row(MOMENT, Unit::CallsPerSecond, &[Task::Moments], Limit::None, &moment);
}

/// How many a second of what `run` counts.
fn rate(mut run: impl FnMut() -> usize) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    while count == 0 || start.elapsed() < SHORTEST {
        count += run();
    }
    count as f64 / start.elapsed().as_secs_f64()
}
