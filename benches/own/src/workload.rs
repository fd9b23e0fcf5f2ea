//! What is written: events of 20 types with a payload of 256 bytes, half of it compressible, and 32
//! bytes of metadata, to 10,000 streams of which a few get most (Zipf: the n-th gets 1/n). The same
//! seed gives the same events.

mod draw;

use std::collections::BTreeMap;

use annals::{ContentKind, NewEvent};
use annals_env::{Random, SeededRandom};

pub use draw::{Draw, Spread, name};

/// Bytes of an event's data.
pub const DATA_BYTES: usize = 256;
/// Bytes of an event's metadata.
pub const METADATA_BYTES: usize = 32;
/// Different event types.
pub const TYPES: usize = 20;
/// Streams that are drawn from.
pub const STREAMS: usize = 10_000;
/// The seed of all rows.
pub const SEED: u64 = 42;
/// What the labels say of the workload.
pub const LABEL: &str = "256 B payload, 32 B metadata, 20 types, 10,000 streams Zipf";

/// Different events, as a rule; calls take them in turn.
pub const POOL: usize = 4_096;
/// The weight of the most written stream.
const WEIGHT: u64 = 1 << 32;

/// Streams and events to draw calls from.
#[derive(Debug)]
pub struct Workload {
    seed: u64,
    names: Vec<String>,
    pool: Vec<NewEvent>,
}

/// One append: to this stream, which is at this version.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    stream: u32,
    first: u32,
    count: u32,
    version: u64,
}

impl Default for Workload {
    fn default() -> Self {
        Self::new(SEED, STREAMS)
    }
}

impl Workload {
    /// The workload of a seed, with so many streams.
    #[must_use]
    pub fn new(seed: u64, streams: usize) -> Self {
        Self::with_pool(seed, streams, POOL)
    }

    /// The same with so many different events: as many as the largest call appends.
    #[must_use]
    pub fn with_pool(seed: u64, streams: usize, pool: usize) -> Self {
        let random = SeededRandom::new(seed);
        let names = (0..streams).map(|number| name(number as u64)).collect();
        let pool = (0..pool).map(|number| event(&random, number)).collect();
        Self { seed, names, pool }
    }

    /// Calls of `batch` events each, in order.
    #[must_use]
    pub fn calls(&self, calls: usize, batch: usize) -> Vec<Call> {
        self.shares(1, calls, batch).remove(0)
    }

    /// Calls of `batch` events each for every one of `threads`; no two of them share a stream.
    #[must_use]
    pub fn shares(&self, threads: usize, calls: usize, batch: usize) -> Vec<Vec<Call>> {
        assert!((1..=self.pool.len()).contains(&batch) && threads <= self.names.len());
        (0..threads).map(|thread| self.share(thread, threads, calls, batch)).collect()
    }

    fn share(&self, thread: usize, threads: usize, calls: usize, batch: usize) -> Vec<Call> {
        let random = SeededRandom::new(self.seed ^ (thread as u64 + 1) << 32);
        let streams = self.names.len() / threads;
        let mut total = 0;
        let weights: Vec<u64> = (1..=streams as u64)
            .map(|rank| {
                total += WEIGHT / rank;
                total
            })
            .collect();
        let mut versions = vec![0; streams];
        (0..calls)
            .map(|call| {
                let drawn = random.below(total);
                let rank = weights.partition_point(|&upto| upto <= drawn);
                let version = versions[rank];
                versions[rank] += batch as u64;
                Call {
                    stream: (rank * threads + thread) as u32,
                    first: (call * batch % (self.pool.len() - batch + 1)) as u32,
                    count: batch as u32,
                    version,
                }
            })
            .collect()
    }

    /// The name of the call's stream.
    #[must_use]
    pub fn stream(&self, call: &Call) -> &str {
        &self.names[call.stream as usize]
    }

    /// The event that somebody appends who keeps count of them by himself.
    #[must_use]
    pub fn event(&self, number: u64) -> &[NewEvent] {
        std::slice::from_ref(&self.pool[(number % self.pool.len() as u64) as usize])
    }

    /// The calls of each stream, in order of their names.
    #[must_use]
    pub fn by_stream(&self, calls: &[Call]) -> Vec<(&str, Vec<Call>)> {
        let mut streams = BTreeMap::<&str, Vec<Call>>::new();
        for call in calls {
            streams.entry(self.stream(call)).or_default().push(*call);
        }
        streams.into_iter().collect()
    }

    /// The events that the call appends.
    #[must_use]
    pub fn events(&self, call: &Call) -> &[NewEvent] {
        &self.pool[call.first as usize..][..call.count as usize]
    }
}

impl Call {
    /// The version that the stream has before.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many events it appends.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::from(self.count)
    }
}

fn event(random: &SeededRandom, number: usize) -> NewEvent {
    let noise = (0..DATA_BYTES / 16).flat_map(|_| random.u64().to_le_bytes());
    let text = b"status=open;currency=EUR;".iter().copied().cycle();
    let data: Vec<u8> = noise.chain(text).take(DATA_BYTES).collect();
    let metadata = format!(r#"{{"by":"bench","number":"{number:06}"}}"#);
    assert_eq!(metadata.len(), METADATA_BYTES);
    let event_type = format!("AccountEvent{:02}", number % TYPES);
    NewEvent::new(event_type, ContentKind::Binary, data).metadata(metadata)
}

/// What was read or written, as far as it must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many events.
    pub events: u64,
    /// Bytes of data and metadata.
    pub bytes: u64,
    /// The sum of all versions and of eight bytes of each event's data.
    pub mix: u64,
}

impl Tally {
    /// Counts an event.
    pub fn add(&mut self, version: u64, metadata: &[u8], data: &[u8]) {
        self.events += 1;
        self.bytes += (metadata.len() + data.len()) as u64;
        let head = data.first_chunk().map_or(0, |&head| u64::from_le_bytes(head));
        self.mix = self.mix.wrapping_add(version).wrapping_add(head);
    }

    /// Counts what another has counted.
    pub fn join(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.mix = self.mix.wrapping_add(other.mix);
    }

    /// What `calls` write.
    #[must_use]
    pub fn of(workload: &Workload, calls: &[Call]) -> Self {
        let mut tally = Self::default();
        for call in calls {
            for (version, event) in (call.version + 1..).zip(workload.events(call)) {
                tally.add(version, &event.metadata, &event.data);
            }
        }
        tally
    }
}
