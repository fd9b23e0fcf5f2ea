//! A frame before its place is known. Everything costly (copying, checksums of records) happens
//! here, before the writer's lock; [`Draft::finish`] under the lock only fills in the header.

#![expect(
    clippy::cast_possible_truncation,
    reason = "whoever drafts has checked the limits, which keep lengths far below 4 GiB and names below 64 KiB"
)]

use annals_types::{Commit, Epoch, NewState, Place, Timestamp, Version};
use smallvec::SmallVec;

use super::checksum;
use super::control::{Control, put_kept};
use super::cursor::put_varint;
use super::event;
use super::frame::{FIXED_BYTES, FrameHeader, FrameKind, RECORD_PREFIX_BYTES, StreamTable};
use crate::loss::LostStream;

/// An encoded frame that waits for its place.
#[derive(Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    header_length: u32,
    kind: FrameKind,
    /// Where each record begins in `bytes`.
    records: SmallVec<[u32; 2]>,
    /// Where the first version of each stream stands in `bytes`.
    versions: SmallVec<[u32; 1]>,
    digest: u32,
    /// The epoch that it begins.
    epoch: Option<Epoch>,
}

/// What the writer knows of a frame once its turn has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) first: Place,
    pub(crate) epoch: Epoch,
    pub(crate) recorded_at: Timestamp,
    pub(crate) synced: Place,
    /// The segment's salt.
    pub(crate) salt: u64,
    /// Where in the segment the frame will lie.
    pub(crate) offset: u64,
}

impl Draft {
    /// The frame of a commit, which must be within [`limits`](annals_types::limits).
    #[must_use]
    pub fn commit(commit: &Commit<'_>) -> Self {
        let streams = commit.streams();
        let names: usize = streams.iter().map(|(stream, _)| stream.len() + 10).sum();
        let (mut payload, mut events) = (0, 0);
        for (_, event) in commit.events() {
            let tags: usize = event.tags.iter().map(|tag| tag.len() + 2).sum();
            payload += 96 + event.event_type.len() + event.data.len() + event.metadata.len() + tags;
            events += 1;
        }
        let capacity = FIXED_BYTES + 16 + names + payload;
        let mut draft = Self::with_capacity(FrameKind::Commit, capacity, events);
        put_varint(&mut draft.bytes, streams.len() as u64);
        for (stream, _) in &streams {
            draft.versions.push(at(&draft.bytes));
            draft.bytes.extend_from_slice(&[0; 8]);
            draft.bytes.extend_from_slice(&(stream.len() as u16).to_le_bytes());
            draft.bytes.extend_from_slice(stream.as_bytes());
        }
        draft.header_length = at(&draft.bytes);
        if streams.len() == 1 {
            for (_, event) in commit.events() {
                draft.record(|bytes| event::put_content(bytes, event));
            }
        } else {
            draft.records_of_several(commit);
        }
        draft.finish_digest();
        draft
    }

    /// The records of a commit to several streams: each names its stream, and its number in it.
    fn records_of_several(&mut self, commit: &Commit<'_>) {
        let mut seen: Vec<(&str, u64)> = Vec::new();
        for part in commit.parts() {
            let known = seen.iter().position(|(stream, _)| *stream == part.stream);
            let stream = known.unwrap_or(seen.len());
            if known.is_none() {
                seen.push((&part.stream, 0));
            }
            for event in part.events.iter() {
                let offset = seen.get_mut(stream).map_or(0, |(_, count)| {
                    *count += 1;
                    *count - 1
                });
                self.record(|bytes| {
                    put_varint(bytes, stream as u64);
                    put_varint(bytes, offset);
                    event::put_content(bytes, event);
                });
            }
        }
    }

    /// A frame that stood in the log before: of a commit to these streams, or a control record.
    /// Its records follow, by [`Draft::copy`] and [`Draft::hole`], then [`Draft::finish_digest`].
    pub(crate) fn again(streams: Option<&StreamTable>) -> Self {
        let kind = if streams.is_some() { FrameKind::Commit } else { FrameKind::Control };
        let mut draft = Self::with_capacity(kind, FIXED_BYTES + 64, 1);
        if let Some(streams) = streams {
            put_varint(&mut draft.bytes, streams.iter().count() as u64);
            for stream in streams.iter() {
                draft.bytes.extend_from_slice(&stream.first_version.get().to_le_bytes());
                draft.bytes.extend_from_slice(&(stream.name.len() as u16).to_le_bytes());
                draft.bytes.extend_from_slice(stream.name.as_bytes());
            }
        }
        draft.header_length = at(&draft.bytes);
        draft
    }

    /// The next record, by what stands in it behind its number.
    pub(crate) fn copy(&mut self, rest: &[u8]) {
        self.record(|bytes| bytes.extend_from_slice(rest));
    }

    /// In place of the next record that it is lost; `known`: whose event it was.
    pub(crate) fn hole(&mut self, streams: Option<&StreamTable>, known: Option<&LostStream>) {
        let several = streams.filter(|streams| !streams.is_single());
        let stream = several.map(|streams| {
            let mut named = streams.iter().enumerate();
            let found = known.and_then(|lost| {
                let (number, stream) = named.find(|(_, s)| *s.name == *lost.stream)?;
                let behind = lost.version.get().checked_sub(stream.first_version.get())?;
                Some((number as u64, behind))
            });
            // The number behind the last one: of none that is known.
            found.unwrap_or((streams.iter().count() as u64, 0))
        });
        self.record(|bytes| {
            if let Some((number, version)) = stream {
                put_varint(bytes, number);
                put_varint(bytes, version);
            }
            event::put_hole(bytes);
        });
    }

    /// A control record with this payload (kind, flags and body).
    pub(crate) fn control(payload: &[u8]) -> Self {
        let mut draft =
            Self::with_capacity(FrameKind::Control, FIXED_BYTES + 16 + payload.len(), 1);
        draft.header_length = at(&draft.bytes);
        draft.record(|bytes| bytes.extend_from_slice(payload));
        draft.finish_digest();
        draft
    }

    /// The record that begins an epoch.
    pub(crate) fn epoch(epoch: Epoch) -> Self {
        Self { epoch: Some(epoch), ..Self::control(&Control::Epoch(epoch).encode()) }
    }

    /// The epoch that it begins, if it does.
    pub(crate) fn begins(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The frame of a state to keep, in the place of those at `superseded`; within
    /// [`limits`](annals_types::limits), and `superseded` in the order of the log.
    #[must_use]
    pub fn kept(state: &NewState, superseded: &[Place]) -> Self {
        let mut payload = Vec::with_capacity(state.data.len() + 128);
        put_kept(state, superseded, &mut payload);
        debug_assert!(Control::decode(&payload).is_some(), "what is written can be read");
        Self::control(&payload)
    }

    fn with_capacity(kind: FrameKind, bytes: usize, records: usize) -> Self {
        let mut draft = Self {
            bytes: Vec::with_capacity(bytes),
            header_length: 0,
            kind,
            records: SmallVec::with_capacity(records),
            versions: SmallVec::new(),
            digest: 0,
            epoch: None,
        };
        draft.bytes.resize(FIXED_BYTES, 0);
        draft
    }

    fn record(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        let index = self.records.len() as u64;
        self.records.push(at(&self.bytes));
        self.bytes.extend_from_slice(&[0; RECORD_PREFIX_BYTES]);
        put_varint(&mut self.bytes, start as u64);
        put_varint(&mut self.bytes, index);
        put(&mut self.bytes);
        let length = (self.bytes.len() - start - RECORD_PREFIX_BYTES) as u32;
        write_u32(&mut self.bytes, start + 4, length);
        let sum = crc32fast::hash(self.bytes.get(start + 4..).unwrap_or_default());
        write_u32(&mut self.bytes, start, sum);
    }

    /// All records are there.
    pub(crate) fn finish_digest(&mut self) {
        let mut hasher = crc32fast::Hasher::new();
        for &record in &self.records {
            let record = record as usize;
            hasher.update(self.bytes.get(record..record + 4).unwrap_or_default());
        }
        self.digest = hasher.finalize();
    }

    /// Bytes that the frame takes in the log.
    pub(crate) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// How many events it carries.
    pub(crate) fn events(&self) -> u32 {
        match self.kind {
            FrameKind::Commit => self.records.len() as u32,
            FrameKind::Control => 0,
        }
    }

    /// Sets the version of the first event of the commit's stream number `stream`, in the order of
    /// [`Commit::streams`].
    pub fn set_first_version(&mut self, stream: usize, version: Version) {
        let Some(&place) = self.versions.get(stream) else { return };
        let place = place as usize;
        if let Some(field) = self.bytes.get_mut(place..place + 8) {
            field.copy_from_slice(&version.get().to_le_bytes());
        }
    }

    /// Fills in everything that depends on the place and gives the frame's bytes, with the offsets
    /// of its records from the frame's start.
    pub(crate) fn finish(&mut self, stamp: &Stamp) -> (&[u8], &[u32]) {
        for &record in &self.records {
            let mask = checksum::mask(stamp.salt, stamp.offset + u64::from(record));
            let record = record as usize;
            if let Some(field) = self.bytes.get_mut(record..record + 4) {
                for (byte, mask) in field.iter_mut().zip(mask.to_le_bytes()) {
                    *byte ^= mask;
                }
            }
        }
        let header = FrameHeader {
            kind: self.kind,
            length: at(&self.bytes),
            header_length: self.header_length,
            first: stamp.first,
            count: self.records.len() as u32,
            epoch: stamp.epoch.number,
            recorded_at: stamp.recorded_at,
            digest: self.digest,
            synced: stamp.synced,
        };
        let written = header.write(&mut self.bytes, stamp.salt, stamp.offset);
        debug_assert!(written.is_some(), "a draft always has room for its header");
        (&self.bytes, &self.records)
    }
}

/// The end of `bytes` as an offset; drafts are bounded far below 4 GiB.
fn at(bytes: &[u8]) -> u32 {
    bytes.len() as u32
}

fn write_u32(bytes: &mut [u8], offset: usize, value: u32) {
    if let Some(field) = bytes.get_mut(offset..offset + 4) {
        field.copy_from_slice(&value.to_le_bytes());
    }
}
