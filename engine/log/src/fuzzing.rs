//! Doors for the fuzz targets, which cannot see the private codecs: each takes bytes that may say
//! anything and panics where a codec breaks its word. Built only under `--cfg fuzzing`.

use annals_types::{Bytes, Epoch, NewEvent, Place, Timestamp, Version};

use crate::format::checksum;
use crate::format::control::Control;
use crate::format::cursor::{Cursor, put_varint};
use crate::format::draft::{Draft, Stamp};
use crate::format::event::{Event, RecordHead, put_content};
use crate::format::footer::{Summary, TRAILER_BYTES, TRAILER_FROM_END, Trailer};
use crate::format::frame::{FIXED_BYTES, FrameHeader, FrameKind, RECORD_PREFIX_BYTES, StreamTable};
use crate::format::link::{LINK_BYTES, Link};
use crate::format::segment_header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::format::state::{SLOT_BYTES, SLOT_OFFSETS, State};
use crate::slice::Slice;

/// A segment's header: what is decoded is encoded to the same bytes.
pub fn segment_header(bytes: &[u8]) {
    if let Ok(header) = SegmentHeader::decode(bytes) {
        assert_eq!(bytes.get(..SEGMENT_HEADER_BYTES), Some(&header.encode()[..]));
    }
}

/// A `state` page, whatever store its slots are of.
pub fn state(page: &[u8]) {
    let Some(state) = State::store_of(page).and_then(|store| State::decode(page, store)) else {
        return;
    };
    let slots = SLOT_OFFSETS.map(|offset| page.get(offset as usize..offset as usize + SLOT_BYTES));
    assert!(slots.contains(&Some(&state.encode())), "no slot says {state:?}");
}

/// A footer's trailer, link and summary.
pub fn footer(bytes: &[u8], salt: u64, offset: u64) {
    if let Some(trailer) = Trailer::decode(bytes, salt, offset) {
        assert_eq!(bytes.get(..TRAILER_BYTES), Some(&trailer.encode(salt, offset)[..]));
    }
    if let Some(link) = Link::decode(bytes, salt, offset) {
        assert_eq!(bytes.get(..LINK_BYTES), Some(&link.encode(salt, offset)[..]));
    }
    if let Some(summary) = Summary::decode(bytes) {
        assert_eq!(bytes, summary.encode());
    }
}

/// Makes the checksums of the footer at the end of a segment's file right, as far as its lengths make
/// sense; of the offset table only where that is wanted.
pub fn seal_footer(file: &mut [u8], salt: u64, table: bool) -> Option<()> {
    let end = file.len().checked_sub(TRAILER_FROM_END)?;
    let (rest, behind) = file.split_at_mut(end);
    let (trailer, link) = behind.split_at_mut_checked(TRAILER_BYTES)?;
    // Without its name it is none, and the segment only full.
    trailer.get_mut(..8)?.copy_from_slice(b"ANLSEALD");
    let number = |at: usize| Cursor::new(trailer.get(at..)?).u32().map(|number| number as usize);
    let (summary_length, entries) = (number(8)?, number(16)?);
    let summary_at = end.checked_sub(summary_length)?;
    let table_at = summary_at.checked_sub(entries.checked_mul(4)?)?;
    let (rest, summary) = rest.split_at_mut(summary_at);
    if table && let Some(sum) = summary.get_mut(56..60) {
        sum.copy_from_slice(&crc(rest.get(table_at..)?).to_le_bytes());
    }
    let sum = checksum::sealed(summary, salt, summary_at as u64);
    trailer.get_mut(12..16)?.copy_from_slice(&sum.to_le_bytes());
    let (fields, sum) = trailer.split_last_chunk_mut()?;
    *sum = checksum::sealed(fields, salt, end as u64).to_le_bytes();
    let (fields, sum) = link.split_last_chunk_mut()?;
    *sum = checksum::sealed(fields, salt, (end + TRAILER_BYTES) as u64).to_le_bytes();
    Some(())
}

/// The payload of a control record.
pub fn control(payload: &[u8]) {
    match Control::decode(payload) {
        Some(control @ (Control::Epoch(_) | Control::Lost(_) | Control::Kept(_))) => {
            assert_eq!(payload, control.encode())
        }
        // Its body is not kept, and any flag means that it must be understood.
        Some(control) => {
            let again = control.encode();
            assert_eq!((payload.get(..2), payload[2] != 0), (again.get(..2), again[2] != 0));
        }
        None => {}
    }
}

/// Makes every checksum of the frame in `bytes` right, as far as its lengths make sense, so that
/// the other fields can say anything and still be believed.
pub fn seal(bytes: &mut [u8], salt: u64, offset: u64) -> Option<()> {
    let (header_length, length) = FrameHeader::claimed(bytes).ok()?;
    let mut digest = crc32fast::Hasher::new();
    let mut at = header_length as usize;
    while let Some(record) = bytes.get_mut(at..length as usize) {
        let Some(claim) = Cursor::new(record.get(4..)?).u32() else { break };
        let Some(record) = record.get_mut(..RECORD_PREFIX_BYTES.saturating_add(claim as usize))
        else {
            break;
        };
        let plain = crc32fast::hash(record.get(4..)?);
        digest.update(&plain.to_le_bytes());
        let sum = plain ^ checksum::mask(salt, offset + at as u64);
        record.get_mut(..4)?.copy_from_slice(&sum.to_le_bytes());
        at += record.len();
    }
    let header = bytes.get_mut(..header_length as usize)?;
    header.get_mut(40..44)?.copy_from_slice(&digest.finalize().to_le_bytes());
    let sum = checksum::sealed(header.get(4..)?, salt, offset);
    header.get_mut(..4)?.copy_from_slice(&sum.to_le_bytes());
    Some(())
}

/// A frame that lies at `offset`, with its stream table, records and events.
pub fn frame(bytes: &[u8], salt: u64, offset: u64) {
    let Ok(header) = FrameHeader::decode(bytes, salt, offset) else { return };
    let header_bytes = &bytes[..header.header_length as usize];
    let mut again = header_bytes.to_vec();
    again[..FIXED_BYTES].fill(0);
    header.write(&mut again, salt, offset).expect("there is room for the header");
    assert_eq!(again, header_bytes);
    assert!(header.first <= header.last() && header.synced < header.first);

    let streams = match header.kind {
        FrameKind::Commit => match StreamTable::decode(header_bytes) {
            Some(streams) => Some(streams),
            None => return,
        },
        FrameKind::Control => None,
    };
    if let Some(streams) = &streams {
        assert_eq!(table_bytes(streams), header_bytes[FIXED_BYTES..]);
    }
    let frame = &bytes[..bytes.len().min(header.length as usize)];
    let mut at = header.header_length as usize;
    while let Some(record) = record(&frame[at..], salt, offset + at as u64) {
        let payload = Slice::from(record[RECORD_PREFIX_BYTES..].to_vec());
        match &streams {
            Some(streams) => event(payload, at as u64, &header, streams),
            None => {
                let mut cursor = Cursor::new(&payload);
                if RecordHead::decode(&mut cursor).is_some() {
                    control(cursor.left());
                }
            }
        }
        at += record.len();
    }
}

/// The record at the front of `bytes`, where its checksum is right.
fn record(bytes: &[u8], salt: u64, offset: u64) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    let (stored, length) = (cursor.u32()?, cursor.u32()?);
    let record = bytes.get(..RECORD_PREFIX_BYTES.checked_add(length as usize)?)?;
    (checksum::sealed(&record[4..], salt, offset) == stored).then_some(record)
}

fn table_bytes(streams: &StreamTable) -> Vec<u8> {
    let streams: Vec<_> = (0..).map_while(|index| streams.get(index)).collect();
    let mut bytes = Vec::new();
    put_varint(&mut bytes, streams.len() as u64);
    for stream in streams {
        bytes.extend_from_slice(&stream.first_version.get().to_le_bytes());
        let name: &str = &stream.name;
        bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    bytes
}

fn event(payload: Slice, back: u64, header: &FrameHeader, streams: &StreamTable) {
    let Some(event) = Event::decode(payload, back, header, streams, Some(1)) else { return };
    let again = as_new(&event);
    let mut content = Vec::new();
    put_content(&mut content, &again);
    let flags = event.content_bytes()[0];
    // A reader takes what a writer never makes: extensions, and lists and metadata without content.
    let plain = flags & 0x40 == 0
        && (flags & 1 == 0 || !event.metadata().is_empty())
        && (flags & 2 == 0 || event.tags().next().is_some());
    if plain {
        assert_eq!(content, event.content_bytes());
    }
    // Nothing that a reader may ask for panics.
    let _ = (event.id().to_string(), event.version(), event.position(), event.stream().len());
    let _ = event.occurred_at().map(|moment| (moment.to_string(), moment.timestamp().to_string()));
}

/// The event as its caller may have handed it over.
fn as_new(event: &Event) -> NewEvent {
    NewEvent {
        event_type: event.event_type().to_owned().into(),
        schema: event.schema(),
        content: event.content(),
        data: event.data_bytes(),
        metadata: Bytes::copy_from_slice(event.metadata()),
        tags: event.tags().map(|tag| tag.to_owned().into()).collect(),
        id: event.has_own_id().then(|| event.id()),
        correlation_id: event.correlation_id(),
        causation_id: event.causation_id(),
        occurred_at: event.occurred_at(),
    }
}

/// Where a made frame stands.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// The salt of its segment.
    pub salt: u64,
    /// Where in the segment it lies.
    pub offset: u64,
    /// The place of its first event, or of its control record.
    pub first: Place,
    /// The number of its epoch.
    pub epoch: u32,
    /// Its stamp.
    pub recorded_at: Timestamp,
    /// The place that it calls durable.
    pub synced: Place,
}

fn finish(draft: &mut Draft, spot: &Spot) -> Vec<u8> {
    let stamp = Stamp {
        first: spot.first,
        epoch: Epoch { number: spot.epoch, id: 0 },
        recorded_at: spot.recorded_at,
        synced: spot.synced,
        salt: spot.salt,
        offset: spot.offset,
    };
    draft.finish(&stamp).0.to_vec()
}

/// The bytes of a commit.
#[must_use]
pub fn commit(stream: &str, version: Version, events: &[NewEvent], spot: &Spot) -> Vec<u8> {
    let commit =
        annals_types::Commit::new().append(stream, annals_types::ExpectedVersion::Any, events);
    let mut draft = Draft::commit(&commit);
    draft.set_first_version(0, version);
    finish(&mut draft, spot)
}

/// The bytes of an epoch's control record.
#[must_use]
pub fn epoch(epoch: Epoch, spot: &Spot) -> Vec<u8> {
    finish(&mut Draft::control(&Control::Epoch(epoch).encode()), spot)
}

/// The plain checksum.
#[must_use]
pub fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// A slot of the `state` page.
#[must_use]
pub fn state_slot(store: annals_types::StoreId, sequence: u64, durable: Place) -> Vec<u8> {
    let epoch = Epoch { number: 1, id: 1 };
    State { store, sequence, epoch, durable, visible: durable }.encode().to_vec()
}

/// Events come back as they were, and where they belong.
pub fn round_trip(stream: &str, version: Version, events: &[NewEvent], spot: &Spot) {
    let bytes = commit(stream, version, events, spot);
    frame(&bytes, spot.salt, spot.offset);
    let header = FrameHeader::decode(&bytes, spot.salt, spot.offset).expect("a whole header");
    assert_eq!((header.length as usize, header.count as usize), (bytes.len(), events.len()));
    assert_eq!((header.first, header.synced), (spot.first, spot.synced));
    assert_eq!((header.epoch, header.recorded_at), (spot.epoch, spot.recorded_at));
    let (head, mut rest) = bytes.split_at(header.header_length as usize);
    let streams = StreamTable::decode(head).expect("a whole table");
    for (index, new) in (0..).zip(events) {
        let at = (bytes.len() - rest.len()) as u64;
        let record = record(rest, spot.salt, spot.offset + at).expect("a whole record");
        let payload = Slice::from(record[RECORD_PREFIX_BYTES..].to_vec());
        let event = Event::decode(payload, at, &header, &streams, Some(1)).expect("an event");
        assert_eq!(&as_new(&event), new);
        assert_eq!((event.stream(), event.version()), (stream, version.plus(index)));
        assert_eq!(event.position(), spot.first.position.plus(index));
        rest = &rest[record.len()..];
    }
    assert!(rest.is_empty());
}
