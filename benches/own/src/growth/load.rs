//! Appending everything.

use std::path::Path;
use std::time::Instant;

use annals::{ExpectedVersion, Position};
use serde_json::json;

use super::{DORMANT, Figures, Size, dormant};
use crate::limit::PlainFile;
use crate::memory;
use crate::workload::{Draw, Workload, name};

/// Parts of the load that are timed by themselves.
const PARTS: u64 = 10;
/// Most events of the plain file: it goes before the store comes, and says little more if larger.
const PLAIN_MAX: u64 = 10_000_000;

/// Loads a new store in `root`, behind a plain file that is removed again.
#[must_use]
pub fn run(root: &Path, size: Size) -> Figures {
    let workload = Workload::new(size.seed(), 1);
    let mut figures = Figures::new();
    let mut put = |name: &str, value: f64| drop(figures.insert(name.to_owned(), json!(value)));

    let plain_events = size.events.min(PLAIN_MAX);
    let plain = plain(root, &workload, size, plain_events);
    put("plain append, events/s", plain);

    let mut draw = Draw::new(size.seed(), size.streams, size.spread);
    let own = memory::status("RssAnon");
    let store = size.options().open(root.join("store")).unwrap();
    for number in 0..DORMANT {
        let events = workload.event(number);
        store.append(&dormant(number), ExpectedVersion::NoStream, events).unwrap();
    }
    let mut parts = Vec::new();
    let ((), peak) = memory::peak(|| {
        for part in 0..PARTS {
            let (from, to) = (size.events * part / PARTS, size.events * (part + 1) / PARTS);
            let start = Instant::now();
            for number in from..to {
                let (stream, version) = draw.append();
                let (expected, events) = (ExpectedVersion::at(version), workload.event(number));
                store.append(&name(stream), expected, events).unwrap();
            }
            parts.push((to - from) as f64 / start.elapsed().as_secs_f64());
        }
    });
    assert_eq!(store.position(), Position::new(size.events + DORMANT));
    let seconds: f64 = parts.iter().map(|rate| size.events as f64 / PARTS as f64 / rate).sum();
    let rate = size.events as f64 / seconds;
    put("append, events/s", rate);
    put("append, of the plain file's", rate / plain);
    put("append, last tenth : first", parts[parts.len() - 1] / parts[0]);
    let slowest = parts.iter().copied().fold(f64::INFINITY, f64::min);
    put("append, slowest tenth : first", slowest / parts[0]);

    let counters = store.counters();
    put("frame, bytes", (counters.log.bytes / counters.log.frames) as f64);
    put("load: index saves", counters.index_saves as f64);
    let start = Instant::now();
    store.sync().unwrap();
    put("sync behind the load, s", start.elapsed().as_secs_f64());
    let stats = store.stats().unwrap();
    put("index in memory, bytes an event", stats.index_memory_bytes as f64 / stats.events as f64);
    let start = Instant::now();
    store.close().unwrap();
    put("close, s", start.elapsed().as_secs_f64());
    put("load: memory of the store, MiB", mebibytes(peak.saturating_sub(own)));
    put("load: most memory with files mapped, MiB", mebibytes(memory::status("VmHWM")));
    figures
}

/// Events a second that a plain file takes.
fn plain(root: &Path, workload: &Workload, size: Size, events: u64) -> f64 {
    let path = root.join("plain");
    let mut draw = Draw::new(size.seed(), size.streams, size.spread);
    let start = Instant::now();
    let mut file = PlainFile::create(&path);
    for number in 0..events {
        let (stream, version) = draw.append();
        file.append(&name(stream), version, workload.event(number));
    }
    let rate = events as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(path).unwrap();
    rate
}

pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
