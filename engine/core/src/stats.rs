//! Figures about a store, and the outcome of checking it.

use annals_log::{LogReader, Verified};
use annals_types::{Epoch, Position, StoreId, Timestamp};

use crate::error::Result;
use crate::{Damage, FORMAT, REVISION, TornTail, View};

/// Figures about a store, from its index and its files' lengths; nothing is scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The store's identity.
    pub store: StoreId,
    /// The format of its log and, while that is 0, the revision.
    pub format: (u16, u16),
    /// The epoch of the last opening for writing.
    pub epoch: Epoch,
    /// Events in the store.
    pub events: u64,
    /// Streams with an event.
    pub streams: u64,
    /// The newest event's position.
    pub head: Position,
    /// Segments of the log.
    pub segments: u64,
    /// Of these, sealed.
    pub segments_sealed: u64,
    /// Bytes of the log's files, reserved space included.
    pub log_bytes: u64,
    /// Bytes of memory that the index takes.
    pub index_memory_bytes: u64,
    /// Bytes of files that the index takes.
    pub index_disk_bytes: u64,
    /// Stamp of the first event.
    pub recorded_first: Option<Timestamp>,
    /// Stamp of the newest event.
    pub recorded_last: Option<Timestamp>,
}

impl Stats {
    pub(crate) fn of(view: &View) -> Result<Self> {
        let reader = &view.source.reader;
        let (log_bytes, segments, segments_sealed) = reader.size()?;
        // Over damage a figure is missing rather than wrong.
        let stamp = |position: Position| {
            let there = position > Position::START && position <= view.position;
            there.then(|| reader.event(position).ok().map(|event| event.recorded_at())).flatten()
        };
        Ok(Self {
            store: reader.store(),
            format: (FORMAT, REVISION),
            epoch: reader.epoch(),
            events: view.position.get(),
            streams: view.source.index.stream_count(view.position)?,
            head: view.position,
            segments,
            segments_sealed,
            log_bytes,
            index_memory_bytes: view.source.index.memory_bytes(),
            index_disk_bytes: view.source.index.disk_bytes(),
            recorded_first: stamp(Position::new(1)),
            recorded_last: stamp(view.position),
        })
    }
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The store's identity.
    pub store: StoreId,
    /// Segments read.
    pub segments: u64,
    /// Of these, sealed.
    pub segments_sealed: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Frames that are whole.
    pub frames: u64,
    /// Events that are whole.
    pub events: u64,
    /// Control records that are whole.
    pub controls: u64,
    /// The last position of the log.
    pub head: Position,
    /// What is damaged; empty where all is well.
    pub damage: Vec<Damage>,
    /// What a crash left at the end; no damage.
    pub torn_tail: Option<TornTail>,
}

impl Report {
    /// `known` is the damage that was met before the verification.
    pub(crate) fn new(
        reader: &LogReader,
        head: Position,
        verified: Verified,
        known: &[Damage],
        torn_tail: Option<TornTail>,
    ) -> Self {
        let mut damage = verified.damage;
        for known in known {
            let is_new = damage
                .iter()
                .all(|new| (&new.segment, new.offset) != (&known.segment, known.offset));
            if is_new {
                damage.push(known.clone());
            }
        }
        damage.sort_by(|a, b| (&a.segment, a.offset).cmp(&(&b.segment, b.offset)));
        Self {
            store: reader.store(),
            segments: verified.segments,
            segments_sealed: verified.segments_sealed,
            bytes: verified.bytes,
            frames: verified.frames,
            events: verified.events,
            controls: verified.controls,
            head,
            damage,
            torn_tail,
        }
    }

    /// Whether every byte is what was written.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }
}
