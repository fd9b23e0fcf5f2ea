//! Opening a store whose last segment, `state` page and next segment hold anything: whole frames in
//! and out of order, frames with right checksums and wrong fields, garbage, cuts and flips. No
//! panic, no endless loop, no allocation without reason; and
//!
//! - reading forward gives events in the order of their positions, each one whole;
//! - over damage, opening for writing refuses and changes nothing;
//! - without damage it keeps exactly the events that reading showed, takes an append, and leaves a
//!   log that verifies clean.
//!
//! ```text
//! cargo install cargo-fuzz --locked
//! cd fuzz && cargo fuzz run --sanitizer none recovery -- -max_total_time=60 -timeout=10
//! ```
//!
//! It works on the stable toolchain; `--sanitizer none` is what makes that possible.

#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use annals::{
    Durability, Epoch, ErrorKind, ExpectedVersion, NewEvent, Options, Place, Position,
    ReadOnlyStore, Store, StoreId, Timestamp, Version,
};
use annals_env::{Clock, Env, ManualClock, ManualScheduler, MemoryFs, SeededRandom};
use annals_fuzz::{Bounded, event};
use annals_log::fuzzing::{self, Spot};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

const ROOT: &str = "/store";
const SEGMENT: &str = "/store/log/00000000000000000000-0000000001-0000000000.seg";
const STATE: &str = "/store/state";
const STREAMS: [&str; 3] = ["a-1", "b-1", "c"];
/// More than any input here can hold.
const EVENTS_MAX: usize = 100_000;

/// A new store, closed: a segment's header, and the record of epoch 1.
static NEW: LazyLock<MemoryFs> = LazyLock::new(|| {
    let fs = MemoryFs::new();
    options(&fs).open(ROOT).unwrap().close().unwrap();
    fs
});

fuzz_target!(|input: &[u8]| {
    // An input that is too short for what it begins is no case.
    if let Ok(fs) = make(&mut Unstructured::new(input)) {
        check(&fs);
    }
});

fn env(fs: &MemoryFs) -> Env {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
    let scheduler = ManualScheduler::new(Arc::clone(&clock) as Arc<dyn Clock>);
    Env {
        fs: Arc::new(fs.clone()),
        clock,
        random: Arc::new(SeededRandom::new(7)),
        scheduler: Arc::new(scheduler),
    }
}

fn options(fs: &MemoryFs) -> Options {
    Store::options().env(env(fs)).durability(Durability::Sync)
}

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

fn files(fs: &MemoryFs) -> BTreeMap<PathBuf, Vec<u8>> {
    fs.files().into_iter().map(|path| (path.clone(), fs.read_file(&path).unwrap())).collect()
}

/// Positions and data of the events that can be read.
fn events(store: &ReadOnlyStore) -> Vec<(Position, Vec<u8>)> {
    let forward = store.read_all();
    let mut events = Vec::new();
    for (count, event) in forward.into_iter().enumerate() {
        assert!(count < EVENTS_MAX, "reading does not end");
        if let Ok(event) = event {
            events.push((event.position(), event.data().to_vec()));
        }
    }
    assert!(events.array_windows().all(|[a, b]| a.0 < b.0));
    events
}

fn check(fs: &MemoryFs) {
    let before = files(fs);
    let root = Path::new(ROOT);
    let shown = ReadOnlyStore::open_in(&env(fs), root);
    let shown = shown.map(|store| {
        let report = store.verify(&mut |_, _| {}).unwrap();
        let events = events(&store);
        // One error for each lost event here, so not to the end.
        let backward = store.read(annals::Read::all().backward()).take(1_000);
        backward.for_each(drop);
        for stream in STREAMS {
            store.read_stream(stream).take(1_000).for_each(drop);
            store.last_event(stream).ok();
        }
        (events, store.damage().len(), report)
    });
    assert_eq!(before, files(fs), "reading changed something");

    let opened = options(fs).open(root);
    match (&shown, opened) {
        (Ok((events, 0, _)), Ok(store)) => {
            let event = NewEvent::json("Added", "{}");
            store.append("added", ExpectedVersion::NoStream, &[event]).unwrap();
            store.close().unwrap();
            let again = ReadOnlyStore::open_in(&env(fs), root).unwrap();
            assert!(again.verify(&mut |_, _| {}).unwrap().is_clean());
            let kept = self::events(&again);
            assert_eq!(kept.len(), events.len() + 1);
            assert_eq!(&kept[..events.len()], &events[..]);
            assert!(again.torn_tail().is_none());
        }
        (Ok((_, 0, _)), Err(error)) => panic!("no damage, and yet: {error}"),
        (_, Ok(_)) => panic!("opened over damage"),
        (_, Err(error)) => {
            let kind = error.kind();
            let known =
                matches!(kind, ErrorKind::Damaged(_) | ErrorKind::Unsupported | ErrorKind::Io);
            assert!(known, "{error}");
            let mut after = files(fs);
            let lock = root.join("lock");
            after.insert(lock.clone(), before.get(&lock).cloned().unwrap_or_default());
            assert_eq!(before, after, "changed in spite of {error}");
        }
    }
}
