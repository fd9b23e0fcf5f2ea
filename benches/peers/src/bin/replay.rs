//! Prints how replay stands beside the limit and beside peers, as Markdown tables: medians of runs
//! that take turns.
//!
//! `replay [EVENTS]`: so many events in streams of 100 (1,000,000 where nothing is said), and one
//! stream of 10,000 more. It measures and judges nothing: always exits 0.

use std::time::Instant;

use annals_benches::folder;
use annals_benches::turns::{ROUNDS, Side, Turns};
use annals_peers::engine::Engine;
use annals_peers::history::LABEL;
use annals_peers::replay::{At, Replay, folded};

const EVENTS: usize = 1_000_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let events = args.next().map_or(EVENTS, |arg| arg.parse().expect("EVENTS is a number"));
    let replay = Replay::new(events);
    let stats = replay.stats();
    println!("{} events, {LABEL}; {}", replay.events(), folder::describe());
    println!("{} of {} segments sealed", stats.segments_sealed, stats.segments);
    println!("medians of {ROUNDS} rounds (least – most)");
    rates(&replay);
    snapshots(&replay);
}

/// What is read from all events of a stream or of the store.
fn rates(replay: &Replay) {
    println!();
    let beside = replay.peers.iter().map(|(name, _)| format!(" {name}, events/s | of {name} |"));
    println!(
        "| row | limit | limit, events/s | annals, events/s | of the limit | floor |{}",
        beside.collect::<String>()
    );
    println!(
        "| --- | --- | ---: | ---: | ---: | ---: |{}",
        " ---: | ---: |".repeat(replay.peers.len())
    );
    let row =
        |name, limit, floor, sides: [Side<'_>; 2], peer: &dyn Fn(usize, &dyn Engine) -> f64| {
            let peers = replay.peers.iter().map(|(_, one)| move |round| peer(round, &**one));
            let peers: Vec<_> = peers.collect();
            let sides = sides.into_iter().chain(peers.iter().map(|peer| peer as Side<'_>));
            let turns = Turns::take(&sides.collect::<Vec<_>>());
            let rate = |side| turns.of(side).median;
            let of_limit = turns.ratio(1, 0);
            print!("| {name} | {limit} | {:.0} | {:.0} | {of_limit} | {floor} |", rate(0), rate(1));
            for side in 2..2 + peers.len() {
                print!(" {:.0} | {} |", rate(side), turns.ratio(1, side));
            }
            println!();
        };
    let load = |round, load: &dyn Fn(&str) -> _| per_second(|| replay.load(round, load) * 100);
    row(
        "load an account of 100 events",
        "a plain file in a map, decoded by hand",
        "0.5",
        [&|round| load(round, &|stream| folded(&*replay.plain, stream)), &|round| {
            load(round, &|stream| replay.annals(stream))
        }],
        &|round, peer| load(round, &|stream| folded(peer, stream)),
    );
    let all = |run: &dyn Fn()| {
        per_second(|| {
            run();
            replay.events()
        })
    };
    let scan = |_: usize| all(&|| replay.scan());
    let by_type = |_: usize, peer: &dyn Engine| all(&|| replay.peer_by_type(peer));
    let total = |_: usize, peer: &dyn Engine| all(&|| replay.peer_total(peer));
    let scanned = "the scan of the same store";
    row(
        "`Projector`, by type, from the first event on",
        scanned,
        "0.5",
        [&scan, &|_| all(&|| replay.project_by_type())],
        &by_type,
    );
    row(
        "`ByType::over` the store",
        scanned,
        "0.5",
        [&scan, &|_| all(&|| replay.by_type())],
        &by_type,
    );
    row(
        "`Projector`, each event decoded",
        scanned,
        "",
        [&scan, &|_| all(&|| replay.project_total())],
        &total,
    );
}

/// What snapshots leave of the cost of a long stream.
fn snapshots(replay: &Replay) {
    println!();
    println!(
        "| the stream of 10,000 events, with snapshots | µs | in loads of 100 events | at most |"
    );
    println!("| --- | ---: | ---: | ---: |");
    let short = |round| 1e6 / per_second(|| replay.load(round, |stream| replay.annals(stream)));
    for at in At::ALL {
        let long = |round| {
            let points = replay.points(round, at);
            1e6 / per_second(|| replay.long(&points))
        };
        let turns = Turns::take(&[&short, &long]);
        println!("| {} | {:.1} | {} | 2 |", at.label(), turns.of(1).median, turns.ratio(1, 0));
    }
}

/// How many a second of what `run` counts.
fn per_second(run: impl FnOnce() -> usize) -> f64 {
    let start = Instant::now();
    let count = run();
    count as f64 / start.elapsed().as_secs_f64()
}
