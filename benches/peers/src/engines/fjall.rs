//! fjall: one keyspace with the events by position, one with the positions by (stream, version), in
//! one batch an append. Its journal hands each batch to the operating system when it is written
//! (`PersistMode::Buffer`); for durable rows the batch is persisted with `SyncData`. It has no group
//! commit, so that appends of several threads that meet become one batch; pipelined ones are
//! persisted together. 256 MiB of cache. Streams' versions are kept in memory.

use std::path::Path;

use annals::Durability;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::group::Group;
use super::heads::Heads;
use super::keys::{key, number};
use super::{NO_MOMENTS, NO_TAGS, body, in_parts};
use crate::engine::{Append, Each, Engine, Kind, Settings, Task};

/// fjall.
pub const KIND: Kind = Kind {
    name: "fjall",
    open: |path, settings| Box::new(Fjall::open(path, settings)),
    cannot: &[(Task::Moments, NO_MOMENTS), (Task::Tags, NO_TAGS)],
};

const CACHE_BYTES: u64 = 256 << 20;

struct Fjall {
    db: Database,
    events: Keyspace,
    streams: Keyspace,
    heads: Heads,
    group: Group,
    persist: PersistMode,
}

impl Fjall {
    fn open(path: &Path, settings: &Settings) -> Self {
        let db = Database::builder(path).cache_size(CACHE_BYTES).open().unwrap();
        let events = KeyspaceCreateOptions::default().expect_point_read_hits(true);
        let events = db.keyspace("events", || events).unwrap();
        let streams = db.keyspace("streams", KeyspaceCreateOptions::default).unwrap();
        let newest = events.last_key_value().map(|found| number(&found.key().unwrap()));
        let persist = match settings.durability {
            Durability::Sync => PersistMode::SyncData,
            Durability::Buffered => PersistMode::Buffer,
        };
        let heads = Heads::new(newest.unwrap_or(0));
        Self { db, events, streams, heads, group: Group::default(), persist }
    }

    fn write(&self, appends: &[Append<'_>], persist: PersistMode) {
        let events = appends.iter().map(|append| append.events.len()).sum::<usize>();
        let batch = fjall::OwnedWriteBatch::with_capacity(self.db.clone(), 2 * events);
        let mut batch = batch.durability(Some(persist));
        for append in appends {
            let mut position = self.heads.take(append, || self.version(append.stream));
            let time = super::now();
            for (version, event) in (append.version + 1..).zip(append.events) {
                position += 1;
                let mut bytes = Vec::with_capacity(512);
                body::put(&mut bytes, append.stream, version, time, event);
                batch.insert(&self.events, position.to_be_bytes(), bytes);
                let key = key(append.stream, version);
                batch.insert(&self.streams, key, position.to_be_bytes());
            }
        }
        batch.commit().unwrap();
    }

    fn version(&self, stream: &str) -> u64 {
        let last = self.streams.range(key(stream, 0)..=key(stream, u64::MAX)).next_back();
        last.map_or(0, |found| number(&found.key().unwrap()))
    }
}

impl Engine for Fjall {
    fn append(&self, append: Append<'_>) {
        self.group.append(append, |appends| self.write(appends, self.persist));
    }

    fn pipeline(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        in_parts(appends, in_flight, |part| {
            part.iter().for_each(|append| self.write(&[*append], PersistMode::Buffer));
            self.db.persist(PersistMode::SyncData).unwrap();
        });
    }

    fn settle(&self) {
        self.events.rotate_memtable_and_wait().unwrap();
        self.streams.rotate_memtable_and_wait().unwrap();
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        for found in self.streams.range(key(name, from)..=key(name, u64::MAX)) {
            let event = self.events.get(found.value().unwrap()).unwrap().unwrap();
            each(body::seen(&event));
        }
    }

    fn last(&self, name: &str, each: Each<'_>) {
        let last = self.streams.range(key(name, 0)..=key(name, u64::MAX)).next_back();
        if let Some(found) = last {
            let event = self.events.get(found.value().unwrap()).unwrap().unwrap();
            each(body::seen(&event));
        }
    }

    fn scan(&self, each: Each<'_>) {
        self.events.iter().for_each(|found| each(body::seen(&found.value().unwrap())));
    }
}
