//! Figures about a store.

use annals_types::{Epoch, Position, StoreId, Timestamp};

use crate::error::Result;
use crate::{FORMAT, REVISION, View};

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
    /// Events in the store, those lost included.
    pub events: u64,
    /// Of these, gone for good: damage took them, and a repair noted it.
    pub events_lost: u64,
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
            there
                .then(|| reader.event(position).ok().flatten())
                .flatten()
                .map(|event| event.recorded_at())
        };
        Ok(Self {
            store: reader.store(),
            format: (FORMAT, REVISION),
            epoch: reader.epoch(),
            events: view.position.get(),
            events_lost: reader.lost_between(Position::new(1), view.position),
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
