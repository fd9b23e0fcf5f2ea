//! A reader beside a writer that goes on for long: it takes the index anew as it was saved, so that
//! its memory stays bounded, and nobody who looks meanwhile sees less.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use annals::{Durability, ExpectedVersion, NewEvent, ReadOnlyStore, Store};
use annals_tests::kinds;
use tempfile::TempDir;

const ANY: ExpectedVersion = ExpectedVersion::Any;
const BATCH: u64 = 50_000;
/// A reader takes the index anew behind 1,048,576 events.
const BATCHES: u64 = 22;

#[test]
fn views_see_everything_while_the_index_is_taken_anew() {
    for kind in kinds() {
        let dir = TempDir::new().unwrap();
        let options = Store::options().durability(Durability::Buffered).index(kind);
        let store = options.open(dir.path()).unwrap();
        let beside = ReadOnlyStore::open(dir.path()).unwrap();
        let batch: Vec<_> = (0..BATCH)
            .map(|n| NewEvent::json("Counted", "{}").tag(format!("n:{}", n % 97)))
            .collect();
        for n in 0..BATCHES {
            store.append(&format!("batch-{n}"), ANY, &batch).unwrap();
        }
        store.sync().unwrap();
        while store.counters().index_saves == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        let one = [NewEvent::json("Last", "{}")];
        let last = store.append("last-1", ANY, &one).unwrap().position;
        assert_eq!(beside.refresh().unwrap(), last);
        let done = AtomicBool::new(false);
        thread::scope(|threads| {
            let looking = threads.spawn(|| {
                let mut looks = 0_u64;
                while !done.load(Ordering::SeqCst) {
                    let view = beside.head();
                    assert!(view.position() >= last);
                    assert_eq!(view.version("last-1").unwrap().get(), 1, "look {looks}");
                    looks += 1;
                }
            });
            let next = || -> annals::Result<_> {
                let written = store.append("next-1", ANY, &one)?;
                let seen = (beside.refresh()?, beside.version("next-1")?);
                Ok(((written.position, written.version), seen))
            };
            let seen: Vec<_> = (0..3).map(|_| next()).collect();
            // Before anything is judged: the other must not look for ever.
            done.store(true, Ordering::SeqCst);
            looking.join().unwrap();
            for seen in seen {
                let (written, seen) = seen.unwrap();
                assert_eq!(seen, written);
            }
        });
    }
}
