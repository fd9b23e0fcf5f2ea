//! An event in the log and in the hands of a reader: one piece of bytes with parsed offsets.

use std::ops::Range;
use std::sync::Arc;

use annals_types::{
    Bytes, ContentKind, Epoch, EventId, Facts, NewEvent, OccurredAt, Position, StoreId, Timestamp,
    Version,
};

use super::cursor::{Cursor, is_text, put_bytes, put_varint, put_zigzag};
use super::fields::Fields;
use super::frame::{FrameHeader, RECORD_PREFIX_BYTES, StreamTable};
use crate::slice::Slice;

const HAS_METADATA: u8 = 1;
const HAS_TAGS: u8 = 1 << 1;
const HAS_OCCURRED_AT: u8 = 1 << 2;
const HAS_CORRELATION: u8 = 1 << 3;
const HAS_CAUSATION: u8 = 1 << 4;
const HAS_ID: u8 = 1 << 5;
const HAS_EXTENSIONS: u8 = 1 << 6;
const FLAGS_KNOWN: u8 = 0x7f;
/// In place of an event's content: what was there is lost.
const HOLE: [u8; 2] = [1 << 7, 1];

/// The ids, in the order in which they stand.
const ID_FLAGS: [u8; 3] = [HAS_ID, HAS_CORRELATION, HAS_CAUSATION];
const IDS: u8 = HAS_ID | HAS_CORRELATION | HAS_CAUSATION;
const ID_BYTES: usize = 16;

/// No record of the event takes more bytes.
pub(crate) fn bytes_at_most(event: &NewEvent) -> usize {
    /// What stands in front of a record, its numbers, and all of an event that is not text or bytes.
    const FIXED: usize = 128;
    let tags: usize = event.tags.iter().map(|tag| tag.len() + 2).sum();
    FIXED + event.event_type.len() + event.data.len() + event.metadata.len() + tags
}

/// Appends the content of an event: everything of it that does not depend on where it lies. The
/// content chain hashes exactly these bytes.
pub(crate) fn put_content(out: &mut Vec<u8>, event: &NewEvent) {
    put_parts(out, event);
}

/// Appends what stands where an event's content was lost.
pub(crate) fn put_hole(out: &mut Vec<u8>) {
    out.extend_from_slice(&HOLE);
}

/// A record whose event is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    /// The event's stream and version, where they are known.
    pub(crate) stream: Option<(Arc<str>, Version)>,
}

impl Hole {
    /// Whether a record with this payload may be one. Hardly ever: told by its last bytes.
    #[inline]
    pub(crate) fn may_be(payload: &[u8]) -> bool {
        payload.ends_with(&HOLE)
    }

    /// The hole that the record with this payload, of a commit to these streams, is.
    #[inline]
    pub(crate) fn decode(payload: &[u8], streams: &StreamTable) -> Option<Self> {
        if !Self::may_be(payload) {
            return None;
        }
        let mut cursor = Cursor::new(payload);
        let head = RecordHead::decode(&mut cursor)?;
        let (stream, version) = if streams.is_single() {
            (0, u64::from(head.index))
        } else {
            (cursor.varint_usize()?, cursor.varint()?)
        };
        let stream = streams.get(stream);
        let stream =
            stream.map(|stream| (Arc::clone(&stream.name), stream.first_version.plus(version)));
        (cursor.left() == HOLE).then_some(Self { stream })
    }
}

/// The stretches of an event's content.
struct Parts {
    flags: u8,
    event_type: Span,
    tags: Span,
    metadata: Span,
    data: u32,
}

impl Parts {
    /// Those of the content that goes from `start` to the end of `bytes`. Apart from what stands around
    /// it: so all of it stays in registers.
    #[inline(always)]
    fn decode(bytes: &[u8], start: u32) -> Option<Self> {
        let mut cursor = Cursor::new(bytes.get(start as usize..)?);
        let here = |cursor: &Cursor<'_>| place(bytes.len() - cursor.left().len());
        let [flags, kind] = cursor.array()?;
        if flags & !FLAGS_KNOWN != 0 || content_of(kind).is_none() {
            return None;
        }
        let _schema = u32::try_from(cursor.varint()?).ok()?;
        let length = cursor.varint_usize()?;
        let mut event_type = Span::empty(here(&cursor));
        if !is_text(cursor.take(length)?) {
            return None;
        }
        event_type.end = here(&cursor);
        if flags & (IDS | HAS_OCCURRED_AT) != 0 {
            cursor = behind_ids_and_time(cursor, flags)?;
        }
        let mut tags = Span::empty(here(&cursor));
        if flags & HAS_TAGS != 0 {
            cursor = behind_tags(cursor)?;
            tags.end = here(&cursor);
        }
        let mut metadata = Span::empty(here(&cursor));
        if flags & HAS_METADATA != 0 {
            let length = cursor.varint_usize()?;
            metadata = Span::empty(here(&cursor));
            cursor.take(length)?;
            metadata.end = here(&cursor);
        }
        if flags & HAS_EXTENSIONS != 0 {
            cursor = behind_extensions(cursor)?;
        }
        Some(Self { flags, event_type, tags, metadata, data: here(&cursor) })
    }
}

/// Appends the content of an event and says where its parts begin and end.
#[inline(always)]
fn put_parts(out: &mut Vec<u8>, event: &NewEvent) -> Parts {
    let flag = |present, flag| if present { flag } else { 0 };
    let flags = flag(!event.metadata.is_empty(), HAS_METADATA)
        | flag(!event.tags.is_empty(), HAS_TAGS)
        | flag(event.occurred_at.is_some(), HAS_OCCURRED_AT)
        | flag(event.correlation_id.is_some(), HAS_CORRELATION)
        | flag(event.causation_id.is_some(), HAS_CAUSATION)
        | flag(event.id.is_some(), HAS_ID);
    let mut fields = Fields::behind_zeros(0);
    fields.byte(flags);
    fields.byte(content_code(event.content));
    fields.varint(u64::from(event.schema));
    fields.varint(event.event_type.len() as u64);
    fields.append_to(out);
    out.extend_from_slice(event.event_type.as_bytes());
    let event_type = Span::last(out, event.event_type.len());
    if flags & IDS != 0 {
        for id in [event.id, event.correlation_id, event.causation_id].into_iter().flatten() {
            out.extend_from_slice(&id.to_bytes());
        }
    }
    if let Some(moment) = event.occurred_at {
        put_zigzag(out, moment.seconds());
        out.push(moment.digits());
        put_varint(out, u64::from(moment.nanos() / unit(moment.digits())));
        put_zigzag(out, i64::from(moment.offset_minutes()));
    }
    let before = out.len();
    if !event.tags.is_empty() {
        put_varint(out, event.tags.len() as u64);
        for tag in &event.tags {
            put_bytes(out, tag.as_bytes());
        }
    }
    let tags = Span::last(out, out.len() - before);
    if !event.metadata.is_empty() {
        put_bytes(out, &event.metadata);
    }
    let metadata = Span::last(out, event.metadata.len());
    let data = Span::last(out, 0).end;
    out.extend_from_slice(&event.data);
    Parts { flags, event_type, tags, metadata, data }
}

pub(super) const fn content_code(kind: ContentKind) -> u8 {
    match kind {
        ContentKind::Text => 1,
        ContentKind::Binary => 2,
        _ => 0,
    }
}

pub(super) const fn content_of(code: u8) -> Option<ContentKind> {
    Some(match code {
        0 => ContentKind::Json,
        1 => ContentKind::Text,
        2 => ContentKind::Binary,
        _ => return None,
    })
}

/// Nanoseconds of one step of a time with so many digits.
const fn unit(digits: u8) -> u32 {
    10_u32.pow(9_u32.saturating_sub(digits as u32))
}

/// A stretch of an event's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The last `length` bytes of `bytes`, which are far below 4 GiB.
    fn last(bytes: &[u8], length: usize) -> Self {
        let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { start: end.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX)), end }
    }

    /// One that begins here.
    const fn empty(start: u32) -> Self {
        Self { start, end: start }
    }

    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// So many bytes behind the begin of a frame or of a record, which are far below 4 GiB.
#[expect(clippy::cast_possible_truncation, reason = "the longest frame is far shorter")]
const fn place(bytes: usize) -> u32 {
    bytes as u32
}

/// An event as the store gives it back.
///
/// It owns its bytes together with the events read in the same piece: of those read in a row that has
/// 64 KiB at most, or as much as a larger event needs; one read alone has about 1 KiB to itself. So
/// cloning is cheap; who keeps single events of a scan for long should copy what is needed.
#[derive(Clone, Debug)]
pub struct Event {
    position: Position,
    version: Version,
    recorded_at: Timestamp,
    epoch: u32,
    history: u64,
    /// The stream's name, where that is not in the event's own bytes.
    shared_name: Option<Arc<str>>,
    own_name: Span,
    /// The record, and what lies in front of it where the name does.
    bytes: Slice,
    content: u32,
    flags: u8,
    /// Behind it the ids begin, and behind them the caller's time.
    event_type: Span,
    tags: Span,
    metadata: Span,
    /// Where the data begins; it goes to the end.
    data: u32,
}

// Up to so many bytes are moved without a call, and an event is moved several times on its way out.
const _: () = assert!(size_of::<Event>() <= 128);

/// An event's record opened as far as needed to know which event it is.
pub(crate) struct RecordHead {
    /// Distance from the record to the start of its frame.
    pub(crate) back: u64,
    /// The event's number in its commit, from 0.
    pub(crate) index: u32,
}

impl RecordHead {
    /// Bytes that a record's prefix and its head take at most.
    pub(crate) const BYTES_MAX: usize = RECORD_PREFIX_BYTES + 15;

    #[inline(always)]
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let back = cursor.varint()?;
        let index = u32::try_from(cursor.varint()?).ok()?;
        Some(Self { back, index })
    }
}

impl Event {
    /// Decodes the event in `record` (what stands behind a record's prefix, its checksum proven),
    /// which lies `back` bytes behind its frame's start. `history` goes into a derived id; where it
    /// is not known, an event that needs one is not readable: a wrong id is worse than none.
    pub(crate) fn decode(
        record: Slice,
        back: u64,
        header: &FrameHeader,
        streams: &StreamTable,
        history: Option<u64>,
    ) -> Option<Self> {
        Self::decode_one(&record, back, header, streams, history, || record.clone())
    }

    /// The same where the record is shared only once it is known to be an event.
    #[inline(always)]
    pub(crate) fn decode_one(
        record: &[u8],
        back: u64,
        header: &FrameHeader,
        streams: &StreamTable,
        history: Option<u64>,
        share: impl FnOnce() -> Slice,
    ) -> Option<Self> {
        let stream = |cursor: &mut Cursor<'_>, index| {
            let (stream, version) = if streams.is_single() {
                (streams.get(0)?, u64::from(index))
            } else {
                (streams.get(cursor.varint_usize()?)?, cursor.varint()?)
            };
            let name = (Some(Arc::clone(&stream.name)), Span::default());
            Some((name, stream.first_version.plus(version)))
        };
        Self::parse(record, 0, back, header, history, stream, share)
    }

    /// Decodes the only event of the commit in `frame`, whose header and stream these are, the name
    /// where it lies in the frame.
    #[inline(always)]
    pub(crate) fn decode_only(
        frame: &[u8],
        header: &FrameHeader,
        (name, version): (Range<usize>, Version),
        history: Option<u64>,
        share: impl FnOnce() -> Slice,
    ) -> Option<Self> {
        let back = header.header_length;
        let record = back as usize + RECORD_PREFIX_BYTES;
        let name = Span { start: place(name.start), end: place(name.end) };
        let stream = |_: &mut Cursor<'_>, _| Some(((None, name), version));
        Self::parse(frame, record, back.into(), header, history, stream, share)
    }

    #[inline(always)]
    fn parse(
        bytes: &[u8],
        record: usize,
        back: u64,
        header: &FrameHeader,
        history: Option<u64>,
        stream: impl FnOnce(&mut Cursor<'_>, u32) -> Option<((Option<Arc<str>>, Span), Version)>,
        share: impl FnOnce() -> Slice,
    ) -> Option<Self> {
        let mut cursor = Cursor::new(bytes.get(record..)?);
        let head = RecordHead::decode(&mut cursor)?;
        if head.back != back || head.index >= header.count {
            return None;
        }
        let ((shared_name, own_name), version) = stream(&mut cursor, head.index)?;
        let content = place(bytes.len() - cursor.left().len());
        let Parts { flags, event_type, tags, metadata, data } = Parts::decode(bytes, content)?;
        let history = history.or((flags & HAS_ID != 0).then_some(0))?;
        Some(Self {
            position: header.first.position.plus(u64::from(head.index)),
            version,
            recorded_at: header.recorded_at,
            epoch: header.epoch,
            history,
            shared_name,
            own_name,
            content,
            flags,
            event_type,
            tags,
            metadata,
            data,
            bytes: share(),
        })
    }

    /// The event that the log of `store` gives back for `new`, had it been appended so. For other
    /// implementations of the reader traits, such as reference models. `new` must be within
    /// [`limits`](annals_types::limits).
    #[must_use]
    pub fn compose(
        position: Position,
        version: Version,
        stream: &str,
        recorded_at: Timestamp,
        epoch: Epoch,
        store: StoreId,
        new: &NewEvent,
    ) -> Self {
        let mut bytes = stream.as_bytes().to_vec();
        let name = Span::last(&bytes, stream.len());
        let Parts { flags, event_type, tags, metadata, data } = put_parts(&mut bytes, new);
        Self {
            position,
            version,
            recorded_at,
            epoch: epoch.number,
            history: history(store, epoch),
            shared_name: None,
            own_name: name,
            bytes: bytes.into(),
            content: name.end,
            flags,
            event_type,
            tags,
            metadata,
            data,
        }
    }

    /// Whether it has the same content as `new`, byte for byte: type, schema, kind, data, metadata,
    /// tags and the ids and the time that the caller set.
    #[must_use]
    pub fn has_content(&self, new: &NewEvent) -> bool {
        let mut content = Vec::with_capacity(self.content_bytes().len());
        put_content(&mut content, new);
        content == self.content_bytes()
    }

    /// Its number in the whole store.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Its number in its stream.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The stream's name.
    #[must_use]
    pub fn stream(&self) -> &str {
        match &self.shared_name {
            None => text(self.slice(self.own_name)),
            Some(name) => name,
        }
    }

    /// The store's stamp, the same for all events of a commit; never goes backwards.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// The number of the epoch in which it was written.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Its id: the caller's, or else one derived from store, epoch and position.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.optional_id(HAS_ID)
            .unwrap_or_else(|| EventId::derived(self.history, self.position.get()))
    }

    /// Whether the caller set the id.
    #[must_use]
    pub fn has_own_id(&self) -> bool {
        self.flags & HAS_ID != 0
    }

    /// What happened.
    #[must_use]
    pub fn event_type(&self) -> &str {
        text(self.slice(self.event_type))
    }

    /// The version of the data's schema.
    #[must_use]
    pub fn schema(&self) -> u32 {
        // Behind flags and kind.
        let mut cursor = Cursor::new(self.content_bytes().get(2..).unwrap_or_default());
        cursor.varint().and_then(|schema| u32::try_from(schema).ok()).unwrap_or_default()
    }

    /// What the data is.
    #[must_use]
    pub fn content(&self) -> ContentKind {
        // Behind the flags.
        let kind = self.content_bytes().get(1);
        kind.and_then(|&kind| content_of(kind)).unwrap_or_default()
    }

    /// The data, byte for byte as it was appended.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.data as usize..).unwrap_or_default()
    }

    /// The data as bytes that outlive the event without a copy.
    #[must_use]
    pub fn data_bytes(&self) -> Bytes {
        self.bytes.share(self.data())
    }

    /// The metadata; empty where there is none.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        self.slice(self.metadata)
    }

    /// The tags, in the order in which they were given.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let mut cursor = Cursor::new(self.slice(self.tags));
        let count = if cursor.left().is_empty() { 0 } else { cursor.varint().unwrap_or(0) };
        (0..count).map_while(move |_| {
            let length = cursor.varint_usize()?;
            cursor.take(length).map(text)
        })
    }

    /// What it belongs to.
    #[must_use]
    pub fn correlation_id(&self) -> Option<EventId> {
        self.optional_id(HAS_CORRELATION)
    }

    /// The event that caused it.
    #[must_use]
    pub fn causation_id(&self) -> Option<EventId> {
        self.optional_id(HAS_CAUSATION)
    }

    /// When it happened by the caller's clock.
    #[must_use]
    pub fn occurred_at(&self) -> Option<OccurredAt> {
        if self.flags & HAS_OCCURRED_AT == 0 {
            return None;
        }
        let ids = (self.flags & IDS).count_ones() as usize * ID_BYTES;
        decode_occurred_at(Cursor::new(self.ids()?.get(ids..)?)).map(|(moment, _)| moment)
    }

    /// The id with this flag: ids stand in the order of [`ID_FLAGS`].
    fn optional_id(&self, flag: u8) -> Option<EventId> {
        if self.flags & flag == 0 {
            return None;
        }
        let before = ID_FLAGS.iter().take_while(|&&other| other != flag);
        let before = before.filter(|&&other| self.flags & other != 0).count();
        let mut cursor = Cursor::new(self.ids()?.get(before * ID_BYTES..)?);
        cursor.array().map(EventId::from_bytes)
    }

    fn ids(&self) -> Option<&[u8]> {
        self.bytes.get(self.event_type.end as usize..)
    }

    /// The bytes that the content chain hashes.
    pub(crate) fn content_bytes(&self) -> &[u8] {
        self.bytes.get(self.content as usize..).unwrap_or_default()
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.bytes.get(span.range()).unwrap_or_default()
    }
}

impl Facts for Event {
    fn stream(&self) -> &str {
        self.stream()
    }

    fn event_type(&self) -> &str {
        self.event_type()
    }

    fn each_tag(&self, see: &mut dyn FnMut(&str)) {
        self.tags().for_each(see);
    }

    fn correlation_id(&self) -> Option<EventId> {
        self.correlation_id()
    }

    fn causation_id(&self) -> Option<EventId> {
        self.causation_id()
    }
}

/// Bytes that were checked to be UTF-8 when the event was decoded.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// What is left behind the ids and the time that such flags announce.
fn behind_ids_and_time(mut cursor: Cursor<'_>, flags: u8) -> Option<Cursor<'_>> {
    cursor.take((flags & IDS).count_ones() as usize * ID_BYTES)?;
    if flags & HAS_OCCURRED_AT == 0 {
        return Some(cursor);
    }
    decode_occurred_at(cursor).map(|(_, left)| left)
}

/// A caller's time, and what is left behind it.
fn decode_occurred_at(mut cursor: Cursor<'_>) -> Option<(OccurredAt, Cursor<'_>)> {
    let seconds = cursor.zigzag()?;
    let digits = cursor.u8()?;
    let fraction = u32::try_from(cursor.varint()?).ok()?;
    let nanos = fraction.checked_mul(unit(digits))?;
    let offset = i16::try_from(cursor.zigzag()?).ok()?;
    Some((OccurredAt::new(seconds, nanos, digits, offset)?, cursor))
}

/// What is left behind the tags.
fn behind_tags(mut cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    for _ in 0..cursor.varint()? {
        let length = cursor.varint_usize()?;
        if !is_text(cursor.take(length)?) {
            return None;
        }
    }
    Some(cursor)
}

/// What is left behind the extensions: a length, then for each `kind << 1 | must understand`, length,
/// bytes. This version knows none, so one that must be understood makes the event unreadable.
fn behind_extensions(mut cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let length = cursor.varint_usize()?;
    let mut extensions = Cursor::new(cursor.take(length)?);
    while !extensions.left().is_empty() {
        let must_understand = extensions.varint()? & 1 == 1;
        let length = extensions.varint_usize()?;
        extensions.take(length)?;
        if must_understand {
            return None;
        }
    }
    Some(cursor)
}

/// What goes into derived ids for one epoch of one store: 64 bits that differ from history to
/// history.
pub(crate) fn history(store: StoreId, epoch: Epoch) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("annals 2026 derived event ids");
    hasher.update(&store.0).update(&epoch.number.to_le_bytes()).update(&epoch.id.to_le_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
