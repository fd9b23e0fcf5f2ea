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
use super::fields::{FIELDS_BYTES, Fields};
use super::frame::{FIXED_BYTES, FrameHeader, FrameKind, RECORD_PREFIX_BYTES, StreamTable};
use crate::loss::LostStream;

/// An encoded frame that waits for its place.
#[derive(Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    header_length: u32,
    kind: FrameKind,
    records: SmallVec<[Record; 1]>,
    /// Where the first version of each stream stands in `bytes`.
    versions: SmallVec<[u32; 1]>,
    digest: u32,
    /// The epoch that it begins.
    epoch: Option<Epoch>,
}

/// A record of a draft.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// Where it begins in the frame.
    pub(crate) start: u32,
    /// Its checksum, without what binds it to its place.
    sum: u32,
}

/// So many records' checksums go into the digest at once.
const DIGEST_RECORDS: usize = 16;

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
        let (mut capacity, mut events) = (FIXED_BYTES + FIELDS_BYTES, 0);
        for (stream, _) in &streams {
            capacity += stream.len() + FIELDS_BYTES;
        }
        for part in commit.parts() {
            events += part.events.len();
            for event in part.events.iter() {
                capacity += event::bytes_at_most(event);
            }
        }
        let mut draft = Self::with_capacity(FrameKind::Commit, capacity, events);
        put_varint(&mut draft.bytes, streams.len() as u64);
        for (stream, _) in &streams {
            draft.versions.push(at(&draft.bytes));
            let [low, high] = (stream.len() as u16).to_le_bytes();
            draft.bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, low, high]);
            draft.bytes.extend_from_slice(stream.as_bytes());
        }
        draft.header_length = at(&draft.bytes);
        if streams.len() > 1 {
            draft.records_of_several(commit);
        } else {
            for part in commit.parts() {
                for event in part.events.iter() {
                    draft.record(|bytes| event::put_content(bytes, event));
                }
            }
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

    #[inline(always)]
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
        draft.bytes.extend_from_slice(&[0; FIXED_BYTES]);
        draft
    }

    #[inline(always)]
    fn record(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        // Checksum and length come once the rest is there.
        let mut head = Fields::behind_zeros(RECORD_PREFIX_BYTES);
        head.varint(start as u64);
        head.varint(self.records.len() as u64);
        head.append_to(&mut self.bytes);
        put(&mut self.bytes);
        let length = (self.bytes.len() - start - RECORD_PREFIX_BYTES) as u32;
        let record = self.bytes.get_mut(start..).unwrap_or_default();
        let Some((field, summed)) = record.split_first_chunk_mut() else { return };
        if let Some(field) = summed.first_chunk_mut() {
            *field = length.to_le_bytes();
        }
        let sum = checksum::of(summed);
        *field = sum.to_le_bytes();
        self.records.push(Record { start: start as u32, sum });
    }

    /// All records are there.
    pub(crate) fn finish_digest(&mut self) {
        if let [only] = self.records.as_slice() {
            self.digest = checksum::of(&only.sum.to_le_bytes());
            return;
        }
        let mut hasher = checksum::hasher();
        for records in self.records.chunks(DIGEST_RECORDS) {
            let mut sums = [[0; 4]; DIGEST_RECORDS];
            for (sum, record) in sums.iter_mut().zip(records) {
                *sum = record.sum.to_le_bytes();
            }
            hasher.update(sums.as_flattened().get(..4 * records.len()).unwrap_or_default());
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
    #[inline]
    pub fn set_first_version(&mut self, stream: usize, version: Version) {
        let Some(&place) = self.versions.get(stream) else { return };
        let place = place as usize;
        if let Some(field) = self.bytes.get_mut(place..place + 8) {
            field.copy_from_slice(&version.get().to_le_bytes());
        }
    }

    /// Fills in everything that depends on the place and gives the frame's bytes, with its records.
    pub(crate) fn finish(&mut self, stamp: &Stamp) -> (&[u8], &[Record]) {
        for record in &self.records {
            let mask = checksum::mask(stamp.salt, stamp.offset + u64::from(record.start));
            let field = self.bytes.get_mut(record.start as usize..);
            if let Some(field) = field.and_then(|bytes| bytes.first_chunk_mut()) {
                *field = (record.sum ^ mask).to_le_bytes();
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
