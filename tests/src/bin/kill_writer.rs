//! Appends from several threads until it is killed, and says on its standard output what was
//! acknowledged: `ack SEED COUNT STREAM FIRST_POSITION FIRST_VERSION`. Before each append it says
//! `try SEED COUNT STREAM`, so that the parent knows what may be there.
//!
//! Arguments: folder, `sync` or `buffered`, the index, first seed, threads, bytes of a segment.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::{Durability, Store};
use annals_tests::model;
use annals_tests::setting;
use annals_tests::workload::seeded;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, durability, index, seed, threads, segment_bytes] = &arguments[..] else {
        panic!("usage: kill_writer FOLDER sync|buffered INDEX SEED THREADS SEGMENT_BYTES");
    };
    let durability = match durability.as_str() {
        "sync" => Durability::Sync,
        "buffered" => Durability::Buffered,
        other => panic!("{other:?} is no durability"),
    };
    let store = Store::options()
        .durability(durability)
        .index(setting::index_named(index))
        .segment_bytes(segment_bytes.parse().expect("a number"))
        .open(folder)
        .expect("the store opens");
    say(&format!("open {}", store.position()));
    let next = AtomicU64::new(seed.parse().expect("a number"));
    let threads: u64 = threads.parse().expect("a number");
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (store, next) = (&store, &next);
            scope.spawn(move || append_for_ever(store, next, thread));
        }
    });
}

fn append_for_ever(store: &Store, next: &AtomicU64, thread: u64) {
    loop {
        let seed = next.fetch_add(10, Ordering::Relaxed);
        let count = 1 + seed / 10 % 5;
        // Most write to streams of their own; every third commit goes to one that all share.
        let stream = match seed / 10 % 3 {
            0 => "shared-1".to_owned(),
            _ => format!("own-{thread}"),
        };
        say(&format!("try {seed} {count} {stream}"));
        let events = seeded::marked(seed, count);
        let commit = model::any(stream.clone(), events);
        let commit = if (seed / 10).is_multiple_of(7) { commit.durable() } else { commit };
        match store.commit(&commit) {
            Ok(receipt) => say(&format!(
                "ack {seed} {count} {stream} {} {}",
                receipt.first_position, receipt.first_version
            )),
            Err(error) => {
                say(&format!("failed {error}"));
                return;
            }
        }
    }
}

/// One write a line, so that none is torn apart by another thread's.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone already.
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}
