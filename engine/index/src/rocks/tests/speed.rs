//! How fast it is, how large, how much memory it takes.

use annals_env::{Clock, SystemClock};

use super::*;

/// `cargo test --release -p annals-index --features rocksdb -- --ignored --nocapture how_fast`
#[test]
#[ignore = "measures"]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn how_fast() {
    const EVENTS: u64 = 1_000_000;
    for (streams, save_events) in
        [(10_000, 32_768), (10_000, 131_072), (10_000, SAVE_EVENTS), (1_000_000, SAVE_EVENTS)]
    {
        let dir = TempDir::new().unwrap();
        let index = open(dir.path());
        let mut versions = vec![0_u64; size(streams)];
        let random = SeededRandom::new(1);
        let (mut applying, mut saving) = (0, 0);
        let now = || SystemClock.now().as_micros();
        let (mut rss, mut events) = (0, Vec::new());
        for position in 1..=EVENTS {
            let stream = random.below(streams);
            versions[size(stream)] += 1;
            let terms = [1, 10 + position % 20, 1000 + random.below(100_000)];
            events.push(Event {
                position,
                stream: format!("order-{stream:08}"),
                version: versions[size(stream)],
                id: None,
                terms: terms.map(Term::new).to_vec(),
            });
            if position % save_events == 0 || position == EVENTS {
                let begin = now();
                index.apply(&mut events.iter().map(Event::entry));
                applying += now() - begin;
                events.clear();
                let begin = now();
                index.save(covers(index.covers())).unwrap();
                saving += now() - begin;
                rss = rss.max(resident());
            }
        }
        println!(
            "{streams} streams, saved every {save_events}: apply {applying} µs, save {saving} µs, {} events/s, {} bytes an event, {rss} KiB resident, says {}",
            EVENTS.cast_signed() * 1_000_000 / (applying + saving),
            index.disk_bytes() / EVENTS,
            index.memory_bytes(),
        );
        drop(index);
        let begin = now();
        let index = open(dir.path());
        println!("open {} µs, {} bytes an event", now() - begin, index.disk_bytes() / EVENTS);
        let each = |what: &str, times: u64, ask: &mut dyn FnMut()| {
            ask();
            let begin = now();
            (0..times).for_each(|_| ask());
            println!("{what}: {:.1} µs", (now() - begin) as f64 / times as f64);
        };
        let mut out = Vec::new();
        let some = || format!("order-{:08}", random.below(streams));
        each("head", 20_000, &mut || {
            index.head(&some(), Position::START, Position::MAX).unwrap();
        });
        each("head that is not there", 20_000, &mut || {
            index.head("order-x", Position::START, Position::MAX).unwrap();
        });
        each("positions of a stream", 5000, &mut || {
            out.clear();
            index.positions(&some(), Version::NONE, Position::MAX, 10_000, &mut out).unwrap();
        });
        each("newest of a term of all", 5000, &mut || {
            out.clear();
            index.postings_back(Term::new(1), Position::START, Position::MAX, &mut out).unwrap();
        });
        each("first of a term of all", 5000, &mut || {
            out.clear();
            index.postings(Term::new(1), Position::new(500_500), Position::MAX, &mut out).unwrap();
        });
        each("a rare term", 5000, &mut || {
            let term = Term::new(1000 + random.below(100_000));
            out.clear();
            index.postings(term, Position::START, Position::MAX, &mut out).unwrap();
        });
        each("a term that is not there", 5000, &mut || {
            index.postings(Term::new(7), Position::START, Position::MAX, &mut out).unwrap();
        });
        each("estimate of a term of all", 5000, &mut || {
            index.estimate(Term::new(1), Position::START, Position::MAX).unwrap();
        });
        each("stream count, older", 20, &mut || {
            index.stream_count(Position::new(EVENTS / 2)).unwrap();
        });
        each("page of 100 streams", 100, &mut || {
            let mut out = Vec::new();
            let all = StreamFilter::All;
            index.streams(&all, Some(&some()), Position::MAX, 100, &mut out).unwrap();
        });
    }
}

/// KiB of memory that the process has now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
