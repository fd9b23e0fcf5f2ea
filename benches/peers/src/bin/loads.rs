//! Loads accounts of 100 events from Annals and does nothing else, for a profiler to attach to:
//! `loads [SECONDS [EVENTS]]`.

use std::time::{Duration, Instant};

use annals_peers::replay::Replay;

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|arg| arg.parse().unwrap()).collect();
    let seconds = args.first().copied().unwrap_or(30);
    let replay = Replay::new(args.get(1).map_or(1_000_000, |&events| events as usize));
    eprintln!("process {} loads for {seconds} s from now on", std::process::id());
    let (start, mut loads) = (Instant::now(), 0);
    for run in 0.. {
        loads += replay.load(run, |stream| replay.annals(stream));
        if start.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    println!("{:.1} µs a load", start.elapsed().as_secs_f64() * 1e6 / loads as f64);
}
