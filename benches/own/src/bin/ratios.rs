//! Prints how Annals stands beside the limit, as a Markdown table: medians of runs that take turns.
//!
//! `ratios [EVENTS [ROW]]`: so many events in the rows that do not sync (200,000 where nothing is
//! said), and only rows whose name has ROW in it. It measures and judges nothing: always exits 0.

use std::time::Instant;

use annals::Durability;
use annals_benches::read::{Loaded, Row};
use annals_benches::turns::{ROUNDS, Turns};
use annals_benches::workload::{Call, LABEL, Workload};
use annals_benches::{append, folder};

const EVENTS: usize = 200_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let events = args.next().map_or(EVENTS, |arg| arg.parse().expect("EVENTS is a number"));
    let filter = args.next().unwrap_or_default();
    let wanted = |name: &str| name.contains(&filter);
    println!("{LABEL}; {}; medians of {ROUNDS} rounds", folder::describe());
    println!();
    println!("| row | limit, events/s | annals, events/s | ratio (least – most) | floor |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let workload = Workload::default();
    for (batch, floor) in [(1, "0.5"), (10, ""), (100, "")] {
        let name = format!("buffered append, {batch} a call");
        if wanted(&name) {
            let calls = [workload.calls(events / batch, batch)];
            append_row(&name, floor, &workload, &calls, Durability::Buffered);
        }
    }
    for (threads, calls) in append::DURABLE {
        let (floor, plural) = if threads == 1 { ("0.8", "") } else { ("", "s") };
        let name = format!("durable append, {threads} thread{plural}");
        if wanted(&name) {
            let shares = workload.shares(threads, calls, 1);
            append_row(&name, floor, &workload, &shares, Durability::Sync);
        }
    }
    if Row::ALL.iter().any(|row| wanted(row.label())) {
        let loaded = Loaded::new(&workload, events, 1);
        for row in Row::ALL.into_iter().filter(|row| wanted(row.label())) {
            let floor = if row == Row::Scan { "0.7" } else { "" };
            let rate = |run: &dyn Fn(Row)| {
                let start = Instant::now();
                run(row);
                loaded.events(row) as f64 / start.elapsed().as_secs_f64()
            };
            let limit = || rate(&|row| loaded.limit(row));
            measure(row.label(), floor, limit, || rate(&|row| loaded.annals(row)));
        }
    }
}

fn append_row(
    name: &str,
    floor: &str,
    workload: &Workload,
    shares: &[Vec<Call>],
    durability: Durability,
) {
    let events: u64 = shares.iter().flatten().map(Call::count).sum();
    let limit = || {
        let folder = folder::fresh();
        let (_, time) = append::limit(folder.path(), workload, shares, durability);
        events as f64 / time.as_secs_f64()
    };
    let annals = || {
        let folder = folder::fresh();
        let (_, time) = append::annals(folder.path(), workload, shares, durability);
        events as f64 / time.as_secs_f64()
    };
    measure(name, floor, limit, annals);
}

fn measure(name: &str, floor: &str, limit: impl Fn() -> f64, annals: impl Fn() -> f64) {
    let turns = Turns::take(&[&|_| limit(), &|_| annals()]);
    let [limit, annals] = [turns.of(0), turns.of(1)].map(|rates| rates.median);
    println!("| {name} | {limit:.0} | {annals:.0} | {} | {floor} |", turns.ratio(1, 0));
}
