//! Golden stores: folders that are part of the project and must be readable by every later build.
//! Everything in them follows from seeds, so that they can be made again, byte for byte; but for
//! those that an earlier build made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use annals::{
    Commit, ContentKind, Durability, Event, EventId, EventReader, ExpectedVersion, KeptState,
    NewState, Read, Result, StateKey, Timestamp,
};
use annals_env::{FaultyFs, LastChoices, MemoryFs};

use crate::check;
use crate::folder::Folder;
use crate::mending;
use crate::model::{self, Model};
use crate::workload::seeded;
use crate::world::{BEGINNING, World};
use crate::{seen, states};

/// A golden store.
#[derive(Debug)]
pub struct Golden {
    /// The name of its folder.
    pub name: &'static str,
    /// Its files.
    pub folder: Folder,
    /// All events that were ever in it.
    pub model: Model,
}

/// Where the golden stores of this build's format are.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v0")
}

/// The file that says what reading the store gives.
#[must_use]
pub fn description(name: &str) -> PathBuf {
    directory().join(format!("{name}.events.txt"))
}

/// The name of a store that an earlier build made, whose index image has version 1.
pub const OLD_IMAGE: &str = "image-1";

/// All golden stores, made now.
#[must_use]
pub fn all() -> Vec<Golden> {
    vec![healthy(), killed(), damaged(), repaired()]
}

/// Two openings, sealed segments, an active one, closed: the index image covers all.
fn healthy() -> Golden {
    let disk = MemoryFs::new();
    let mut model = Model::new();
    fill(&World::new(disk.clone(), 1), &mut model, 0, 16, Durability::Sync);
    let later = Timestamp::from_micros(BEGINNING.as_micros() + 60_000_000);
    fill(&World::at(disk.clone(), 2, later), &mut model, 1_000, 14, Durability::Buffered);
    Golden { name: "healthy", folder: Folder::of(&disk), model }
}

/// The process died: no image, a sealed segment whose footer may be missing.
fn killed() -> Golden {
    let disk = FaultyFs::default();
    let world = World::new(disk.clone(), 3);
    let mut model = Model::new();
    let store = world.open(Durability::Buffered).expect("a new store opens");
    for seed in 0..12 {
        append(&store, &mut model, 2_000 + seed * 10);
        world.clock.advance(Duration::from_millis(1));
    }
    let left = disk.kill(&mut LastChoices);
    drop(store);
    let memory = MemoryFs::new();
    for path in left.files() {
        let bytes = left.read_file(&path).expect("it is listed");
        memory.write_file(&path, &bytes).expect("there is always room");
    }
    Golden { name: "killed", folder: Folder::of(&memory), model }
}

/// Like the healthy one, with one bit flipped in the data of an event of a sealed segment.
fn damaged() -> Golden {
    let Golden { folder, model, .. } = healthy();
    let victim = &model.events(annals::Position::new(4))[3];
    let segment = folder.segments().remove(0);
    folder.change(&segment, |bytes| {
        let data = &victim.event.data;
        let place = bytes.windows(data.len()).position(|window| window == data);
        bytes[place.expect("it is in the first segment") + data.len() / 2] ^= 0x10;
    });
    Golden { name: "damaged", folder, model }
}

/// The damaged one, repaired: its first segment is of generation 1 and has a hole.
fn repaired() -> Golden {
    let damaged = damaged();
    mending::repair(&damaged.folder.world(), true).expect("it can be repaired");
    Golden { name: "repaired", ..damaged }
}

/// What reading gives, one line for each event, each damaged stretch and each kept state, every field
/// in words: kept
/// beside the stores, so that what is expected of them does not depend on today's engine.
#[must_use]
pub fn describe(reader: &dyn EventReader) -> String {
    let line = |item: Result<Event>| match item {
        Ok(event) => describe_event(&event),
        Err(error) => match error.damage() {
            Some(damage) => format!("damaged {:?}", damage.positions),
            None => format!("failed: {error}"),
        },
    };
    let events = reader.read(Read::all()).map(line);
    events.chain(describe_states(reader)).map(|line| line + "\n").collect()
}

fn describe_states(reader: &dyn EventReader) -> Vec<String> {
    let mut lines = Vec::new();
    for key in keys() {
        let mut before = None;
        while let Ok(Some(KeptState { state, place, recorded_at })) =
            reader.kept_state(&key, before)
        {
            before = Some(place);
            let NewState { key, schema, version, checkpoint, content, data } = state;
            lines.push(format!(
                "state at {place} recorded {recorded_at} | {:?} {:?} by {:?} | version {version} \
                 checkpoint {checkpoint} | schema {schema} {content:?} {data:?}",
                key.role, key.name, key.fold
            ));
        }
    }
    lines
}

fn describe_event(event: &Event) -> String {
    let bytes = |bytes: &[u8]| {
        let hex: String = bytes.iter().take(48).map(|byte| format!("{byte:02x}")).collect();
        format!("{hex} {} bytes crc {:08x}", bytes.len(), crc32fast::hash(bytes))
    };
    let id = |id: Option<EventId>| id.map_or("-".to_owned(), |id| id.to_string());
    [
        format!("{} {:?} {}", event.position(), event.stream(), event.version()),
        format!("recorded {} epoch {}", event.recorded_at(), event.epoch()),
        format!("id {} own {}", event.id(), event.has_own_id()),
        format!("type {:?} schema {} {:?}", event.event_type(), event.schema(), event.content()),
        format!(
            "correlation {} causation {}",
            id(event.correlation_id()),
            id(event.causation_id())
        ),
        format!("occurred {}", event.occurred_at().map_or("-".to_owned(), |at| at.to_string())),
        format!("tags {:?}", event.tags().collect::<Vec<&str>>()),
        format!("metadata {} data {}", bytes(event.metadata()), bytes(event.data())),
    ]
    .join(" | ")
}

fn fill(world: &World, model: &mut Model, seed: u64, commits: u64, durability: Durability) {
    let store = world.open(durability).expect("it opens");
    for number in 0..commits {
        append(&store, model, seed + number * 10);
        if number % 5 == 3 {
            keep(&store, model);
        }
        world.clock.advance(Duration::from_micros(1_500_003));
        world.scheduler.run_until_idle();
    }
    store.close().expect("it closes");
}

fn append(store: &annals::Store, model: &mut Model, seed: u64) {
    let commit = commit(seed);
    let receipt = store.commit(&commit).expect("a healthy store appends");
    check::accepted(model, &commit, &receipt).expect("it says what it did");
    for number in receipt.first_position.get()..=receipt.position.get() {
        let position = annals::Position::new(number);
        let read = store.read(Read::all().from(position).limit(1)).next();
        let event = read.expect("it was appended").expect("it is readable");
        model.learn_derived_id(position, event.id());
    }
}

/// Under which keys states are kept: snapshots of two streams, and a projection.
#[must_use]
pub fn keys() -> [StateKey; 3] {
    [
        states::snapshot("order-1", "Count"),
        states::snapshot("cart-ünï", "Count"),
        seen::key("count"),
    ]
}

/// Keeps a state of each key: how many events there are. The projection, and the second stream,
/// have one at a time.
fn keep(store: &annals::Store, model: &Model) {
    for key in keys() {
        let is_one = key.name != "order-1";
        // What they hold must be the same with every Rust: no hash.
        let Some(state) = states::state(model, key, model.head()) else { continue };
        let events = match state.version {
            annals::Version::NONE => state.checkpoint.position.get(),
            version => version.get(),
        };
        let data = format!(r#"{{"events":{events}}}"#).into();
        let state = NewState { content: ContentKind::Json, data, ..state };
        let before = states::places(store, &state.key).expect("a healthy store finds them");
        let superseded = if is_one { &before[..] } else { &[] };
        store.keep_state(&state, superseded).expect("a healthy store keeps states");
    }
}

/// Most commits are of one stream; each fourth is of several, and comes back to the first of them.
fn commit(seed: u64) -> Commit<'static> {
    let number = seed / 10;
    let stream = |number: u64| {
        ["order-1", "order-2", "cart-ünï", "payment"][usize::try_from(number % 4).unwrap_or(0)]
    };
    let bytes = 40 + usize::try_from(seed * 37 % 700).unwrap_or(0);
    let events = |seed, count| seeded::events(seed, count, bytes);
    let first = stream(number % 3);
    let commit = model::any(first, events(seed, 1 + number % 5));
    if number % 4 != 3 {
        return commit;
    }
    let others = (1..=1 + number % 3).fold(commit, |commit, other| {
        commit.append(stream(number % 3 + other), ExpectedVersion::Any, events(seed + 4 + other, 1))
    });
    others.append(first, ExpectedVersion::Exists, events(seed + 8, 2))
}
