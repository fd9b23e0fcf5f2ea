//! States that are kept in a store under test: each is what the model's events come to, so that who
//! finds one can say whether it is right.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use annals::{
    ContentKind, EventReader, KeptState, NewState, Place, Position, Result, StateKey, StateRole,
    Version,
};

use crate::check::{self, Check};
use crate::model::Model;
use crate::{counter, seen};

/// What the fold that the key names comes to at a position, and its content kind.
fn folded(model: &Model, key: &StateKey, position: Position) -> (ContentKind, Vec<u8>) {
    let json = |state: serde_json::Result<Vec<u8>>| (ContentKind::Json, state.expect("it is JSON"));
    if key.role == StateRole::Projection {
        return json(serde_json::to_vec(&seen::folded(model, &key.name, position)));
    }
    if *key == counter::key(&key.name) {
        return json(serde_json::to_vec(&counter::counted(model, &key.name, position)));
    }
    let mut hasher = DefaultHasher::new();
    key.fold.hash(&mut hasher);
    for event in model.events(position).iter().filter(|event| event.stream == key.name) {
        (event.position, event.version, &event.event.data).hash(&mut hasher);
    }
    (ContentKind::Text, format!("{:016x}", hasher.finish()).into_bytes())
}

/// The key of a stream's snapshots, by a fold that is no aggregate's.
#[must_use]
pub fn snapshot(stream: &str, fold: &str) -> StateKey {
    StateKey { role: StateRole::Snapshot, name: stream.to_owned(), fold: fold.to_owned() }
}

/// The state to keep under the key at the head; none where no event is there yet, or its epoch is
/// not known.
#[must_use]
pub fn state(model: &Model, key: StateKey, head: Position) -> Option<NewState> {
    let is_projection = key.role == StateRole::Projection;
    let last = if is_projection { model.event(head) } else { model.last_event(&key.name, head) }?;
    let checkpoint = model.checkpoint(last.position)?;
    let version = if is_projection { Version::NONE } else { last.version };
    let (content, data) = folded(model, &key, last.position);
    Some(NewState { key, schema: 1, version, checkpoint, content, data: data.into() })
}

/// Fine where a state that was found is that of the events that it names.
///
/// # Errors
/// The first difference.
pub fn is_right(model: &Model, kept: &KeptState, head: Position) -> Check {
    let NewState { key, version, checkpoint, content, data, .. } = &kept.state;
    let position = checkpoint.position;
    if position > head {
        return Err(format!("{key:?} at {position}, behind {head}"));
    }
    check::equal("the checkpoint", model.checkpoint(position), Some(*checkpoint))?;
    if key.role == StateRole::Snapshot {
        let event = model.event(position).ok_or_else(|| format!("{key:?} is of no event"))?;
        check::equal("its stream", &event.stream, &key.name)?;
        check::equal("its version", event.version, *version)?;
    }
    let expected = folded(model, key, position);
    check::equal("the state", (expected.0, &expected.1[..]), (*content, data))
}

/// All states under the key, the newest first.
///
/// # Errors
/// Those of reading, and what is out of order.
pub fn all(store: &dyn EventReader, key: &StateKey) -> Check<Vec<KeptState>> {
    let mut all: Vec<KeptState> = Vec::new();
    loop {
        let before = all.last().map(|kept| kept.place);
        let found = store.kept_state(key, before).map_err(|error| error.to_string())?;
        let Some(kept) = found else { return Ok(all) };
        check::equal("the key", key, &kept.state.key)?;
        if before.is_some_and(|before| kept.place >= before) {
            return Err(format!("{key:?}: {} is not before {before:?}", kept.place));
        }
        all.push(kept);
    }
}

/// The places of all states under the key.
///
/// # Errors
/// Those of reading.
pub fn places(reader: &dyn EventReader, key: &StateKey) -> Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    while let Some(kept) = reader.kept_state(key, places.last().copied())? {
        places.push(kept.place);
    }
    Ok(places)
}

/// By the keys under which states were kept, the places of the newest that were acknowledged; the
/// first place of all where none was.
#[derive(Clone, Debug, Default)]
pub struct Sure {
    /// These survive the death of the process.
    pub written: BTreeMap<StateKey, Place>,
    /// These survive a power cut.
    pub durable: BTreeMap<StateKey, Place>,
}

impl Sure {
    /// Somebody tries to keep a state under the key.
    pub fn tried(&mut self, key: &StateKey) {
        self.written.entry(key.clone()).or_insert(Place::START);
        self.durable.entry(key.clone()).or_insert(Place::START);
    }

    /// It is there.
    pub fn kept(&mut self, key: &StateKey, place: Place, durable: bool) {
        self.tried(key);
        self.written.insert(key.clone(), place);
        if durable {
            self.durable.insert(key.clone(), place);
        }
    }

    /// All that was written is durable.
    pub fn sync(&mut self) {
        self.durable.clone_from(&self.written);
    }

    /// The power was cut.
    pub fn cut(&mut self) {
        self.written.clone_from(&self.durable);
    }

    /// Whether a state was acknowledged.
    #[must_use]
    pub fn has(&self, key: &StateKey) -> bool {
        self.written.get(key).is_some_and(|place| place.k > 0)
    }

    /// What is there under these keys is right, and nothing that was acknowledged as written is
    /// missing: it is there, or a newer one.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn holds_for(&self, reader: &dyn EventReader, model: &Model, head: Position) -> Check {
        for (key, place) in &self.written {
            let found = all(reader, key)?;
            for kept in &found {
                is_right(model, kept, head).map_err(|error| format!("{key:?}: {error}"))?;
            }
            let newest = found.first().map(|kept| kept.place);
            if place.k > 0 && newest.is_none_or(|newest| newest < *place) {
                return Err(format!("{key:?}: of {place} only {newest:?} is there"));
            }
        }
        Ok(())
    }
}
