//! An aggregate of the tests, as the engine folds it and as the model does: whatever snapshots there
//! are, both come to the same.

use annals::{
    Aggregate, Aggregates, Applied, Event, EventReader, Keep, Loaded, NewEvent, Position,
    Snapshots, StateKey, StateRole, UnknownTypes, Version,
};
use serde::{Deserialize, Serialize};

use crate::check::{self, Check};
use crate::model::{Model, Recorded};

/// Events from one snapshot to the next.
pub const SNAPSHOT_EVERY: u64 = 3;

/// What its streams are folded into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    events: u64,
    /// Depends on each event and on their order.
    digest: u64,
}

/// What can happen to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CounterEvent {
    /// So much.
    Added(u64),
    /// All that was there.
    Doubled,
}

impl Counter {
    fn add(&mut self, number: u64, position: Position) {
        self.events += 1;
        self.digest = self.digest.rotate_left(7) ^ number.wrapping_mul(position.get() | 1);
    }

    fn double(&mut self, version: Version) {
        self.events += 1;
        self.digest = self.digest.wrapping_mul(2).wrapping_add(version.get());
    }
}

impl Aggregate for Counter {
    type Event = CounterEvent;
    const NAME: &'static str = "Counter";

    fn apply(&mut self, event: CounterEvent, recorded: &Event) -> Applied {
        match event {
            CounterEvent::Added(number) => self.add(number, recorded.position()),
            CounterEvent::Doubled => self.double(recorded.version()),
        }
        Ok(())
    }
}

/// The model's events of the stream up to the head, folded without the engine.
///
/// # Panics
/// Where an event of another kind has the type of one of these.
#[must_use]
pub fn counted(model: &Model, stream: &str, head: Position) -> Counter {
    let mut counter = Counter::default();
    for event in model.events(head).iter().filter(|event| event.stream == stream) {
        match &*event.event.event_type {
            "Added" => {
                let number = std::str::from_utf8(&event.event.data).ok();
                let number = number.and_then(|number| number.parse().ok());
                counter.add(number.expect("a number was written"), event.position);
            }
            "Doubled" => counter.double(event.version),
            // A commit tried again with one event more.
            _ => {}
        }
    }
    counter
}

/// The key of the stream's snapshots.
#[must_use]
pub fn key(stream: &str) -> StateKey {
    StateKey { role: StateRole::Snapshot, name: stream.to_owned(), fold: Counter::NAME.to_owned() }
}

/// The counters of a store, of which snapshots are made often.
pub fn counters<R: EventReader>(reader: R, keep: Keep) -> Aggregates<Counter, R> {
    let snapshots = Snapshots::default().every(SNAPSHOT_EVERY).times_its_size(0).keep(keep);
    Aggregates::new(reader).snapshots(snapshots).unknown_types(UnknownTypes::Skip)
}

/// Fine where what was loaded is the stream at this version.
///
/// # Errors
/// The first difference.
pub fn is_right(model: &Model, stream: &str, version: Version, loaded: &Loaded<Counter>) -> Check {
    let is_it = |event: &&Recorded| event.stream == stream && event.version == version;
    let position = match model.events(Position::MAX).iter().find(is_it) {
        Some(event) => event.position,
        None if version == Version::NONE => Position::START,
        None => return Err(format!("{stream} has no version {version}")),
    };
    check::equal("the version", version, loaded.version)?;
    check::equal("the position", position, loaded.position)?;
    check::equal("the faults", 0, loaded.faults.len())?;
    check::equal("the state", &counted(model, stream, position), &loaded.state)
        .map_err(|error| format!("{stream} at {version}, {:?}: {error}", loaded.replayed))
}

/// Fine where each snapshot is what a fold from the first event comes to. Gives how many there are.
///
/// # Errors
/// Those that are wrong.
pub fn all_good<R: EventReader>(counters: &Aggregates<Counter, R>, stream: &str) -> Check<u64> {
    let report = counters.check_snapshots(stream).map_err(|error| error.to_string())?;
    check::equal("the snapshots that are wrong", Vec::new(), report.bad)?;
    check::equal("the snapshots of another schema", 0, report.other_schema)?;
    Ok(report.good)
}

/// An event for each number, for a stream of counters.
pub fn events(numbers: impl IntoIterator<Item = u64>) -> Vec<NewEvent> {
    let event = |number: u64| match number.is_multiple_of(3) {
        true => NewEvent::json("Doubled", "null"),
        false => NewEvent::json("Added", number.to_string()),
    };
    numbers.into_iter().map(event).collect()
}
