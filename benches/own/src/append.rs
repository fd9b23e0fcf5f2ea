//! The rows that append. Each run makes a new file or store, and times the appends alone.

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use annals::{Durability, ExpectedVersion, Store};

use crate::limit::{GroupFile, PlainFile, PlainReader};
use crate::workload::{Call, Tally, Workload};

/// The durable rows: threads, and calls of each.
pub const DURABLE: [(usize, usize); 3] = [(1, 2_000), (8, 500), (64, 200)];

/// The name of the plain file in its folder.
const FILE: &str = "plain";

/// Appends the shares, each on a thread of its own, to a new store in `folder`, checking the
/// expected version with every call; gives the store and the time that it took.
#[must_use]
pub fn annals(
    folder: &Path,
    workload: &Workload,
    shares: &[Vec<Call>],
    durability: Durability,
) -> (Store, Duration) {
    let store = Store::options().durability(durability).open(folder.join("store")).unwrap();
    let time = race(shares, |share| {
        for call in share {
            let expected = ExpectedVersion::at(call.version());
            store.append(workload.stream(call), expected, workload.events(call)).unwrap();
        }
    });
    let events: u64 = shares.iter().flatten().map(Call::count).sum();
    assert_eq!(store.position().get(), events);
    (store, time)
}

/// Writes the shares to a new plain file in `folder`, each durably or none; gives a reader of the
/// file and the time that it took.
#[must_use]
pub fn limit(
    folder: &Path,
    workload: &Workload,
    shares: &[Vec<Call>],
    durability: Durability,
) -> (PlainReader, Duration) {
    let path = folder.join(FILE);
    let time = match durability {
        Durability::Sync => {
            let file = GroupFile::create(&path);
            race(shares, |share| {
                let mut buffer = Vec::new();
                for call in share {
                    let (stream, events) = (workload.stream(call), workload.events(call));
                    file.append(&mut buffer, stream, call.version(), events);
                }
            })
        }
        Durability::Buffered => race(shares, |share| {
            let mut file = PlainFile::create(&path);
            for call in share {
                file.append(workload.stream(call), call.version(), workload.events(call));
            }
        }),
    };
    let reader = PlainReader::open(&path);
    let (mut tally, mut wanted) = (Tally::default(), Tally::default());
    reader.scan(&mut |frame| tally.add(frame.version, frame.metadata, frame.data));
    shares.iter().for_each(|share| wanted.join(Tally::of(workload, share)));
    assert_eq!(tally, wanted);
    (reader, time)
}

/// Runs `work` on each share, on as many threads, and gives the time until the last has ended.
fn race(shares: &[Vec<Call>], work: impl Fn(&[Call]) + Sync) -> Duration {
    if let [share] = shares {
        let start = Instant::now();
        work(share);
        return start.elapsed();
    }
    let barrier = Barrier::new(shares.len() + 1);
    let start = std::thread::scope(|scope| {
        for share in shares {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                barrier.wait();
                work(share);
            });
        }
        let start = Instant::now();
        barrier.wait();
        start
    });
    start.elapsed()
}
