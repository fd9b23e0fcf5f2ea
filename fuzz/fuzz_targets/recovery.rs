//! Opening a store whose last segment, `state` page and next segment hold anything: whole frames in
//! and out of order, frames with right checksums and wrong fields, garbage, cuts and flips. No
//! panic, no endless loop, no allocation without reason; and
//!
//! - reading forward gives events in the order of their positions, each one whole;
//! - over damage, opening for writing refuses and changes nothing;
//! - without damage it keeps exactly the events that reading showed, takes an append, and leaves a
//!   log that verifies clean.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use annals::{Epoch, Place, Position, StoreId, Timestamp, Version};
use annals_env::MemoryFs;
use annals_fuzz::opening::{ROOT, check, options};
use annals_fuzz::{Bounded, event};
use annals_log::fuzzing::{self, Spot};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

const SEGMENT: &str = "/data/store/log/00000000000000000000-0000000001-0000000000.seg";
const STATE: &str = "/data/store/state";
const STREAMS: [&str; 3] = ["a-1", "b-1", "c"];

/// A new store, closed: a segment's header, and the record of epoch 1.
static NEW: LazyLock<MemoryFs> = LazyLock::new(|| {
    let fs = MemoryFs::new();
    options(&fs).open(ROOT).unwrap().close().unwrap();
    fs
});

fuzz_target!(|input: &[u8]| {
    // An input that is too short for what it begins is no case.
    if let Ok(fs) = make(&mut Unstructured::new(input)) {
        check(&fs, &STREAMS);
    }
});

/// Where the writer of the frames stands.
struct Writer {
    content: Vec<u8>,
    salt: u64,
    last: Place,
    epoch: u32,
    versions: [u64; STREAMS.len()],
}

impl Writer {
    /// A frame that may follow the one before.
    fn next(&self, first: Place, synced: Place) -> Spot {
        Spot {
            salt: self.salt,
            offset: self.content.len() as u64,
            first,
            epoch: self.epoch,
            recorded_at: Timestamp::from_micros(1_000_000),
            synced,
        }
    }

    fn piece(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let here = self.content.len() as u64;
        match input.int_in_range(0..=7)? {
            0 => self.content.extend_from_slice(input.arbitrary()?),
            1 => self.content.extend(vec![0; input.int_in_range(0..=2_000)?]),
            2 | 3 => self.commit(input)?,
            4 => {
                // The record of an epoch.
                self.epoch = self.epoch.saturating_add(input.int_in_range(1..=2)?);
                let first = self.last.next();
                let epoch = Epoch { number: self.epoch, id: input.arbitrary()? };
                self.content.extend(fuzzing::epoch(epoch, &self.next(first, self.last)));
                self.last = first;
            }
            5 => {
                // A commit that belongs somewhere else.
                let first = Place { position: Position::new(input.arbitrary()?), k: 0 };
                let synced = Place { position: Position::new(input.arbitrary()?), k: 0 };
                let mut spot = self.next(first, synced);
                spot.epoch = input.arbitrary()?;
                let version = Version::new(input.arbitrary()?);
                let events = [event(input)?];
                let stream = input.choose(&STREAMS)?;
                self.content.extend(fuzzing::commit(stream, version, &events, &spot));
            }
            6 => {
                // Fields that say anything, under checksums that are right.
                let mut bytes: Vec<u8> = input.arbitrary()?;
                if let Some(marker) = bytes.get_mut(4..6) {
                    marker.copy_from_slice(b"AN");
                }
                fuzzing::seal(&mut bytes, self.salt, here);
                self.content.append(&mut bytes);
            }
            _ => {
                let frames = self.content.get_mut(1024..).unwrap_or_default();
                if !frames.is_empty() {
                    let flipped = input.choose_index(frames.len())?;
                    frames[flipped] ^= 1 << input.int_in_range(0..=7)?;
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let mut events = vec![event(input)?];
        while events.len() < 8 && input.ratio(1, 3)? {
            events.push(event(input)?);
        }
        // Ids that come twice are no matter of recovery.
        events.iter_mut().for_each(|event| event.id = None);
        let first = Place::event(self.last.position.plus(1));
        let synced = if input.arbitrary()? { self.last } else { Place::START };
        let stream = input.choose_index(STREAMS.len())?;
        let version = Version::new(self.versions[stream] + 1);
        let spot = self.next(first, synced);
        self.content.extend(fuzzing::commit(STREAMS[stream], version, &events, &spot));
        self.versions[stream] += events.len() as u64;
        self.last = Place::event(self.last.position.plus(events.len() as u64));
        Ok(())
    }
}

fn make(input: &mut Unstructured<'_>) -> Result<MemoryFs> {
    let fs = NEW.fork();
    let new = fs.read_file(Path::new(SEGMENT)).unwrap();
    // The offsets are those of `storage-format.md`: salt, and length of the first frame.
    let frames_start = 1024;
    let salt = u64::from_le_bytes(new[32..40].try_into().unwrap());
    let length = u32::from_le_bytes(new[frames_start + 8..frames_start + 12].try_into().unwrap());
    let whole = input.ratio(7, 8)?;
    let end = if whole { frames_start + length as usize } else { frames_start };
    let mut writer = Writer {
        content: new[..end].to_vec(),
        salt,
        last: Place { position: Position::START, k: u32::from(whole) },
        epoch: u32::from(whole),
        versions: [0; STREAMS.len()],
    };
    let state = input.int_in_range(0..=3)?;
    let follows = input.int_in_range(0..=5)?;
    let reserved = input.int_in_range(0..=8_192)?;
    let sequence = input.arbitrary()?;
    while !input.is_empty() && writer.content.len() < 64 << 10 {
        writer.piece(input)?;
    }
    let last = writer.last;
    writer.content.extend(vec![0; reserved]);
    fs.write_file(Path::new(SEGMENT), &writer.content).unwrap();

    let store = StoreId(new[16..32].try_into().unwrap());
    let page = match state {
        0 => fs.read_file(Path::new(STATE)).unwrap(),
        1 => Vec::new(),
        // It knows of all that was written, or of more.
        2 => fuzzing::state_slot(store, sequence, last),
        _ => fuzzing::state_slot(store, sequence, Place::event(last.position.plus(1))),
    };
    let mut state = [0; 4096];
    state[..page.len()].copy_from_slice(&page);
    fs.write_file(Path::new(STATE), &state).unwrap();

    let next = match follows {
        0 => last.next(),
        1 => Place::event(last.position.plus(2)).next(),
        _ => return Ok(fs),
    };
    // The same header, but for the place.
    let mut header = new[..1024].to_vec();
    for at in [0, 512] {
        header[at + 40..at + 48].copy_from_slice(&next.position.get().to_le_bytes());
        header[at + 48..at + 52].copy_from_slice(&next.k.to_le_bytes());
        header[at + 52..at + 56].copy_from_slice(&writer.epoch.to_le_bytes());
        let sum = fuzzing::crc(&header[at..at + 124]);
        header[at + 124..at + 128].copy_from_slice(&sum.to_le_bytes());
    }
    header.resize(4096, 0);
    let name = format!("{:020}-{:010}-{:010}.seg", next.position.get(), next.k, 0);
    fs.write_file(&Path::new(ROOT).join("log").join(name), &header).unwrap();
    Ok(fs)
}
