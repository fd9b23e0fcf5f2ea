//! redb: a table of events by position and one of positions by (stream, version), one transaction an
//! append. It has one writer: appends of several threads that meet become one transaction. Durable
//! rows commit with `Durability::Immediate`.
//!
//! Nothing it offers without a sync survives the death of the process: `Durability::None` is kept in
//! its own cache. Buffered rows use that, with an `Immediate` commit every 100 ms, which is less
//! than what the others promise.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use annals::Durability;
use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
};

use super::group::Group;
use super::heads::Heads;
use super::{NO_MOMENTS, NO_TAGS, body, in_parts};
use crate::engine::{Append, Each, Engine, Kind, Settings, Task};

/// redb.
pub const KIND: Kind = Kind {
    name: "redb",
    open: |path, settings| Box::new(Redb::open(path, settings)),
    cannot: &[
        (Task::Moments, NO_MOMENTS),
        (Task::Tags, NO_TAGS),
        (Task::Kill, "keeps what no sync followed in its own cache"),
        (Task::Pipeline, "has no appends that are waited for later"),
    ],
};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const STREAMS: TableDefinition<'_, (&str, u64), u64> = TableDefinition::new("streams");
/// Appends of one transaction of a load.
const LOADING: usize = 1_000;
const CACHE_BYTES: usize = 256 << 20;
/// The longest time between two commits that are synced.
const INTERVAL: Duration = Duration::from_millis(100);

struct Redb {
    db: Database,
    heads: Heads,
    group: Group,
    durability: Durability,
    synced: Mutex<Instant>,
}

impl Redb {
    fn open(path: &Path, settings: &Settings) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let db = Builder::new().set_cache_size(CACHE_BYTES).create(path.join("redb")).unwrap();
        let transaction = db.begin_write().unwrap();
        let position = transaction.open_table(EVENTS).unwrap().len().unwrap();
        transaction.open_table(STREAMS).unwrap();
        transaction.commit().unwrap();
        let (heads, group) = (Heads::new(position), Group::default());
        let synced = Mutex::new(Instant::now());
        Self { db, heads, group, durability: settings.durability, synced }
    }

    fn write(&self, appends: &[Append<'_>]) {
        let mut transaction = self.db.begin_write().unwrap();
        if self.durability == Durability::Buffered {
            let mut synced = self.synced.lock().unwrap();
            if synced.elapsed() < INTERVAL {
                transaction.set_durability(redb::Durability::None).unwrap();
            } else {
                *synced = Instant::now();
            }
        }
        let mut events = transaction.open_table(EVENTS).unwrap();
        let mut streams = transaction.open_table(STREAMS).unwrap();
        let mut bytes = Vec::with_capacity(512);
        for append in appends {
            let stored = || {
                let mut found = streams.range(of(append.stream, 0)).unwrap();
                found.next_back().map_or(0, |found| found.unwrap().0.value().1)
            };
            let mut position = self.heads.take(append, stored);
            let time = super::now();
            for (version, event) in (append.version + 1..).zip(append.events) {
                position += 1;
                bytes.clear();
                body::put(&mut bytes, append.stream, version, time, event);
                events.insert(position, &bytes[..]).unwrap();
                streams.insert((append.stream, version), position).unwrap();
            }
        }
        drop((events, streams));
        transaction.commit().unwrap();
    }
}

/// The keys of a stream from a version on.
fn of(stream: &str, from: u64) -> std::ops::RangeInclusive<(&str, u64)> {
    (stream, from)..=(stream, u64::MAX)
}

impl Engine for Redb {
    fn append(&self, append: Append<'_>) {
        self.group.append(append, |appends| self.write(appends));
    }

    fn load(&self, appends: &mut dyn Iterator<Item = Append<'_>>) {
        in_parts(appends, LOADING, |part| self.write(part));
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        let transaction = self.db.begin_read().unwrap();
        let events = transaction.open_table(EVENTS).unwrap();
        let streams = transaction.open_table(STREAMS).unwrap();
        for found in streams.range(of(name, from)).unwrap() {
            let position = found.unwrap().1.value();
            each(body::seen(events.get(position).unwrap().unwrap().value()));
        }
    }

    fn last(&self, name: &str, each: Each<'_>) {
        let transaction = self.db.begin_read().unwrap();
        let events = transaction.open_table(EVENTS).unwrap();
        let streams = transaction.open_table(STREAMS).unwrap();
        if let Some(found) = streams.range(of(name, 0)).unwrap().next_back() {
            let position = found.unwrap().1.value();
            each(body::seen(events.get(position).unwrap().unwrap().value()));
        }
    }

    fn scan(&self, each: Each<'_>) {
        let transaction = self.db.begin_read().unwrap();
        let events = transaction.open_table(EVENTS).unwrap();
        for found in events.iter().unwrap() {
            each(body::seen(found.unwrap().1.value()));
        }
    }

    fn close(self: Box<Self>) {
        self.db.close().unwrap();
    }
}
