//! `storage-format.md` and the engine agree. The bytes that the document shows are those of a store
//! made here, and they are taken apart by a decoder that was written from the document alone: it
//! shares no code with the engine's. The other way round, the engine reads what is put together
//! here by the document's rules.
//!
//! `ANNALS_PRINT_DUMP=1 cargo test -p annals --test storage_format -- --nocapture the_dump` prints
//! the dump to paste into the document.

#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use annals::{
    Checkpoint, Commit, ContentKind, Event, EventId, ExpectedVersion, NewEvent, NewState,
    OccurredAt, Options, ReadOnlyStore, StateKey, StateRole, Store, Timestamp, Version, limits,
};
use annals_env::{Clock, Env, ManualClock, ManualScheduler, MemoryFs, SeededRandom};

const DOCUMENT: &str = include_str!("../../../storage-format.md");

const ROOT: &str = "/store";
const FIRST: &str = "log/00000000000000000000-0000000001-0000000000.seg";
const SECOND: &str = "log/00000000000000000006-0000000002-0000000000.seg";
const STATE: &str = "state";
const IMAGE: &str = "index/memory/image";

// The store of the document.

/// 2026-03-03T12:00:00Z.
const NOON: i64 = 1_772_539_200_000_000;
const PAYMENT: EventId = EventId::from_u128(0x0195_5bd3_4c00_7abc_8123_4567_89ab_cdef);

fn env(fs: &MemoryFs) -> (Env, Arc<ManualClock>, ManualScheduler) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(NOON)));
    let scheduler = ManualScheduler::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let env = Env {
        fs: Arc::new(fs.clone()),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        random: Arc::new(SeededRandom::new(1)),
        scheduler: Arc::new(scheduler.clone()),
    };
    (env, clock, scheduler)
}

fn placed() -> NewEvent {
    NewEvent {
        metadata: r#"{"by":"ada"}"#.into(),
        occurred_at: Some("2026-03-03T12:59:59.250+01:00".parse().unwrap()),
        ..NewEvent::json("OrderPlaced", r#"{"total":42}"#).tag("customer:7")
    }
}

fn paid() -> NewEvent {
    NewEvent { id: Some(PAYMENT), schema: 2, ..NewEvent::json("OrderPaid", r#"{"by":"card"}"#) }
}

fn noted() -> NewEvent {
    NewEvent {
        correlation_id: Some(EventId::from_u128(7)),
        causation_id: Some(PAYMENT),
        ..NewEvent::new("NoteAdded", ContentKind::Text, "thanks")
    }
}

fn shipped() -> NewEvent {
    NewEvent::json("OrderShipped", r#"{"by":"post"}"#)
}

fn granted() -> NewEvent {
    NewEvent::json("BonusGranted", r#"{"points":4}"#).tag("customer:7").tag("bonus")
}

fn closed() -> NewEvent {
    NewEvent::json("OrderClosed", "{}")
}

fn scanned() -> NewEvent {
    NewEvent::new("Scanned", ContentKind::Binary, vec![0; 15_000])
}

/// The state of `order-42` behind its fifth event.
fn snapshot(checkpoint: Checkpoint) -> NewState {
    let (name, fold) = ("order-42".to_owned(), "Order".to_owned());
    NewState {
        key: StateKey { role: StateRole::Snapshot, name, fold },
        schema: 1,
        version: Version::new(5),
        checkpoint,
        content: ContentKind::Json,
        data: r#"{"total":42,"paid":true}"#.into(),
    }
}

/// Makes the store; gives its files and its events.
fn example() -> (MemoryFs, Vec<Event>) {
    let fs = MemoryFs::new();
    let (env, clock, scheduler) = env(&fs);
    let options = Store::options().segment_bytes(Options::SEGMENT_BYTES_MIN).env(env);
    let store = options.open(ROOT).unwrap();
    store.append("order-42", ExpectedVersion::NoStream, &[placed()]).unwrap();
    clock.advance(Duration::from_millis(1_500));
    store.append("order-42", ExpectedVersion::at(1), &[paid(), noted()]).unwrap();
    clock.advance(Duration::from_millis(1_500));
    let of_two_streams = Commit::new()
        .append("order-42", ExpectedVersion::at(3), vec![shipped()])
        .append("customer-7", ExpectedVersion::NoStream, vec![granted()])
        .append("order-42", ExpectedVersion::Any, vec![closed()]);
    let receipt = store.commit(&of_two_streams).unwrap();
    let checkpoint = Checkpoint { epoch: receipt.epoch, position: receipt.position };
    store.keep_state(&snapshot(checkpoint), &[]).unwrap();
    clock.advance(Duration::from_millis(1_500));
    store.append("scan-1", ExpectedVersion::Any, &[scanned()]).unwrap();
    // Seals the first segment.
    scheduler.run_until_idle();
    let events = store.read_all().map(Result::unwrap).collect();
    store.close().unwrap();
    (fs, events)
}

fn file(fs: &MemoryFs, name: &str) -> Vec<u8> {
    fs.read_file(&Path::new(ROOT).join(name)).unwrap()
}

// The dump in the document.

#[derive(Debug, Default)]
struct Shown {
    length: usize,
    bytes: BTreeMap<usize, u8>,
}

/// What the document shows, by file: in each block that begins with `file NAME, N bytes`, lines of
/// an offset, two spaces, bytes, and two spaces before what they mean.
fn shown() -> BTreeMap<String, Shown> {
    let mut shown = BTreeMap::<String, Shown>::new();
    let mut name = None;
    let mut fence = false;
    for line in DOCUMENT.lines() {
        let begins = std::mem::replace(&mut fence, line.starts_with("```"));
        if fence {
            name = None;
        } else if let Some((file, length)) =
            line.strip_prefix("file ").filter(|_| begins).and_then(|rest| rest.split_once(", "))
        {
            let length = length.strip_suffix(" bytes").unwrap().replace(',', "").parse().unwrap();
            shown.entry(file.to_owned()).or_default().length = length;
            name = Some(file.to_owned());
        } else if line.is_empty() {
            // Between two things.
        } else if let Some(shown) = name.as_ref().and_then(|name| shown.get_mut(name)) {
            let (offset, rest) = line.split_once("  ").unwrap_or_else(|| panic!("{line:?}"));
            let offset = usize::from_str_radix(offset, 16).unwrap();
            let bytes = rest.split("  ").next().unwrap_or_default();
            for (at, byte) in (offset..).zip(bytes.split(' ')) {
                let byte = u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{line:?}"));
                assert_eq!(shown.bytes.insert(at, byte), None, "byte {at} shown twice");
            }
        }
    }
    shown
}

#[test]
fn the_dump_in_the_document_is_what_the_engine_writes() {
    let (fs, events) = example();
    let names = [FIRST, SECOND, STATE, IMAGE];
    if std::env::var_os("ANNALS_PRINT_DUMP").is_some() {
        let segments = [FIRST, SECOND].map(|name| segment(&file(&fs, name)).0);
        let decoded = segments.iter().flat_map(|segment| &segment.frames);
        let terms = Terms::of(segments[0].header.store, decoded.flat_map(|frame| &frame.events));
        println!("{}", names.map(|name| dump(name, &file(&fs, name), &terms)).join("\n"));
        println!("derived id of event 1: {}", events[0].id());
    }
    assert!(DOCUMENT.contains(&events[0].id().to_string()));
    let shown = shown();
    assert_eq!(shown.len(), names.len());
    for name in names {
        let (bytes, shown) = (file(&fs, name), &shown[name]);
        assert_eq!(shown.length, bytes.len(), "{name}");
        for (at, &byte) in bytes.iter().enumerate() {
            // What is not shown is zero.
            let said = shown.bytes.get(&at).copied().unwrap_or_default();
            assert_eq!(said, byte, "{name} at {at:#x}: the document says {said:02x}");
        }
        assert!(shown.bytes.keys().all(|&at| at < bytes.len()), "{name}");
    }
    let mut files: Vec<_> = fs.files().iter().map(|path| path.display().to_string()).collect();
    files.retain(|path| path != "/store/lock");
    assert_eq!(files.len(), names.len(), "{files:?}");
    assert!(file(&fs, "lock").is_empty());
}

fn dump(name: &str, bytes: &[u8], terms: &Terms) -> String {
    let lines = match name {
        STATE => state(bytes).1,
        IMAGE => image(bytes, terms).1,
        _ => segment(bytes).1,
    };
    let length = bytes.len();
    format!("file {name}, {length} bytes\n{}\n", lines.join("\n"))
}

// A decoder, written from the document.

/// CRC-32 (IEEE): reflected, polynomial 0xedb88320, begun and ended with all ones.
fn crc(parts: &[&[u8]]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let mut value = n as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[n] = value;
            n += 1;
        }
        table
    };
    !parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(!0, |sum, &byte| (sum >> 8) ^ TABLE[((sum ^ u32::from(byte)) & 0xff) as usize])
}

fn mask(salt: u64, offset: u64) -> u32 {
    let mut z = salt.wrapping_add(offset.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((z >> 32) ^ (z & 0xffff_ffff)) as u32
}

/// Takes a file apart and notes what its bytes mean.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    lines: Vec<String>,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, lines: Vec::new() }
    }

    /// What follows begins something new.
    fn begin(&mut self) {
        if !self.lines.is_empty() {
            self.lines.push(String::new());
        }
    }

    fn bytes(&mut self, count: usize, meaning: &str) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + count];
        for (n, piece) in taken.chunks(16).enumerate() {
            let hex: Vec<String> = piece.iter().map(|byte| format!("{byte:02x}")).collect();
            let (at, hex) = (self.at + n * 16, hex.join(" "));
            let line = format!("{at:04x}  {hex:47}  {}", if n == 0 { meaning } else { "" });
            // What is not shown is zero.
            if taken.len() < 24 || taken.iter().any(|&byte| byte != 0) {
                self.lines.push(line.trim_end().to_owned());
            }
        }
        self.at += count;
        taken
    }

    fn number(&mut self, count: usize, meaning: &str) -> u64 {
        let bytes = &self.bytes[self.at..self.at + count];
        let value = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        self.bytes(count, &format!("{meaning}: {value}"));
        value
    }

    fn sum(&mut self, meaning: &str) -> u32 {
        u32::from_le_bytes(self.bytes(4, meaning).try_into().unwrap())
    }

    fn place(&mut self, meaning: &str) -> (u64, u64) {
        (self.number(8, &format!("{meaning}, position")), self.number(4, &format!("{meaning}, k")))
    }

    fn epoch(&mut self) -> (u64, u64) {
        (self.number(4, "number of the epoch"), self.number(8, "id of the epoch"))
    }

    fn varint(&mut self, meaning: &str, show: impl Fn(u64) -> String) -> u64 {
        let mut value = 0;
        let mut count = 0;
        loop {
            let byte = self.bytes[self.at + count];
            value |= u64::from(byte & 0x7f) << (7 * count);
            count += 1;
            if byte < 0x80 {
                break;
            }
        }
        self.bytes(count, &format!("{meaning}: {}", show(value)));
        value
    }

    fn count(&mut self, meaning: &str) -> usize {
        self.varint(meaning, |value| value.to_string()) as usize
    }

    fn zigzag(&mut self, meaning: &str) -> i64 {
        let plain = |value: u64| (value >> 1).cast_signed() ^ -((value & 1).cast_signed());
        plain(self.varint(meaning, |value| plain(value).to_string()))
    }

    fn text(&mut self, length: usize, meaning: &str) -> String {
        let text = std::str::from_utf8(&self.bytes[self.at..self.at + length]).unwrap().to_owned();
        self.bytes(length, &format!("{meaning}: {text}"));
        text
    }
}

#[derive(Debug, PartialEq, Eq)]
struct SegmentHeader {
    store: [u8; 16],
    salt: u64,
    first: (u64, u64),
    epoch: (u64, u64),
}

fn segment_header(fields: &mut Fields<'_>, copy: &str) -> SegmentHeader {
    let bytes = &fields.bytes[fields.at..fields.at + 128];
    fields.begin();
    assert_eq!(fields.bytes(8, &format!("{copy}: magic")), b"\x89ANL\r\n\x1a\n");
    assert_eq!(fields.number(2, "format"), 0);
    assert_eq!(fields.number(2, "revision"), u64::from(annals::REVISION));
    assert_eq!(fields.number(4, "generation"), 0);
    let store = fields.bytes(16, "store id").try_into().unwrap();
    let salt = u64::from_le_bytes(fields.bytes(8, "salt").try_into().unwrap());
    let first = fields.place("first place");
    assert!(first.1 > 0);
    let epoch = fields.epoch();
    assert!(fields.bytes(60, "reserved").iter().all(|&byte| byte == 0));
    assert_eq!(fields.sum("checksum"), crc(&[&bytes[..124]]));
    assert!(fields.bytes(384, "padding").iter().all(|&byte| byte == 0));
    SegmentHeader { store, salt, first, epoch }
}

#[derive(Debug)]
struct Decoded {
    position: u64,
    version: u64,
    stream: String,
    recorded_at: i64,
    epoch: u64,
    content: Vec<u8>,
    event: NewEvent,
}

#[derive(Debug)]
struct Frame {
    last: (u64, u64),
    epoch: u64,
    synced: (u64, u64),
    events: Vec<Decoded>,
    starts: Option<(u64, u64)>,
    /// The names in its key and its data, if it is a snapshot of no others' place.
    kept: Option<(String, String, Vec<u8>)>,
}

fn frame(fields: &mut Fields<'_>, salt: u64, before: (u64, u64)) -> Frame {
    fields.begin();
    let start = fields.at;
    let stored = fields.sum("frame: checksum of the header");
    assert_eq!(fields.bytes(2, "marker"), b"AN");
    let kind = fields.number(1, "kind (1 commit, 2 control record)");
    assert_eq!(fields.number(1, "flags"), 0);
    let length = fields.number(4, "length of the frame") as usize;
    let header_length = fields.number(4, "length of the header") as usize;
    let position = fields.number(8, "position");
    let n = fields.number(4, if kind == 1 { "events" } else { "k" });
    let epoch = fields.number(4, "epoch");
    let recorded_at = fields.number(8, "recorded at").cast_signed();
    let digest = fields.sum("digest of the records' checksums");
    let synced_k = fields.number(4, "synced up to, k");
    let synced = (fields.number(8, "synced up to, position"), synced_k);
    let mut streams = Vec::new();
    if kind == 1 {
        for _ in 0..fields.count("streams") {
            let first_version = fields.number(8, "version of its first event");
            let length = fields.number(2, "length of its name") as usize;
            streams.push((first_version, fields.text(length, "stream")));
        }
    }
    assert_eq!(fields.at, start + header_length);
    let header = &fields.bytes[start + 4..start + header_length];
    assert_eq!(stored, crc(&[header]) ^ mask(salt, start as u64));

    let (first, count) = if kind == 1 { ((position, 0), n) } else { ((position, n), 1) };
    assert_eq!(first, if kind == 1 { (before.0 + 1, 0) } else { (before.0, before.1 + 1) });
    assert!(synced < first);
    let mut plain = Vec::new();
    let (mut events, mut starts, mut kept) = (Vec::new(), None, None);
    for index in 0..count {
        let at = fields.at;
        let stored = fields.sum("record: checksum");
        let length = fields.number(4, "length") as usize;
        let end = fields.at + length;
        let sum = crc(&[&fields.bytes[at + 4..end]]);
        assert_eq!(stored, sum ^ mask(salt, at as u64));
        plain.extend_from_slice(&sum.to_le_bytes());
        assert_eq!(fields.count("back"), at - start);
        assert_eq!(fields.count("index"), index as usize);
        if kind == 1 {
            let (stream, offset) = if streams.len() == 1 {
                (0, index)
            } else {
                let stream = fields.count("stream: number in the table");
                (stream, fields.count("version less that of the stream's first event") as u64)
            };
            let content = fields.bytes[fields.at..end].to_vec();
            let event = event(fields, end);
            let (version, stream) = (streams[stream].0 + offset, streams[stream].1.clone());
            let position = position + index;
            events.push(Decoded { position, version, stream, recorded_at, epoch, content, event });
        } else {
            let kind = fields.number(2, "kind of control record (1 epoch, 3 kept state)");
            let flags = fields.number(1, "flags (bit 0: must be understood)");
            match (kind, flags) {
                (1, 1) => {
                    starts = Some(fields.epoch());
                    assert!(starts.is_some_and(|start| start.0 == epoch));
                }
                (3, 0) => kept = Some(kept_state(fields, end)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(fields.at, end);
    }
    assert_eq!(fields.at, start + length);
    assert_eq!(digest, crc(&[&plain]));
    let last = if kind == 1 { (position + count - 1, 0) } else { first };
    Frame { last, epoch, synced, events, starts, kept }
}

fn kept_state(fields: &mut Fields<'_>, end: usize) -> (String, String, Vec<u8>) {
    assert_eq!(fields.number(1, "state of (1 aggregate, 2 projection)"), 1);
    assert_eq!(fields.number(1, "content kind (0 JSON, 1 text, 2 binary)"), 0);
    assert_eq!(fields.number(4, "schema"), 1);
    assert_eq!(fields.number(8, "version"), 5);
    assert_eq!(fields.epoch().0, 1);
    assert_eq!(fields.number(8, "position"), 6);
    let length = fields.number(2, "length of the name") as usize;
    let name = fields.text(length, "name");
    let length = fields.number(2, "length of what folded it") as usize;
    let fold = fields.text(length, "what folded it");
    assert_eq!(fields.number(2, "states that it takes the place of"), 0);
    (name, fold, fields.text(end - fields.at, "state").into_bytes())
}

fn event(fields: &mut Fields<'_>, end: usize) -> NewEvent {
    let flags = fields.number(1, "flags");
    assert_eq!(flags & !0x3f, 0);
    let content = match fields.number(1, "content kind (0 JSON, 1 text, 2 binary)") {
        0 => ContentKind::Json,
        1 => ContentKind::Text,
        _ => ContentKind::Binary,
    };
    let schema = fields.count("schema") as u32;
    let length = fields.count("length of the type");
    let event_type = fields.text(length, "type");
    let mut id = |flag: u64, meaning: &str| {
        let there = flags & flag != 0;
        there.then(|| EventId::from_bytes(fields.bytes(16, meaning).try_into().unwrap()))
    };
    let (id, correlation_id, causation_id) =
        (id(0x20, "id"), id(0x08, "correlation id"), id(0x10, "causation id"));
    let occurred_at = (flags & 0x04 != 0).then(|| {
        let seconds = fields.zigzag("occurred at: seconds since 1970 UTC");
        let digits = fields.number(1, "digits of a second") as u32;
        let nanos = fields.count("fraction in these digits") as u32 * 10_u32.pow(9 - digits);
        let offset = fields.zigzag("minutes east of UTC") as i16;
        OccurredAt::new(seconds, nanos, digits as u8, offset).unwrap()
    });
    let mut tags = Vec::new();
    if flags & 0x02 != 0 {
        for _ in 0..fields.count("tags") {
            let length = fields.count("length of the tag");
            tags.push(fields.text(length, "tag").into());
        }
    }
    let mut metadata = Vec::new();
    if flags & 0x01 != 0 {
        let length = fields.count("length of the metadata");
        metadata = fields.text(length, "metadata").into_bytes();
    }
    let length = end - fields.at;
    let data = match content {
        ContentKind::Binary => fields.bytes(length, "data").to_vec(),
        _ => fields.text(length, "data").into_bytes(),
    };
    let (data, metadata, event_type) = (data.into(), metadata.into(), event_type.into());
    NewEvent {
        event_type,
        schema,
        content,
        data,
        metadata,
        tags,
        id,
        correlation_id,
        causation_id,
        occurred_at,
    }
}

#[derive(Debug)]
struct Segment {
    header: SegmentHeader,
    frames: Vec<Frame>,
    link: Option<[u8; 32]>,
}

/// A segment, alone in its log or sealed as the first one.
fn segment(bytes: &[u8]) -> (Segment, Vec<String>) {
    let mut fields = Fields::new(bytes);
    let header = segment_header(&mut fields, "header");
    assert_eq!(segment_header(&mut fields, "second copy"), header);
    let mut last = (header.first.0, header.first.1 - 1);
    let mut frames = Vec::new();
    // Zeros are no frame.
    while bytes[fields.at + 4..fields.at + 6] == *b"AN" {
        frames.push(frame(&mut fields, header.salt, last));
        last = frames.last().unwrap().last;
    }
    let frames_end = fields.at;
    let sealed = bytes[bytes.len() - 160..].starts_with(b"ANLSEALD");
    let link = sealed.then(|| {
        let link = footer(&mut fields, &header, &frames, frames_end);
        assert_eq!(fields.at, bytes.len());
        link
    });
    let rest = if sealed { frames_end..frames_end } else { frames_end..bytes.len() };
    assert!(bytes[rest].iter().all(|&byte| byte == 0));
    (Segment { header, frames, link }, fields.lines)
}

fn footer(
    fields: &mut Fields<'_>,
    header: &SegmentHeader,
    frames: &[Frame],
    frames_end: usize,
) -> [u8; 32] {
    let end = fields.bytes.len();
    let number =
        |at: usize| u32::from_le_bytes(fields.bytes[at..at + 4].try_into().unwrap()) as usize;
    let (summary_length, count) = (number(end - 152), number(end - 144));
    let trailer_at = end - 160;
    let summary_at = trailer_at - summary_length;
    let table_at = summary_at - 4 * count;

    fields.at = table_at;
    fields.begin();
    let table = &fields.bytes[table_at..summary_at];
    for n in 0..count {
        fields
            .number(4, &format!("offset table: record of event {}", header.first.0 + 1 + n as u64));
    }
    let events: Vec<&Decoded> = frames.iter().flat_map(|frame| &frame.events).collect();
    assert_eq!(count, events.len());
    fields.begin();
    let first = fields.place("summary: first place");
    let last = fields.place("last place");
    assert_eq!((first, last), (header.first, frames.last().unwrap().last));
    assert_eq!(fields.number(4, "events") as usize, count);
    let controls = frames.iter().filter(|frame| frame.events.is_empty()).count();
    assert_eq!(fields.number(4, "control records") as usize, controls);
    assert_eq!(fields.number(8, "end of the frames") as usize, frames_end);
    let stamps = [events[0].recorded_at, events[count - 1].recorded_at];
    assert_eq!(fields.number(8, "first event recorded at").cast_signed(), stamps[0]);
    assert_eq!(fields.number(8, "last event recorded at").cast_signed(), stamps[1]);
    assert_eq!(fields.sum("checksum of the offset table"), crc(&[table]));
    assert_eq!(fields.number(4, "flags (bit 0: complete)"), 1);
    assert_eq!(fields.bytes(8, "reserved"), [0; 8]);
    assert_eq!(fields.number(4, "losses"), 0);
    // Its record stands there twice; the first counts.
    assert_eq!(fields.number(4, "epochs that begin here"), 1);
    assert_eq!(Some(fields.epoch()), frames[0].starts);
    assert_eq!(fields.place("place of its record"), frames[0].last);
    assert_eq!(fields.at, trailer_at);
    let link_at = end - 128;
    let (summary, trailer) =
        (&fields.bytes[summary_at..trailer_at], &fields.bytes[trailer_at..link_at]);
    fields.begin();
    assert_eq!(fields.bytes(8, "trailer: magic"), b"ANLSEALD");
    assert_eq!(fields.number(4, "length of the summary") as usize, summary_length);
    let sum = fields.sum("checksum of the summary");
    assert_eq!(sum, crc(&[summary]) ^ mask(header.salt, summary_at as u64));
    assert_eq!(fields.number(4, "entries of the offset table") as usize, count);
    assert_eq!(fields.bytes(8, "reserved"), [0; 8]);
    let sum = fields.sum("checksum of the trailer");
    assert_eq!(sum, crc(&[&trailer[..28]]) ^ mask(header.salt, trailer_at as u64));
    // The table leads to the records of the events.
    for (entry, event) in table.chunks(4).zip(&events) {
        let at = u32::from_le_bytes(entry.try_into().unwrap()) as usize;
        let length = u32::from_le_bytes(fields.bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        assert!(fields.bytes[at + 8..at + 8 + length].ends_with(&event.content));
    }
    fields.begin();
    assert_eq!(fields.bytes(8, "link: magic"), b"ANLCHAIN");
    let leaves: Vec<[u8; 32]> = events.iter().map(|event| leaf(event)).collect();
    let root = root(&leaves);
    assert_eq!(fields.bytes(32, "root"), root);
    let genesis = *blake3::hash(&[&[3], &header.store[..]].concat()).as_bytes();
    assert_eq!(fields.bytes(32, "link of the segment before: genesis"), genesis);
    let link = *blake3::hash(&[&[2], &genesis[..], &root].concat()).as_bytes();
    assert_eq!(fields.bytes(32, "link"), link);
    assert_eq!(fields.bytes(20, "reserved"), [0; 20]);
    let sum = fields.sum("checksum of the link");
    assert_eq!(sum, crc(&[&fields.bytes[link_at..end - 4]]) ^ mask(header.salt, link_at as u64));
    link
}

fn leaf(event: &Decoded) -> [u8; 32] {
    let mut bytes = vec![0];
    bytes.extend(event.position.to_le_bytes());
    bytes.extend(event.version.to_le_bytes());
    bytes.extend(event.recorded_at.to_le_bytes());
    bytes.extend((event.epoch as u32).to_le_bytes());
    bytes.extend((event.stream.len() as u64).to_le_bytes());
    bytes.extend(event.stream.bytes());
    bytes.extend(&event.content);
    *blake3::hash(&bytes).as_bytes()
}

fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => *blake3::hash(&[]).as_bytes(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            *blake3::hash(&[&[1], &root(left)[..], &root(right)].concat()).as_bytes()
        }
    }
}

#[derive(Debug)]
struct Slot {
    store: [u8; 16],
    sequence: u64,
    epoch: (u64, u64),
    durable: (u64, u64),
    visible: (u64, u64),
}

fn state(bytes: &[u8]) -> ([Slot; 2], Vec<String>) {
    let mut fields = Fields::new(bytes);
    let slots = [0, 512].map(|at| {
        fields.at = at;
        fields.begin();
        assert_eq!(fields.bytes(8, "slot: magic"), b"ANLSTATE");
        let store = fields.bytes(16, "store id").try_into().unwrap();
        let sequence = fields.number(8, "sequence");
        assert_eq!(at, if sequence.is_multiple_of(2) { 0 } else { 512 });
        let epoch_id = fields.number(8, "id of the epoch");
        let epoch = (fields.number(4, "number of the epoch"), epoch_id);
        let k = fields.number(4, "durable up to, k");
        let durable = (fields.number(8, "durable up to, position"), k);
        let k = fields.number(4, "visible up to, k");
        let visible = (fields.number(8, "visible up to, position"), k);
        assert_eq!(fields.bytes(24, "reserved"), [0; 24]);
        assert_eq!(fields.sum("checksum"), crc(&[&bytes[at..at + 92]]));
        Slot { store, sequence, epoch, durable, visible }
    });
    (slots, fields.lines)
}

#[derive(Debug)]
struct Image {
    store: [u8; 16],
    covers: (u64, u64),
    /// Name, and pairs of version and position.
    streams: Vec<(String, Vec<(u64, u64)>)>,
    /// Pairs of hash and position.
    ids: Vec<(u64, u64)>,
    /// Terms, and the positions of the events that carry them.
    terms: Vec<(u64, Vec<u64>)>,
    /// Keys and places.
    kept: Vec<(u64, (u64, u64))>,
}

/// An image of one block; `known` are the terms that may be in it.
fn image(bytes: &[u8], known: &Terms) -> (Image, Vec<String>) {
    let mut fields = Fields::new(bytes);
    assert_eq!(fields.bytes(8, "header: magic"), b"ANNALSIX");
    assert_eq!(fields.number(2, "version of the image"), 3);
    assert_eq!(fields.number(2, "reserved"), 0);
    let store = fields.bytes(16, "store id").try_into().unwrap();
    fields.number(4, "number of the epoch");
    fields.number(8, "id of the epoch");
    let covers = fields.place("covers up to");
    let (streams, ids) = (fields.number(8, "streams"), fields.number(8, "ids"));
    let (terms, kept) = (fields.number(8, "terms"), fields.number(8, "kept states"));
    let header_sum = fields.sum("checksum");
    assert_eq!(header_sum, crc(&[&bytes[..84]]));

    fields.begin();
    let length = fields.number(4, "block 0: length of its content") as u32;
    let content = &bytes[fields.at + 4..];
    assert_eq!(length as usize, content.len());
    let parts: [&[u8]; 4] =
        [&header_sum.to_le_bytes(), &0_u64.to_le_bytes(), &length.to_le_bytes(), content];
    assert_eq!(fields.sum("checksum"), crc(&parts));
    let mut first_before = 0;
    let streams = (0..streams).map(|_| {
        let length = fields.count("stream: length of the name");
        let name = fields.text(length, "name");
        let mut events = Vec::new();
        let (mut version, mut position) = (0, first_before);
        loop {
            let count = fields.count("run: events");
            if count == 0 {
                break;
            }
            version += fields.count("versions skipped") as u64;
            for _ in 0..count {
                version += 1;
                position += fields.count("step to the position") as u64;
                events.push((version, position));
            }
        }
        first_before = events[0].1;
        (name, events)
    });
    let streams = streams.collect();
    let mut position = 0;
    let ids = (0..ids).map(|_| {
        let hash = u64::from_le_bytes(fields.bytes(8, "id: hash").try_into().unwrap());
        position += fields.count("step to the position") as u64;
        (hash, position)
    });
    let ids = ids.collect();
    let mut first_before = 0;
    let terms = (0..terms).map(|_| {
        let number: [u8; 8] = fields.bytes[fields.at..fields.at + 8].try_into().unwrap();
        let term = u64::from_le_bytes(number);
        fields.bytes(8, &format!("term: {}", known.names[&term]));
        let (mut position, mut positions) = (first_before, Vec::new());
        loop {
            let count = fields.count("run: events");
            if count == 0 {
                break;
            }
            for _ in 0..count {
                position += fields.count("step to the position") as u64;
                assert!(positions.last().is_none_or(|before| *before < position));
                positions.push(position);
            }
        }
        first_before = positions[0];
        (term, positions)
    });
    let terms = terms.collect();
    let kept = (0..kept).map(|_| {
        let key = u64::from_le_bytes(fields.bytes(8, "kept state: key").try_into().unwrap());
        (key, (fields.count("position") as u64, fields.count("k") as u64))
    });
    let kept = kept.collect();
    assert_eq!(fields.at, bytes.len());
    (Image { store, covers, streams, ids, terms, kept }, fields.lines)
}

/// The terms of a store's events, as the document makes them.
#[derive(Debug, Default)]
struct Terms {
    /// What each stands for.
    names: BTreeMap<u64, String>,
    positions: BTreeMap<u64, Vec<u64>>,
}

impl Terms {
    fn of<'a>(store: [u8; 16], events: impl Iterator<Item = &'a Decoded>) -> Self {
        let mut terms = Self::default();
        for Decoded { position, stream, event, .. } in events {
            let mut add = |kind: u8, what: &str, bytes: &[u8], shown: &str| {
                let term = sip_hash(store, &[bytes, &[kind]].concat());
                terms.names.insert(term, format!("{what} {shown}"));
                terms.positions.entry(term).or_default().push(*position);
            };
            let category = stream.split('-').next().unwrap();
            add(b'c', "category", category.as_bytes(), category);
            add(b't', "type", event.event_type.as_bytes(), &event.event_type);
            for tag in &event.tags {
                add(b'g', "tag", tag.as_bytes(), tag);
            }
            for (kind, what, id) in [
                (b'r', "correlation id", event.correlation_id),
                (b'u', "causation id", event.causation_id),
            ] {
                if let Some(id) = id {
                    add(kind, what, &id.to_bytes(), &id.to_string());
                }
            }
        }
        terms
    }
}

/// `SipHash-1-3`.
fn sip_hash(key: [u8; 16], bytes: &[u8]) -> u64 {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let (k0, k1) = (word(&key[..8]), word(&key[8..]));
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let round = |v: &mut [u64; 4]| {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len() as u8;
    for m in words.iter().chain([&last]).map(|bytes| word(bytes)) {
        v[3] ^= m;
        round(&mut v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    (0..3).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[test]
fn the_files_taken_apart_by_the_document_hold_what_the_store_gives() {
    let (fs, events) = example();
    let (first, _) = segment(&file(&fs, FIRST));
    let (second, _) = segment(&file(&fs, SECOND));
    let (slots, _) = state(&file(&fs, STATE));

    assert_eq!((first.header.first, second.header.first), ((0, 1), (6, 2)));
    assert!(first.link.is_some() && second.link.is_none());
    let epoch = first.frames[0].starts.unwrap();
    assert_eq!(first.frames[1].starts, Some(epoch));
    let frames: Vec<&Frame> = first.frames.iter().chain(&second.frames).collect();
    let synced: Vec<(u64, u64)> = frames.iter().map(|frame| frame.synced).collect();
    assert_eq!(synced, [(0, 0), (0, 0), (0, 2), (1, 0), (3, 0), (6, 0), (6, 1)]);
    assert!(frames.iter().all(|frame| frame.epoch == 1));
    assert_eq!((first.header.epoch, second.header.epoch), ((0, 0), epoch));

    let decoded: Vec<&Decoded> = frames.iter().flat_map(|frame| &frame.events).collect();
    let expected = [placed(), paid(), noted(), shipped(), granted(), closed(), scanned()];
    assert_eq!((decoded.len(), events.len()), (7, 7));
    for ((decoded, event), new) in decoded.iter().zip(&events).zip(&expected) {
        assert_eq!(&decoded.event, new);
        assert_eq!(decoded.position, event.position().get());
        assert_eq!(decoded.version, event.version().get());
        assert_eq!(decoded.stream, event.stream());
        assert_eq!(decoded.recorded_at, event.recorded_at().as_micros());
        let id = new.id.unwrap_or_else(|| derived_id(first.header.store, epoch, decoded.position));
        assert_eq!(event.id(), id);
    }

    let kept = frames.iter().find_map(|frame| Some((frame.last, frame.kept.clone()?)));
    let (at, (name, fold, data)) = kept.unwrap();
    let given = snapshot(Checkpoint::default());
    assert_eq!((at, &name, &fold), ((6, 1), &given.key.name, &given.key.fold));
    assert_eq!(data, given.data);

    let newest = slots.iter().max_by_key(|slot| slot.sequence).unwrap();
    assert_eq!((newest.store, newest.epoch), (first.header.store, epoch));
    assert_eq!((newest.durable, newest.visible), ((7, 0), (7, 0)));

    let terms = Terms::of(first.header.store, decoded.into_iter());
    let (image, _) = image(&file(&fs, IMAGE), &terms);
    assert_eq!((image.store, image.covers), (first.header.store, (7, 0)));
    let streams = [
        ("order-42", vec![(1, 1), (2, 2), (3, 3), (4, 4), (5, 6)]),
        ("customer-7", vec![(1, 5)]),
        ("scan-1", vec![(1, 7)]),
    ];
    assert_eq!(image.streams, streams.map(|(name, events)| (name.to_owned(), events)));
    let key = [name.as_bytes(), fold.as_bytes(), &8_u64.to_le_bytes(), &[1], b"s"].concat();
    assert_eq!(image.kept, [(sip_hash(image.store, &key), (6, 1))]);
    assert_eq!(image.ids, [(sip_hash(image.store, &PAYMENT.to_bytes()), 2)]);
    assert!(image.terms.is_sorted_by_key(|(_, positions)| positions[0]));
    assert_eq!(image.terms.len(), terms.positions.len());
    assert_eq!(image.terms.into_iter().collect::<BTreeMap<_, _>>(), terms.positions);
}

fn derived_id(store: [u8; 16], epoch: (u64, u64), position: u64) -> EventId {
    let mut hasher = blake3::Hasher::new_derive_key("annals 2026 derived event ids");
    hasher.update(&store);
    hasher.update(&(epoch.0 as u32).to_le_bytes());
    hasher.update(&epoch.1.to_le_bytes());
    let history = u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().unwrap());
    let (high, middle) = (history >> 16, history >> 4 & 0xfff);
    let low = 0b10 << 62 | position & ((1 << 62) - 1);
    EventId::from_u128(u128::from(high << 16 | 8 << 12 | middle) << 64 | u128::from(low))
}

// Numbers and tables in the document.

/// The cells of the table row that begins with this one, in the section of the document with this
/// title, without thousands separators.
fn row(section: &str, first: &str) -> Vec<String> {
    let section = DOCUMENT.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    let start = format!("| {first} | ");
    let mut rows = section.lines().filter(|line| line.starts_with(&start));
    let row = rows.next().unwrap_or_else(|| panic!("no row begins with {first}"));
    assert_eq!(rows.next(), None, "two rows begin with {first}");
    row.trim_matches('|').split('|').map(|cell| cell.trim().replace(',', "")).collect()
}

#[test]
fn the_limits_are_those_of_the_document() {
    let bytes = |options: u64| options as usize;
    for (name, limit) in [
        ("stream name", limits::STREAM_NAME_BYTES_MAX),
        ("event type", limits::EVENT_TYPE_BYTES_MAX),
        ("tag", limits::TAG_BYTES_MAX),
        ("tags of an event", limits::TAGS_PER_EVENT_MAX),
        ("data of an event", limits::DATA_BYTES_MAX),
        ("metadata of an event", limits::METADATA_BYTES_MAX),
        ("events of a commit", limits::EVENTS_PER_COMMIT_MAX),
        ("streams of a commit", limits::STREAMS_PER_COMMIT_MAX),
        ("commit", limits::COMMIT_BYTES_MAX),
        ("kept state", limits::STATE_BYTES_MAX),
        ("name of an aggregate or a projection", limits::FOLD_NAME_BYTES_MAX),
        ("states that one takes the place of", limits::SUPERSEDED_MAX),
        ("frame", FRAME_BYTES_MAX),
        ("header of a frame", HEADER_BYTES_MAX),
        ("size at which a segment is full, least", bytes(Options::SEGMENT_BYTES_MIN)),
        (
            "size at which a segment is full, unless set otherwise",
            bytes(Options::SEGMENT_BYTES_DEFAULT),
        ),
        ("size at which a segment is full, most", bytes(Options::SEGMENT_BYTES_MAX)),
        ("block of an index image", BLOCK_BYTES_MAX),
    ] {
        assert_eq!(row("12. Limits", name)[1], limit.to_string(), "{name}");
    }
    // Seconds of a moment of the caller's.
    let (least, most) = (-377_705_023_201, 253_402_207_200);
    assert!(DOCUMENT.contains("-377,705,023,201 to 253,402,207,200"));
    for (seconds, is_one) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
        assert_eq!(OccurredAt::new(seconds, 0, 0, 0).is_some(), is_one, "{seconds}");
    }
}

#[test]
fn the_examples_in_the_text_are_right() {
    assert_eq!(crc(&[b"123456789"]), 0xcbf4_3926);
    assert!(DOCUMENT.contains("the nine bytes `123456789` give `0xcbf43926`"));
    for (salt, offset, shown) in [(0x0123_4567_89ab_cdef, 1024, "0x0123456789abcdef"), (0, 0, "0")]
    {
        let example = format!("`mask({shown}, {offset}) = {:#010x}`", mask(salt, offset));
        assert!(DOCUMENT.contains(&example), "{example}");
    }
    for (number, hex) in [(0, "00"), (127, "7f"), (128, "80 01"), (300, "ac 02")] {
        assert_eq!(row("3. Numbers", &number.to_string())[1], format!("`{hex}`"));
        assert_eq!(hex_of(&varint(number)), hex);
    }
    for (number, zigzag) in [(0_i64, "00"), (-1, "01"), (1, "02"), (60, "78")] {
        assert!(DOCUMENT.contains(&format!("| {number} | `{zigzag}` |\n")), "{number}");
        let plain = ((number << 1) ^ (number >> 63)).cast_unsigned();
        assert_eq!(hex_of(&varint(plain)), zigzag);
    }
    assert!(DOCUMENT.contains(&format!(
        "**Format {}, revision {}.**",
        annals::FORMAT,
        annals::REVISION
    )));
}

#[test]
fn the_decision_table_is_that_of_the_code() {
    let code = include_str!("../../log/src/recovery/decide.rs");
    let table = code.split_once("let table = [").unwrap().1.split_once("];").unwrap().0;
    let code: Vec<&str> = table.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(code.len(), 12);
    let of_document = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let is_row = matches!(cells[..], ["Nothing" | "Next" | "Gap", _, "true" | "false", _]);
        is_row.then(|| format!("({}),", cells.join(", ")))
    };
    let document: Vec<String> = DOCUMENT.lines().filter_map(of_document).collect();
    assert_eq!(document, code);
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn hex_of(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

// The engine reads what was put together by the document.

const FRAME_BYTES_MAX: usize = 128 << 20;
const HEADER_BYTES_MAX: usize = 64 << 10;
const BLOCK_BYTES_MAX: usize = 1 << 20;

/// A segment with the records of epoch 1, and what is appended to it by the document's rules.
struct Made {
    bytes: Vec<u8>,
    salt: u64,
}

impl Made {
    fn new() -> (MemoryFs, Self) {
        let fs = MemoryFs::new();
        Store::options().env(env(&fs).0).open(ROOT).unwrap().close().unwrap();
        let mut bytes = file(&fs, FIRST);
        let frames_end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        bytes.truncate(frames_end);
        let salt = u64::from_le_bytes(bytes[32..40].try_into().unwrap());
        (fs, Self { bytes, salt })
    }

    /// A frame of epoch 1 with these bodies of records, each behind its back and index.
    fn frame(&mut self, kind: u8, position: u64, n: u32, table: &[u8], bodies: &[Vec<u8>]) {
        let start = self.bytes.len();
        let header_length = 56 + table.len();
        let (mut records, mut plain) = (Vec::new(), Vec::new());
        for (index, body) in (0..).zip(bodies) {
            let back = header_length + records.len();
            let payload = [varint(back as u64), varint(index), body.clone()].concat();
            let length = (payload.len() as u32).to_le_bytes();
            let sum = crc(&[&length, &payload]);
            plain.extend(sum.to_le_bytes());
            records.extend((sum ^ mask(self.salt, (start + back) as u64)).to_le_bytes());
            records.extend(length);
            records.extend(payload);
        }
        let mut header = vec![0x41, 0x4e, kind, 0];
        header.extend(((header_length + records.len()) as u32).to_le_bytes());
        header.extend((header_length as u32).to_le_bytes());
        header.extend(position.to_le_bytes());
        header.extend(n.to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        header.extend(NOON.to_le_bytes());
        header.extend(crc(&[&plain]).to_le_bytes());
        header.extend([0; 12]);
        header.extend(table);
        let sum = crc(&[&header]) ^ mask(self.salt, start as u64);
        self.bytes.extend(sum.to_le_bytes());
        self.bytes.extend(header);
        self.bytes.extend(records);
    }

    fn open(&self, fs: &MemoryFs) -> annals::Result<ReadOnlyStore> {
        fs.write_file(&Path::new(ROOT).join(FIRST), &self.bytes).unwrap();
        ReadOnlyStore::open_in(&env(fs).0, Path::new(ROOT))
    }
}

fn table(streams: &[(u64, &str)]) -> Vec<u8> {
    let mut bytes = varint(streams.len() as u64);
    for (first_version, name) in streams {
        bytes.extend(first_version.to_le_bytes());
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend(name.bytes());
    }
    bytes
}

/// Content with these flags, type `T`, what belongs to the flags, and data `1`.
fn content(flags: u8, rest: &[u8]) -> Vec<u8> {
    [&[flags, 0, 1, 1, b'T'], rest, b"1"].concat()
}

#[test]
fn a_commit_of_several_streams_made_by_the_document_is_read() {
    let (fs, mut made) = Made::new();
    let body = |stream: u64, version: u64, content: &[u8]| {
        [varint(stream), varint(version), content.to_vec()].concat()
    };
    // Extensions of 4 bytes: kind 5, need not be understood, with 2 bytes.
    let bodies = [
        body(0, 0, &content(0, &[])),
        body(1, 0, &content(0, &[])),
        body(0, 1, &content(0x40, &[4, 5 << 1, 2, 0xaa, 0xbb])),
    ];
    made.frame(1, 1, 3, &table(&[(1, "a-1"), (1, "b-1")]), &bodies);
    let store = made.open(&fs).unwrap();
    assert_eq!((store.damage(), store.torn_tail()), (&[][..], None));
    let events: Vec<Event> = store.read_all().map(Result::unwrap).collect();
    let found: Vec<_> = events.iter().map(|e| (e.stream(), e.version().get(), e.data())).collect();
    assert_eq!(found, [("a-1", 1, &b"1"[..]), ("b-1", 1, b"1"), ("a-1", 2, b"1")]);
}

#[test]
fn what_is_not_known_is_refused() {
    // Content that is not readable: it costs the event, not its neighbours.
    for (what, content) in [
        ("an extension that must be understood", content(0x40, &[2, 5 << 1 | 1, 0])),
        ("an unknown flag", content(0x80, &[])),
        ("an unknown content kind", vec![0, 3, 1, 1, b'T']),
    ] {
        let (fs, mut made) = Made::new();
        made.frame(1, 1, 2, &table(&[(1, "a-1")]), &[content, self::content(0, &[])]);
        let store = made.open(&fs).unwrap();
        let events: Vec<_> = store.read_all().collect();
        assert!(matches!(&events[..], [Err(_), Ok(_)]), "{what}: {events:?}");
        assert!(store.damage()[0].positions.is_none_or(|lost| lost.0.get() == 1), "{what}");
    }
    // A control record that need not be understood is passed over; one that must is not, and
    // neither is an unknown kind of frame. Neither is cut, although nothing proves it.
    for (kind, flags, is_read) in [(2, 0, true), (2, 1, false), (3, 0, false)] {
        let (fs, mut made) = Made::new();
        made.frame(kind, 0, 3, &[], &[vec![99, 0, flags]]);
        match made.open(&fs) {
            Ok(store) => {
                assert!(is_read && store.torn_tail().is_none() && store.damage().is_empty());
            }
            Err(error) => {
                assert_eq!(*error.kind(), annals::ErrorKind::Unsupported, "{error}");
                assert!(!is_read);
                let writing = Store::options().env(env(&fs).0).open(ROOT).unwrap_err();
                assert_eq!(*writing.kind(), annals::ErrorKind::Unsupported, "{writing}");
                assert_eq!(file(&fs, FIRST), made.bytes);
            }
        }
    }
}

#[test]
fn the_longest_frame_and_the_longest_header_are_those_of_the_document() {
    // A control record that need not be understood, behind back (1 byte), index (1) and kind and
    // flags (3): its body fills the frame.
    for (excess, is_frame) in [(0, true), (1, false)] {
        let (fs, mut made) = Made::new();
        let mut body = vec![99, 0, 0];
        body.resize(FRAME_BYTES_MAX - 56 - 8 - 2 + excess, 0);
        made.frame(2, 0, 3, &[], &[body]);
        let store = made.open(&fs).unwrap();
        assert_eq!(store.torn_tail().is_none(), is_frame);
    }
    // 128 streams of 512 bytes in all but the last, which makes up for the header's other bytes.
    for (excess, is_frame) in [(0, true), (1, false)] {
        let (fs, mut made) = Made::new();
        let names: Vec<String> = (0..128).map(|n| format!("{n:0502}")).collect();
        let mut streams: Vec<(u64, &str)> = names.iter().map(|name| (1, name.as_str())).collect();
        let last = streams.last_mut().unwrap();
        last.1 = &last.1[502 - (502 - 56 - 2 + excess)..];
        let table = table(&streams);
        assert_eq!(56 + table.len(), HEADER_BYTES_MAX + excess);
        let body = [vec![0, 0], content(0, &[])].concat();
        made.frame(1, 1, 1, &table, &[body]);
        let store = made.open(&fs).unwrap();
        assert_eq!(store.position().get(), u64::from(is_frame));
    }
}

#[test]
fn an_image_has_full_blocks_but_for_the_last() {
    let fs = MemoryFs::new();
    let options = Store::options().durability(annals::Durability::Buffered).env(env(&fs).0);
    let store = options.open(ROOT).unwrap();
    for n in 0..2_200 {
        let stream = format!("{n:0500}");
        store.append(&stream, ExpectedVersion::Any, &[NewEvent::json("T", "")]).unwrap();
    }
    store.close().unwrap();
    let image = file(&fs, IMAGE);
    let (mut at, mut lengths) = (88, Vec::new());
    while at < image.len() {
        let length = &image[at..at + 4];
        let end = at + 8 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let number = (lengths.len() as u64).to_le_bytes();
        let sum = crc(&[&image[84..88], &number, length, &image[at + 8..end]]);
        assert_eq!(image[at + 4..at + 8], sum.to_le_bytes());
        lengths.push(end - at - 8);
        at = end;
    }
    assert_eq!((at, lengths[0], lengths.len()), (image.len(), BLOCK_BYTES_MAX, 2));
}
