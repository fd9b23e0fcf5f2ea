//! Appends from several threads until it is killed; told `reopen`, it closes the store every few
//! commits and opens it again, told `stay` it does not. It says on its standard output what it does: `open POSITION`, `closing`, `closed`; before
//! each append `try NUMBER THREAD`, so that the parent knows what may be there
//! ([`numbered`] makes the commit from it), and `ack NUMBER FIRST LAST` once it is acknowledged.
//!
//! Arguments: folder, `sync` or `buffered`, the index, `reopen` or `stay`, first number, threads, bytes
//! of a segment.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::{Commit, Durability, Receipt, Result, Store, Submitted};
use annals_tests::setting;
use annals_tests::workload::numbered::{self, Known};

/// Commits of a thread between two openings, at least and at most.
const COMMITS_MIN: u64 = 2;
const COMMITS_MAX: u64 = 40;
/// Commits that a thread submits before it waits for them.
const PIPELINED: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, durability, index, life, first, threads, segment_bytes] = &arguments[..] else {
        panic!(
            "usage: kill_writer FOLDER sync|buffered INDEX reopen|stay NUMBER THREADS SEGMENT_BYTES"
        );
    };
    let durability = match durability.as_str() {
        "sync" => Durability::Sync,
        "buffered" => Durability::Buffered,
        other => panic!("{other:?} is no durability"),
    };
    let reopens = match life.as_str() {
        "reopen" => true,
        "stay" => false,
        other => panic!("{other:?} is no way of life"),
    };
    let options = Store::options()
        .durability(durability)
        .index(setting::index_named(index))
        .segment_bytes(segment_bytes.parse().expect("a number"));
    let next = AtomicU64::new(first.parse().expect("a number"));
    let threads: u64 = threads.parse().expect("a number");
    loop {
        let store = options.open(folder).expect("the store opens");
        say(&format!("open {}", store.position()));
        // Another number of commits in each life.
        let many = next.load(Ordering::Relaxed) / 10 % (COMMITS_MAX - COMMITS_MIN);
        let commits = if reopens { COMMITS_MIN + many } else { u64::MAX };
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let writer = Writer { store: &store, next: &next, thread };
                scope.spawn(move || writer.append(commits).expect("it is appended"));
            }
        });
        say("closing");
        store.close().expect("the store closes");
        say("closed");
    }
}

struct Writer<'a> {
    store: &'a Store,
    next: &'a AtomicU64,
    thread: u64,
}

impl Writer<'_> {
    /// Appends so many commits, some of them one by one, some submitted together.
    fn append(&self, commits: u64) -> Result<()> {
        let own = numbered::own_stream(self.thread);
        let mut known =
            Known { version: self.store.version(&own)?, position: self.store.position() };
        let mut submitted: Vec<(u64, Submitted)> = Vec::new();
        for turn in 0..commits {
            let number = self.next.fetch_add(10, Ordering::Relaxed);
            say(&format!("try {number} {}", self.thread));
            let commit = numbered::commit(number, self.thread, Some(known));
            if turn / 8 % 2 == 0 {
                let receipt = self.store.commit(&commit)?;
                acknowledge(number, &receipt);
                count_in(&mut known, &commit, &own, &receipt);
            } else {
                let waiting = self.store.submit(&commit)?;
                count_in(&mut known, &commit, &own, waiting.receipt());
                submitted.push((number, waiting));
            }
            if submitted.len() == PIPELINED || turn + 1 == commits {
                for (number, waiting) in submitted.drain(..) {
                    acknowledge(number, &waiting.wait()?);
                }
            }
        }
        Ok(())
    }
}

/// Counts in what the commit was given.
fn count_in(known: &mut Known, commit: &Commit<'_>, own: &str, receipt: &Receipt) {
    let events = commit.events().filter(|(stream, _)| *stream == own).count();
    known.version = known.version.plus(events as u64);
    known.position = receipt.position;
}

fn acknowledge(number: u64, receipt: &Receipt) {
    say(&format!("ack {number} {} {}", receipt.first_position, receipt.position));
}

/// One write a line, so that none is torn apart by another thread's.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone already.
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}
