//! raft-engine: a log for many Raft groups. A stream is a group (the hash of its name), an event an
//! entry with the version as its index. What it knows of a group is in memory, so that the expected
//! version is checked there; groups have one writer each, as in Raft. Threads share syncs through
//! its own group commit; pipelined appends are written without waiting and synced together. Batches
//! are not compressed, which is faster here. It keeps no order between groups.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use annals::Durability;
use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, LogBatch, MessageExt, ReadableSize};

use super::{NO_MOMENTS, NO_TAGS, body, in_parts};
use crate::engine::{Append, Each, Engine, Kind, Settings, Task};

/// raft-engine.
pub const KIND: Kind = Kind {
    name: "raft-engine",
    open: |path, settings| Box::new(Raft::open(path, settings)),
    cannot: &[
        (Task::Moments, NO_MOMENTS),
        (Task::Tags, NO_TAGS),
        (Task::Scan, "keeps no order between its groups"),
    ],
};

/// Entries fetched at once.
const PAGE: u64 = 256;

struct Raft {
    engine: raft_engine::Engine,
    sync: bool,
}

/// An entry is bytes: its index, and the event.
#[derive(Clone)]
struct Entries;

impl MessageExt for Entries {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        u64::from_le_bytes(*entry.value.first_chunk().unwrap())
    }
}

fn group(stream: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    hasher.finish()
}

impl Raft {
    fn open(path: &Path, settings: &Settings) -> Self {
        let config = Config {
            dir: path.to_str().unwrap().to_owned(),
            batch_compression_threshold: ReadableSize(0),
            recovery_threads: 2,
            ..Config::default()
        };
        let engine = raft_engine::Engine::open(config).unwrap();
        Self { engine, sync: settings.durability == Durability::Sync }
    }

    fn write(&self, append: &Append<'_>, sync: bool) {
        let (group, time) = (group(append.stream), super::now());
        let version = self.engine.last_index(group).unwrap_or(0);
        assert_eq!(version, append.version, "{} is elsewhere", append.stream);
        let entries = (version + 1..).zip(append.events).map(|(version, event)| {
            let mut entry = BytesValue::new();
            entry.value.reserve(512);
            entry.value.extend_from_slice(&version.to_le_bytes());
            body::put(&mut entry.value, append.stream, version, time, event);
            entry
        });
        let entries: Vec<BytesValue> = entries.collect();
        let mut batch = LogBatch::default();
        batch.add_entries::<Entries>(group, &entries).unwrap();
        self.engine.write(&mut batch, sync).unwrap();
    }
}

fn give(entry: &BytesValue, each: Each<'_>) {
    each(body::seen(&entry.value[8..]));
}

impl Engine for Raft {
    fn append(&self, append: Append<'_>) {
        self.write(&append, self.sync);
    }

    fn pipeline(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        in_parts(appends, in_flight, |part| {
            part.iter().for_each(|append| self.write(append, false));
            self.engine.sync().unwrap();
        });
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        let group = group(name);
        let Some(last) = self.engine.last_index(group) else { return };
        let (mut at, mut entries) = (from, Vec::with_capacity(PAGE as usize));
        while at <= last {
            let end = (at + PAGE).min(last + 1);
            self.engine.fetch_entries_to::<Entries>(group, at, end, None, &mut entries).unwrap();
            entries.drain(..).for_each(|entry| give(&entry, each));
            at = end;
        }
    }

    fn last(&self, name: &str, each: Each<'_>) {
        let group = group(name);
        let Some(last) = self.engine.last_index(group) else { return };
        give(&self.engine.get_entry::<Entries>(group, last).unwrap().unwrap(), each);
    }
}
