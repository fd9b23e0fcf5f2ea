//! Prints how Annals stands beside the limit, as a Markdown table: medians of runs that take turns.
//!
//! `ratios [EVENTS [ROW]]`: so many events in the rows that do not sync (200,000 where nothing is
//! said), and only rows whose name has ROW in it. It measures and judges nothing: always exits 0.

use std::time::Instant;

use annals::Durability;
use annals_benches::read::{Loaded, Row};
use annals_benches::turns::{ROUNDS, Turns};
use annals_benches::workload::{Call, LABEL, POOL, SEED, STREAMS, Workload};
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
    for batch in [1, 100, 10_000] {
        read_rows(events, batch, &wanted);
    }
}

/// The rows that read, of a store that was loaded by commits of `batch` events.
fn read_rows(events: usize, batch: usize, wanted: &dyn Fn(&str) -> bool) {
    let name = |row: Row| match batch {
        1 => row.label().to_owned(),
        _ => format!("{}, {batch} a commit", row.label()),
    };
    let rows: Vec<Row> = Row::ALL.into_iter().filter(|&row| wanted(&name(row))).collect();
    if rows.is_empty() || events < batch {
        return;
    }
    let loaded = Loaded::new(&Workload::with_pool(SEED, STREAMS, batch.max(POOL)), events, batch);
    for row in rows.into_iter().filter(|&row| loaded.events(row) > 0) {
        let rate = |run: &dyn Fn(Row)| {
            let start = Instant::now();
            run(row);
            loaded.events(row) as f64 / start.elapsed().as_secs_f64()
        };
        let limit = || rate(&|row| loaded.limit(row));
        let annals = || rate(&|row| loaded.annals(row));
        measure(&name(row), row.floor(), limit, annals);
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
