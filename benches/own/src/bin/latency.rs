//! Prints how long a durable append takes, as a Markdown table: one event a call, arriving at a fixed
//! rate, counted from the moment at which each was due. Segments are sealed and the index is saved
//! meanwhile.
//!
//! `latency [--seconds N] [--writers N,N…] [--index memory|rocksdb] [--followers N] [--json FILE]`:
//! so long for each row (10), with so many writers (1,8,64).
//!
//! The rate is half of what the slowest of the rows does in a closed loop, and the same for all rows
//! with as many writers; those with followers have a rate of their own.

use std::time::Duration;

use annals_benches::args::{Args, kinds};
use annals_benches::latency::{self, Meanwhile, Side};
use annals_benches::pace::Paced;
use annals_benches::table::figure;
use annals_benches::workload::{LABEL, Workload};
use annals_benches::{folder, table};
use serde_json::{Value, json};

const SECONDS: u64 = 10;
const WRITERS: [u64; 3] = [1, 8, 64];
const FOLLOWERS: u64 = 100;
const HEAD: [&str; 10] =
    ["side", "writers", "due/s", "done/s", "p50", "p99", "p99.9", "max", "sealed", "saves"];
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

fn main() {
    let mut args = Args::new();
    let seconds = Duration::from_secs(args.number("--seconds").unwrap_or(SECONDS));
    let writers = args.numbers("--writers").unwrap_or(WRITERS.to_vec());
    let kinds = args.index().map_or_else(kinds, |kind| vec![kind]);
    let followers = args.number("--followers").unwrap_or(FOLLOWERS) as usize;
    let json = args.value("--json");
    args.end();
    println!(
        "{LABEL}; {}; {} s a row; µs from when it was due",
        folder::describe(),
        seconds.as_secs()
    );
    println!();
    let workload = Workload::default();
    table::head(&HEAD);
    let mut figures = Vec::new();
    for writers in writers {
        let writers = writers as usize;
        let mut groups = vec![vec![Side::Plain(0)]];
        groups[0].extend(kinds.iter().map(|&kind| Side::Annals(kind, 0)));
        if followers > 0 {
            let kind = kinds[kinds.len() - 1];
            groups.push(vec![Side::Plain(followers), Side::Annals(kind, followers)]);
        }
        for mut sides in groups {
            let rate = latency::rate(&workload, writers, &sides);
            if sides[0] == Side::Plain(0) {
                sides.insert(0, Side::Clock);
            }
            for side in sides {
                let (paced, meanwhile) = latency::run(side, &workload, writers, rate, seconds);
                figures.push(show(side, writers, rate, &paced, meanwhile));
            }
        }
    }
    table::save(json, &Value::Array(figures));
}

/// Prints a row, and gives its figures.
fn show(side: Side, writers: usize, rate: f64, paced: &Paced, meanwhile: Meanwhile) -> Value {
    let micros = |quantile| paced.times.value_at_quantile(quantile) as f64 / 1e3;
    let mut row = vec![side.label(), writers.to_string(), figure(rate), figure(paced.rate)];
    row.extend(QUANTILES.map(|(_, quantile)| figure(micros(quantile))));
    row.extend([meanwhile.sealed, meanwhile.saved].map(|count| count.to_string()));
    table::row(&row);
    let mut figures = json!({
        "side": side.label(), "writers": writers, "calls": paced.times.len(),
        "due_per_second": rate, "done_per_second": paced.rate,
        "segments_sealed": meanwhile.sealed, "index_saves": meanwhile.saved,
        "syncs": meanwhile.syncs,
    });
    for (name, quantile) in QUANTILES {
        figures[format!("{name}_us")] = json!(micros(quantile));
    }
    figures
}
