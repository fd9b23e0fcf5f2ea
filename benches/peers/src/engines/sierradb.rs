//! SierraDB: streams in partitions, each partition an order of its own. All streams are in one
//! partition here, so that there is an order of all events, and one writer thread, which shares its
//! syncs. It acknowledges nothing before its sync. That comes at once where one append is on its way,
//! and with many of them once all are written or a millisecond has passed. Events are
//! not compressed: it would make a zstd context for each of them. Futures are waited for on the
//! caller's thread.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use sierradb::bucket::segment::CommittedEvents;
use sierradb::bucket::segment::EventRecord;
use sierradb::database::{Database, DatabaseBuilder, ExpectedVersion, NewEvent, Transaction};
use sierradb::error::WriteError;
use sierradb::id::{NAMESPACE_PARTITION_KEY, uuid_to_partition_hash, uuid_v7_with_partition_hash};
use sierradb::writer_thread_pool::AppendResult;
use sierradb::{IterDirection, StreamId};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{NO_MOMENTS, NO_TAGS, in_window};
use crate::engine::{Append, Each, Engine, Kind, Seen, Settings, Task};

/// SierraDB.
pub const KIND: Kind = Kind {
    name: "SierraDB",
    open: |path, settings| Box::new(Sierra::open(path, settings)),
    cannot: &[
        (Task::Moments, NO_MOMENTS),
        (Task::Tags, NO_TAGS),
        (Task::Buffered, "acknowledges nothing before its sync"),
    ],
};

const PARTITION: u16 = 0;
/// Commits read at once.
const PAGE: usize = 256;
const SYNC_INTERVAL: Duration = Duration::from_millis(1);

/// An append on its way.
type Sent<'a> = Pin<Box<dyn Future<Output = Result<AppendResult, WriteError>> + 'a>>;

struct Sierra {
    db: Database,
    runtime: Runtime,
}

impl Sierra {
    fn open(path: &Path, settings: &Settings) -> Self {
        let (sync_bytes, batch) = match settings.in_flight {
            1 => (1, 1),
            in_flight => (usize::MAX, in_flight),
        };
        let db = DatabaseBuilder::new()
            .total_buckets(1)
            .bucket_ids_from_range(0..1)
            .writer_threads(1)
            .reader_threads(2)
            .sync_interval(SYNC_INTERVAL)
            .min_sync_bytes(sync_bytes)
            .max_batch_size(batch)
            .compression(false)
            .open(path)
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
        Self { db, runtime: runtime.unwrap() }
    }

    fn all(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        let submit = |append| {
            let mut one: Sent<'_> = Box::pin(self.db.append_events(transaction(&append)));
            // Sends it: what a stream expects depends on the order.
            assert!(one.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            one
        };
        in_window(appends, in_flight, submit, |one| {
            self.runtime.block_on(one).unwrap();
        });
    }
}

fn transaction(append: &Append<'_>) -> Transaction {
    let key = Uuid::new_v5(&NAMESPACE_PARTITION_KEY, append.stream.as_bytes());
    let hash = uuid_to_partition_hash(key);
    let time = super::now() * 1_000;
    let stream_id = StreamId::new(append.stream).unwrap();
    let events = (append.version..).zip(append.events).map(|(version, event)| NewEvent {
        event_id: uuid_v7_with_partition_hash(hash),
        stream_id: stream_id.clone(),
        stream_version: ExpectedVersion::from_next_version(version),
        event_name: event.event_type.to_string(),
        timestamp: time,
        metadata: event.metadata.to_vec(),
        payload: event.data.to_vec(),
    });
    Transaction::new(key, PARTITION, events.collect()).unwrap()
}

fn give(commits: Vec<CommittedEvents>, each: Each<'_>) {
    commits.into_iter().flatten().for_each(|event: EventRecord| {
        // Its versions begin with 0.
        let version = event.stream_version + 1;
        each(Seen {
            version,
            event_type: event.event_name.as_bytes(),
            metadata: &event.metadata,
            data: &event.payload,
        });
    });
}

impl Engine for Sierra {
    fn append(&self, append: Append<'_>) {
        let appended = self.db.append_events(transaction(&append));
        self.runtime.block_on(appended).unwrap();
    }

    fn pipeline(&self, appends: &mut dyn Iterator<Item = Append<'_>>, in_flight: usize) {
        self.all(appends, in_flight);
    }

    fn load(&self, appends: &mut dyn Iterator<Item = Append<'_>>) {
        self.all(appends, Settings::LOAD.in_flight);
    }

    fn stream(&self, name: &str, from: u64, each: Each<'_>) {
        let stream = StreamId::new(name).unwrap();
        self.runtime.block_on(async {
            let forward = IterDirection::Forward;
            let events = self.db.read_stream(PARTITION, stream, from - 1, forward).await;
            let mut events = events.unwrap();
            while let Some(commits) = events.next_batch(PAGE).await.unwrap() {
                give(commits, each);
            }
        });
    }

    fn last(&self, name: &str, each: Each<'_>) {
        // Going backward panics in it where a commit lies across two blocks.
        let stream = StreamId::new(name).unwrap();
        let newest = self.db.get_stream_version(PARTITION, &stream);
        if let Some(newest) = self.runtime.block_on(newest).unwrap() {
            self.stream(name, newest.version + 1, each);
        }
    }

    fn scan(&self, each: Each<'_>) {
        self.runtime.block_on(async {
            let events = self.db.read_partition(PARTITION, 0, IterDirection::Forward).await;
            let mut events = events.unwrap();
            while let Some(commits) = events.next_batch(PAGE).await.unwrap() {
                give(commits, each);
            }
        });
    }

    fn close(self: Box<Self>) {
        self.runtime.block_on(self.db.shutdown());
    }
}
