//! Files of a log made by hand: every field says what it is told to, and every checksum is right.
//! The layouts are those of `storage-format.md`, written down here once more.

mod kept;

use std::path::Path;

pub use kept::Kept;

/// The store that all crafted files belong to.
pub const STORE_ID: [u8; 16] = *b"a crafted store.";
/// The salt of all crafted segments.
pub const SALT: u64 = 0x0123_4567_89ab_cdef;
/// The first epoch of a crafted log: number and id.
pub const EPOCH: (u32, u64) = (1, 77);
/// The moment of all crafted frames.
pub const MOMENT: i64 = 1_767_225_600_000_000;

/// A place: position and k.
pub type Place = (u64, u32);

/// Fields that are put one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<u8>);

impl Fields {
    /// These bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A number of two bytes.
    #[must_use]
    pub fn u16(self, number: u16) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// A number of four bytes.
    #[must_use]
    pub fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// A number of eight bytes.
    #[must_use]
    pub fn u64(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// A number of as many bytes as it needs.
    #[must_use]
    pub fn varint(mut self, mut number: u64) -> Self {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
        self
    }

    /// A place.
    #[must_use]
    pub fn place(self, (position, k): Place) -> Self {
        self.u64(position).u32(k)
    }

    /// A plain checksum of all that is there.
    #[must_use]
    pub fn sum(self) -> Vec<u8> {
        let sum = crc32fast::hash(&self.0);
        self.u32(sum).0
    }
}

/// What binds a checksum to its place.
#[must_use]
pub fn mask(salt: u64, offset: u64) -> u32 {
    let mut z = salt.wrapping_add(offset.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    u32::try_from(z >> 32).unwrap_or(0) ^ u32::try_from(z & 0xffff_ffff).unwrap_or(0)
}

fn bound(bytes: &[u8], offset: usize) -> u32 {
    crc32fast::hash(bytes) ^ mask(SALT, offset as u64)
}

/// A record of a frame: what stands behind `back` and `index`, and what these say.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Where it says that its frame is, where not the truth.
    pub back: Option<u64>,
    /// Which it says that it is, where not the truth.
    pub index: Option<u64>,
    /// How long it says that it is, where not the truth.
    pub length: Option<u32>,
    /// The rest.
    pub body: Vec<u8>,
}

impl From<Vec<u8>> for Record {
    fn from(body: Vec<u8>) -> Self {
        Self { body, ..Self::default() }
    }
}

/// A frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// 1 commit, 2 control record.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// The position of its first event.
    pub position: u64,
    /// How many events, or k of a control record.
    pub n: u32,
    /// The number of its epoch.
    pub epoch: u32,
    /// Its stamp.
    pub recorded_at: i64,
    /// The place that it calls durable.
    pub synced: Place,
    /// Its stream table.
    pub table: Vec<u8>,
    /// Its records.
    pub records: Vec<Record>,
}

impl Frame {
    /// A commit of one stream that begins with this version there, at this position.
    #[must_use]
    pub fn commit(stream: &str, version: u64, position: u64, bodies: Vec<Vec<u8>>) -> Self {
        Self {
            kind: 1,
            flags: 0,
            position,
            n: u32::try_from(bodies.len()).unwrap_or(0),
            epoch: EPOCH.0,
            recorded_at: MOMENT,
            synced: (0, 0),
            table: table(&[(version, stream)]),
            records: bodies.into_iter().map(Record::from).collect(),
        }
    }

    /// A control record at this place.
    #[must_use]
    pub fn control((position, n): Place, body: Vec<u8>) -> Self {
        let commit = Self::commit("", 1, position, vec![body]);
        Self { kind: 2, n, table: Vec::new(), ..commit }
    }

    /// The record of an epoch at this place.
    #[must_use]
    pub fn epoch(place: Place, (number, id): (u32, u64)) -> Self {
        let body = Fields::default().u16(1).bytes(&[1]).u32(number).u64(id).0;
        Self { epoch: number, ..Self::control(place, body) }
    }

    /// Its bytes at this offset of a segment.
    #[must_use]
    pub fn bytes(&self, offset: usize) -> Vec<u8> {
        let header_length = 56 + self.table.len();
        let (mut records, mut sums) = (Vec::new(), Fields::default());
        for (index, record) in (0..).zip(&self.records) {
            let at = header_length + records.len();
            let back = record.back.unwrap_or(at as u64);
            let payload = Fields::default().varint(back).varint(record.index.unwrap_or(index));
            let payload = payload.bytes(&record.body).0;
            let said = record.length.unwrap_or(length(&payload));
            let summed = Fields::default().u32(said).bytes(&payload).0;
            sums = sums.u32(crc32fast::hash(&summed));
            records.extend(bound(&summed, offset + at).to_le_bytes());
            records.extend(summed);
        }
        let header = Fields::default()
            .bytes(b"AN")
            .bytes(&[self.kind, self.flags])
            .u32(u32::try_from(header_length + records.len()).unwrap_or(u32::MAX))
            .u32(u32::try_from(header_length).unwrap_or(u32::MAX))
            .u64(self.position)
            .u32(self.n)
            .u32(self.epoch)
            .bytes(&self.recorded_at.to_le_bytes())
            .u32(crc32fast::hash(&sums.0))
            .u32(self.synced.1)
            .u64(self.synced.0)
            .bytes(&self.table)
            .0;
        Fields::default().u32(bound(&header, offset)).bytes(&header).bytes(&records).0
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A stream table: first versions and names.
#[must_use]
pub fn table(streams: &[(u64, &str)]) -> Vec<u8> {
    let count = Fields::default().varint(streams.len() as u64);
    let put = |fields: Fields, (version, name): &(u64, &str)| {
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        fields.u64(*version).u16(length).bytes(name.as_bytes())
    };
    streams.iter().fold(count, put).0
}

/// An event's body in a commit of one stream: JSON of this type.
#[must_use]
pub fn event(event_type: &str, data: &str) -> Vec<u8> {
    let head = Fields::default().bytes(&[0, 0]).varint(1).varint(event_type.len() as u64);
    head.bytes(event_type.as_bytes()).bytes(data.as_bytes()).0
}

/// A segment under way.
#[derive(Clone, Debug)]
pub struct Segment {
    first: Place,
    /// Its bytes so far.
    pub bytes: Vec<u8>,
    /// Where each frame begins.
    pub frames: Vec<usize>,
}

impl Segment {
    /// A segment that begins at this place, in this epoch.
    #[must_use]
    pub fn new(first: Place, (number, id): (u32, u64)) -> Self {
        let header = Fields::default()
            .bytes(b"\x89ANL\r\n\x1a\n")
            .u16(annals::FORMAT)
            .u16(annals::REVISION)
            .u32(0)
            .bytes(&STORE_ID)
            .u64(SALT)
            .place(first)
            .u32(number)
            .u64(id)
            .bytes(&[0; 60])
            .sum();
        let mut bytes = vec![0; 1024];
        bytes[..128].copy_from_slice(&header);
        bytes[512..640].copy_from_slice(&header);
        Self { first, bytes, frames: Vec::new() }
    }

    /// The first of a log, with what must stand there: the record of [`EPOCH`], twice.
    #[must_use]
    pub fn begin() -> Self {
        let mut segment = Self::new((0, 1), (0, 0));
        segment.push(&Frame::epoch((0, 1), EPOCH));
        segment.push(&Frame::epoch((0, 2), EPOCH));
        segment
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: &Frame) {
        self.frames.push(self.bytes.len());
        self.bytes.extend(frame.bytes(self.bytes.len()));
    }

    /// Appends a footer: this table, and what the summary says where it is not what it should.
    pub fn seal(&mut self, last: Place, offsets: &[u32], claims: &Claims) {
        let frames_end = claims.frames_end.unwrap_or(self.bytes.len() as u64);
        self.bytes.resize(self.bytes.len() + claims.room, 0);
        let table = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect::<Vec<_>>();
        self.bytes.extend(&table);
        let summary = Fields::default()
            .place(self.first)
            .place(last)
            .u32(claims.events.unwrap_or(length(&table) / 4))
            .u32(2)
            .u64(frames_end)
            .bytes(&MOMENT.to_le_bytes())
            .bytes(&MOMENT.to_le_bytes())
            .u32(crc32fast::hash(&table))
            .u32(1)
            .bytes(&[0; 12])
            .u32(1)
            .u32(EPOCH.0)
            .u64(EPOCH.1)
            .place((0, 1))
            .0;
        let sum = bound(&summary, self.bytes.len());
        self.bytes.extend(&summary);
        let trailer = Fields::default()
            .bytes(b"ANLSEALD")
            .u32(length(&summary))
            .u32(sum)
            .u32(claims.events.unwrap_or(length(&table) / 4))
            .u64(0);
        let sum = bound(&trailer.0, self.bytes.len());
        self.bytes.extend(trailer.u32(sum).0);
        // The link is not made yet.
        self.bytes.extend([0; 128]);
    }

    /// Its name in the log's folder.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:020}-{:010}-{:010}.seg", self.first.0, self.first.1, 0)
    }

    /// Writes it to its place in the store's folder `root`, with some room behind its frames where it
    /// has no footer.
    ///
    /// # Panics
    /// Where that fails.
    pub fn save(&self, root: &Path, room: usize) {
        let log = root.join("log");
        std::fs::create_dir_all(&log).expect("the log's folder");
        let bytes = [&self.bytes[..], &vec![0; room]].concat();
        std::fs::write(log.join(self.name()), bytes).expect("the segment");
    }
}

/// What a footer claims where it is not the truth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims {
    /// How many events there are.
    pub events: Option<u32>,
    /// Where the frames end.
    pub frames_end: Option<u64>,
    /// Bytes of zeros in front of the table.
    pub room: usize,
}

/// A `state` page that knows all up to these places.
#[must_use]
pub fn state(sequence: u64, (number, id): (u32, u64), durable: Place, visible: Place) -> Vec<u8> {
    let slot = Fields::default()
        .bytes(b"ANLSTATE")
        .bytes(&STORE_ID)
        .u64(sequence)
        .u64(id)
        .u32(number)
        .u32(durable.1)
        .u64(durable.0)
        .u32(visible.1)
        .u64(visible.0)
        .bytes(&[0; 24])
        .sum();
    let mut page = vec![0; 4096];
    let at = if sequence.is_multiple_of(2) { 0 } else { 512 };
    page[at..at + slot.len()].copy_from_slice(&slot);
    page
}

/// An image of the index in memory that covers this place and has nothing in it.
#[must_use]
pub fn image(epoch: (u32, u64), covers: Place, streams: u64) -> Vec<u8> {
    Fields::default()
        .bytes(b"ANNALSIX")
        .u16(3)
        .u16(0)
        .bytes(&STORE_ID)
        .u32(epoch.0)
        .u64(epoch.1)
        .place(covers)
        .u64(streams)
        .u64(0)
        .u64(0)
        .u64(0)
        .sum()
}
