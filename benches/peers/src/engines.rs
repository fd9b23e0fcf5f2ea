//! The engines, each in a file that says how it is used and why, and what several of them share.

pub mod annals;
pub mod fjall;
mod group;
mod heads;
mod keys;
pub mod plain;
pub mod raft;
pub mod redb;
pub mod rocksdb;
pub mod sierradb;
pub mod sqlite;
pub mod umadb;

use std::collections::VecDeque;

use crate::engine::{Append, Kind, Seen};

/// Annals, with each of its indexes; the first is the one that rows are judged by.
pub const ANNALS: [Kind; 2] = [annals::ROCKSDB, annals::MEMORY];

/// What else an engineer would take.
pub const PEERS: [Kind; 9] = [
    sqlite::INDEXED,
    sqlite::CLUSTERED,
    rocksdb::INDEXED,
    rocksdb::CLUSTERED,
    fjall::KIND,
    redb::KIND,
    raft::KIND,
    umadb::KIND,
    sierradb::KIND,
];

/// Why most engines cannot find events by type and tag.
const NO_TAGS: &str = "has keys only: an index of tags would be the bench's own code";

/// Why no peer tells what was there at a moment.
const NO_MOMENTS: &str = "knows no moments: what was there then would be the bench's own code";

/// An event as the engines that hold bytes keep it: the body of a plain file's frame, whose checksum
/// is the engine's own matter.
mod body {
    pub(super) use annals_benches::limit::{put_body as put, take_body as take};

    use super::Seen;

    /// The event of a body.
    pub(super) fn seen(body: &[u8]) -> Seen<'_> {
        let frame = take(body).expect("a body is whole");
        Seen {
            version: frame.version,
            event_type: frame.event_type,
            metadata: frame.metadata,
            data: frame.data,
        }
    }
}

/// Microseconds since 1970.
fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64
}

/// Gives `write` so many of these at once.
fn in_parts<'a>(
    appends: &mut dyn Iterator<Item = Append<'a>>,
    size: usize,
    mut write: impl FnMut(&[Append<'a>]),
) {
    loop {
        let part: Vec<Append<'a>> = appends.take(size).collect();
        if part.is_empty() {
            return;
        }
        write(&part);
    }
}

/// Submits all of these, and waits for the oldest one where so many are on their way.
fn in_window<'a, T>(
    appends: &mut dyn Iterator<Item = Append<'a>>,
    in_flight: usize,
    mut submit: impl FnMut(Append<'a>) -> T,
    mut wait: impl FnMut(T),
) {
    let mut submitted = VecDeque::with_capacity(in_flight);
    for append in appends {
        if submitted.len() == in_flight {
            submitted.pop_front().map(&mut wait);
        }
        submitted.push_back(submit(append));
    }
    submitted.into_iter().for_each(wait);
}
