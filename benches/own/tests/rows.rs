//! The rows give the same answers from Annals and from the plain file, at a small size.

use std::time::Duration;

use annals::{Durability, IndexKind};
use annals_benches::growth::{Size, load, serve};
use annals_benches::latency::Side;
use annals_benches::read::{Loaded, Row};
use annals_benches::workload::{Spread, Tally, Workload};
use annals_benches::{append, folder, latency};

#[test]
fn both_sides_read_what_was_written() {
    let workload = Workload::new(1, 40);
    for batch in [1, 10] {
        let loaded = Loaded::new(&workload, 3_000, batch);
        for row in Row::ALL {
            loaded.limit(row);
            loaded.annals(row);
        }
    }
}

#[test]
fn threads_share_no_stream() {
    let workload = Workload::new(2, 40);
    let shares = workload.shares(8, 20, 1);
    // Each checks that all is there, and the store refuses a call with a stale version.
    let folder = folder::fresh();
    let _ = append::annals(folder.path(), &workload, &shares, Durability::Sync);
    let _ = append::limit(folder.path(), &workload, &shares, Durability::Sync);
}

#[test]
fn a_seed_gives_the_same_calls() {
    let tally = |seed| {
        let workload = Workload::new(seed, 100);
        Tally::of(&workload, &workload.calls(500, 3))
    };
    assert_eq!(tally(7), tally(7));
    assert_ne!(tally(7), tally(8));
    assert_eq!(tally(7).events, 1_500);
}

#[test]
fn appends_by_a_schedule_are_all_there_and_heard_of() {
    let workload = Workload::new(3, 40);
    for side in [Side::Plain(0), Side::Plain(3), Side::Annals(IndexKind::Memory, 3)] {
        // Each checks what there is behind it.
        let time = Duration::from_millis(200);
        let (paced, _) = latency::run(side, &workload, 4, 400.0, time);
        assert_eq!(paced.times.len(), 80, "{side:?}");
    }
}

#[test]
fn a_store_that_grew_serves_what_was_loaded() {
    for spread in [Spread::Uniform, Spread::Zipf] {
        let size = Size { events: 20_000, streams: 2_000, spread, index: IndexKind::Memory };
        let folder = folder::fresh();
        let loaded = load::run(folder.path(), size);
        let frame_bytes = loaded["frame, bytes"].as_f64().unwrap();
        let served = serve::run(folder.path(), size, frame_bytes as u64);
        for figures in [&loaded, &served] {
            for (name, figure) in figures {
                let figure = figure.as_f64().unwrap();
                assert!(figure.is_finite() && figure >= 0.0, "{name}: {figure}");
            }
        }
        assert!(served["log, bytes an event"].as_f64().unwrap() >= frame_bytes);
    }
}
