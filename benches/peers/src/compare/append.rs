//! The rows that append. Each run makes a new store and times the appends alone; the first one
//! checks what is in it. A slow engine is stopped after six seconds, and its rate is that of what it
//! did until then, from an emptier store than the others'.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use annals::Durability;
use annals_benches::append::DURABLE;
use annals_benches::folder;
use annals_benches::limit::GroupFile;
use annals_benches::workload::{Call, Tally, Workload};

use super::{Bench, Limit, Unit};
use crate::engine::{Append, Engine, Kind, Settings, Task};

/// The longest that a run may take.
const LONGEST: Duration = Duration::from_secs(6);
/// Calls between two looks at the clock.
const STRIDE: usize = 16;
/// Appends on their way in the pipelined row, and events of a group of its limit.
const IN_FLIGHT: usize = 64;
/// Groups of [`IN_FLIGHT`] in a run of the pipelined row.
const GROUPS: usize = 400;

/// Measures them.
pub fn rows(bench: &mut Bench<'_>) {
    let workload = Workload::default();
    for batch in [1, 10, 100] {
        let name = format!("buffered append, {batch} a call");
        if bench.wants(&name) {
            let shares = [workload.calls(bench.options.events / batch, batch)];
            let settings = Settings::new(Durability::Buffered);
            let run = |kind: &Kind, round| append(kind, &workload, &shares, settings, round);
            bench.row(&name, Unit::EventsPerSecond, &[Task::Buffered], Limit::Plain, &run);
        }
    }
    let groups = bench.options.events.min(GROUPS * IN_FLIGHT).div_ceil(IN_FLIGHT);
    let of_groups = |_| synced_groups(&workload, groups);
    for (threads, calls) in DURABLE {
        let plural = if threads == 1 { "" } else { "s" };
        let name = format!("durable append, {threads} thread{plural}");
        let limit = match threads {
            IN_FLIGHT => Limit::Other(&of_groups),
            _ => Limit::Plain,
        };
        let calls = calls.min(bench.options.events.div_ceil(threads));
        let shares = workload.shares(threads, calls, 1);
        let settings = Settings { in_flight: threads, ..Settings::new(Durability::Sync) };
        let run = |kind: &Kind, round| append(kind, &workload, &shares, settings, round);
        bench.row(&name, Unit::EventsPerSecond, &[], limit, &run);
    }
    let calls = workload.calls(groups * IN_FLIGHT, 1);
    let run = |kind: &Kind, round| pipeline(kind, &workload, &calls, round);
    let limit = Limit::Other(&of_groups);
    let name = "64 pipelined submits, 1 thread";
    bench.row(name, Unit::EventsPerSecond, &[Task::Pipeline], limit, &run);
}

/// What a call appends.
pub(super) fn appended<'a>(workload: &'a Workload, call: &Call) -> Append<'a> {
    let (stream, events) = (workload.stream(call), workload.events(call));
    Append { stream, version: call.version(), events }
}

/// Events a second of the shares, each on a thread of its own.
fn append(
    kind: &Kind,
    workload: &Workload,
    shares: &[Vec<Call>],
    settings: Settings,
    round: usize,
) -> f64 {
    let folder = folder::fresh();
    let engine = (kind.open)(&folder.path().join("store"), &settings);
    let barrier = Barrier::new(shares.len() + 1);
    let (done, time) = std::thread::scope(|scope| {
        let (engine, barrier) = (&*engine, &barrier);
        let work = |share: &'_ [Call]| {
            barrier.wait();
            let start = Instant::now();
            for (at, call) in share.iter().enumerate() {
                if at % STRIDE == 0 && start.elapsed() > LONGEST {
                    return at;
                }
                engine.append(appended(workload, call));
            }
            share.len()
        };
        let threads: Vec<_> = shares.iter().map(|share| scope.spawn(move || work(share))).collect();
        barrier.wait();
        let start = Instant::now();
        let done: Vec<usize> = threads.into_iter().map(|one| one.join().unwrap()).collect();
        (done, start.elapsed())
    });
    let done: Vec<&[Call]> = shares.iter().zip(done).map(|(share, done)| &share[..done]).collect();
    if round == 1 {
        check(kind, &*engine, workload, &done);
    }
    engine.close();
    let events: u64 = done.iter().flat_map(|share| share.iter()).map(Call::count).sum();
    events as f64 / time.as_secs_f64()
}

fn pipeline(kind: &Kind, workload: &Workload, calls: &[Call], round: usize) -> f64 {
    let folder = folder::fresh();
    let settings = Settings { in_flight: IN_FLIGHT, ..Settings::new(Durability::Sync) };
    let engine = (kind.open)(&folder.path().join("store"), &settings);
    let start = Instant::now();
    let mut done = 0;
    let mut appends = calls.iter().take_while(|_| start.elapsed() < LONGEST).map(|call| {
        done += 1;
        appended(workload, call)
    });
    engine.pipeline(&mut appends, IN_FLIGHT);
    let time = start.elapsed();
    if round == 1 {
        check(kind, &*engine, workload, &[&calls[..done]]);
    }
    engine.close();
    done as f64 / time.as_secs_f64()
}

/// Events a second of a plain file that is synced behind every [`IN_FLIGHT`] of them.
fn synced_groups(workload: &Workload, groups: usize) -> f64 {
    let folder = folder::fresh();
    let file = GroupFile::create(&folder.path().join("plain"));
    let (calls, mut buffer) = (workload.calls(groups, IN_FLIGHT), Vec::new());
    let start = Instant::now();
    for call in &calls {
        file.append(&mut buffer, workload.stream(call), call.version(), workload.events(call));
    }
    (groups * IN_FLIGHT) as f64 / start.elapsed().as_secs_f64()
}

/// Reads all back: in global order, or stream by stream where there is none.
fn check(kind: &Kind, engine: &dyn Engine, workload: &Workload, shares: &[&[Call]]) {
    let mut wanted = Tally::default();
    shares.iter().for_each(|share| wanted.join(Tally::of(workload, share)));
    engine.settle();
    let mut tally = Tally::default();
    let mut each =
        |seen: crate::engine::Seen<'_>| tally.add(seen.version, seen.metadata, seen.data);
    if kind.why_not(Task::Scan).is_none() {
        engine.scan(&mut each);
    } else {
        let calls: Vec<Call> = shares.iter().flat_map(|share| share.iter()).copied().collect();
        for (stream, _) in workload.by_stream(&calls) {
            engine.stream(stream, 1, &mut each);
        }
    }
    assert_eq!(tally, wanted, "{} gives other events", kind.name);
}
