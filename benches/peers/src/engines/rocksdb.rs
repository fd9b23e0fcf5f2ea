//! RocksDB used plainly: one column family with the events by position, one with the positions by
//! (stream, version). Each append is a `WriteBatch` in the WAL, synced for durable rows; threads
//! share syncs through its own group commit, and pipelined appends are written without waiting and
//! synced together. lz4, Bloom filters, 256 MiB of block cache, write buffers of 64 MiB. Positions of
//! a stream are fetched by sorted batches. Streams' versions are kept in memory.
//!
//! Two layouts: with positions in the second family, and with a second copy of the events in it,
//! which costs twice the bytes and makes reads of streams sequential.

use std::path::Path;

use annals::Durability;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRawIterator, FlushOptions, Options, ReadOptions, WaitForCompactOptions, WriteBatch,
    WriteOptions,
};

use super::heads::Heads;
use super::keys::{key, number, set_version};
use super::{NO_MOMENTS, NO_TAGS, body, in_parts};
use crate::engine::{Append, Each, Engine, Kind, Settings, Task};

/// With an index by stream.
pub const INDEXED: Kind = Kind {
    name: "RocksDB",
    open: |path, settings| Box::new(Rocks::open(path, settings, false)),
    cannot: &[(Task::Moments, NO_MOMENTS), (Task::Tags, NO_TAGS)],
};

/// With a second copy by stream.
pub const CLUSTERED: Kind = Kind {
    name: "RocksDB, second copy",
    open: |path, settings| Box::new(Rocks::open(path, settings, true)),
    ..INDEXED
};

const EVENTS: &str = "events";
const STREAMS: &str = "streams";
const CACHE_BYTES: usize = 256 << 20;
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// Positions fetched at once.
const PAGE: usize = 64;

struct Rocks {
    db: DB,
    heads: Heads,
    sync: bool,
    clustered: bool,
}

impl Rocks {
    fn open(path: &Path, settings: &Settings, clustered: bool) -> Self {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.increase_parallelism(2);
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let family = |name| {
            let mut blocks = BlockBasedOptions::default();
            blocks.set_block_cache(&cache);
            blocks.set_bloom_filter(10.0, false);
            let mut options = Options::default();
            options.set_block_based_table_factory(&blocks);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_write_buffer_size(WRITE_BUFFER_BYTES);
            ColumnFamilyDescriptor::new(name, options)
        };
        let families = [family(EVENTS), family(STREAMS)];
        let db = DB::open_cf_descriptors(&options, path, families).unwrap();
        let mut newest = db.raw_iterator_cf(db.cf_handle(EVENTS).unwrap());
        newest.seek_to_last();
        let position = newest.key().map_or(0, number);
        drop(newest);
        let sync = settings.durability == Durability::Sync;
        Self { db, heads: Heads::new(position), sync, clustered }
    }

    fn events(&self) -> &ColumnFamily {
        self.db.cf_handle(EVENTS).unwrap()
    }

    fn streams(&self) -> &ColumnFamily {
        self.db.cf_handle(STREAMS).unwrap()
    }

    fn write(&self, append: &Append<'_>, sync: bool) {
        let mut position = self.heads.take(append, || self.version(append.stream));
        let (events, streams) = (self.events(), self.streams());
        let (mut batch, mut bytes) = (WriteBatch::default(), Vec::with_capacity(512));
        let (mut key, time) = (key(append.stream, 0), super::now());
        for (version, event) in (append.version + 1..).zip(append.events) {
            position += 1;
            bytes.clear();
            body::put(&mut bytes, append.stream, version, time, event);
            batch.put_cf(events, position.to_be_bytes(), &bytes);
            set_version(&mut key, version);
            if self.clustered {
                batch.put_cf(streams, &key, &bytes);
            } else {
                batch.put_cf(streams, &key, position.to_be_bytes());
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.db.write_opt(batch, &options).unwrap();
    }

    /// The last key of a stream, if there is one.
    fn last_key(&self, stream: &str) -> Option<DBRawIterator<'_>> {
        let newest = key(stream, u64::MAX);
        let mut found = self.db.raw_iterator_cf(self.streams());
        found.seek_for_prev(&newest);
        let name = newest.len() - 8;
        let same = found.key().is_some_and(|key| key[..key.len() - 8] == newest[..name]);
        same.then_some(found)
    }

    fn version(&self, stream: &str) -> u64 {
        let last = self.last_key(stream);
        last.map_or(0, |found| found.key().map_or(0, number))
    }

    fn fetch(&self, positions: &mut Vec<[u8; 8]>, each: Each<'_>) {
        for value in self.db.batched_multi_get_cf(self.events(), positions.iter(), true) {
            each(body::seen(&value.unwrap().unwrap()));
        }
        positions.clear();
    }
}

impl Engine for Rocks {
    fn append(&self, append: Append<'_>) {
        self.write(&append, self.sync);
    }

    fn pipeline(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        in_parts(appends, in_flight, |part| {
            part.iter().for_each(|append| self.write(append, false));
            self.db.flush_wal(true).unwrap();
        });
    }

    fn settle(&self) {
        self.db.flush_cfs_opt(&[self.events(), self.streams()], &FlushOptions::default()).unwrap();
        self.db.wait_for_compact(&WaitForCompactOptions::default()).unwrap();
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound([name.as_bytes(), &[1]].concat());
        let mut found = self.db.raw_iterator_cf_opt(self.streams(), options);
        found.seek(key(name, from));
        let mut positions = Vec::with_capacity(PAGE);
        while let Some(value) = found.value() {
            if self.clustered {
                each(body::seen(value));
            } else {
                positions.push(value.try_into().unwrap());
                if positions.len() == PAGE {
                    self.fetch(&mut positions, each);
                }
            }
            found.next();
        }
        found.status().unwrap();
        self.fetch(&mut positions, each);
    }

    fn last(&self, name: &str, each: Each<'_>) {
        let Some(found) = self.last_key(name) else { return };
        let value = found.value().unwrap();
        if self.clustered {
            each(body::seen(value));
        } else {
            let event = self.db.get_pinned_cf(self.events(), value).unwrap().unwrap();
            each(body::seen(&event));
        }
    }

    fn scan(&self, each: Each<'_>) {
        let mut options = ReadOptions::default();
        options.set_readahead_size(2 << 20);
        let mut found = self.db.raw_iterator_cf_opt(self.events(), options);
        found.seek_to_first();
        while let Some(value) = found.value() {
            each(body::seen(value));
            found.next();
        }
        found.status().unwrap();
    }
}
