//! What a repair owes: everything that was readable is there as before, everything else is told to
//! be lost, and the store works.

use std::collections::BTreeSet;
use std::path::Path;

use annals::{
    Durability, EventReader, ExpectedVersion, Keep, Loss, Place, Position, Read, ReadOnlyStore,
    Repair, StateKey, Store, repair_in,
};

use crate::check::{self, Check};
use crate::counter;
use crate::folder::{self, COUNTER};
use crate::model::{Filter, Model, Recorded};
use crate::states;
use crate::workload::seeded;
use crate::world::{STORE, World};

/// The positions of the events that can be read now.
///
/// # Errors
/// Where the store does not open at all.
pub fn readable(world: &World) -> Check<BTreeSet<Position>> {
    let store = world.open_read_only().map_err(|error| format!("read-only: {error}"))?;
    Ok(store.read_all().flatten().map(|event| event.position()).collect())
}

/// The states that can be found now.
///
/// # Errors
/// Where the store does not open at all, or looking for them fails.
pub fn found(world: &World) -> Check<BTreeSet<(StateKey, Place)>> {
    let store = world.open_read_only().map_err(|error| format!("read-only: {error}"))?;
    folder::states(&store).map_err(|error| format!("kept states: {error}"))
}

/// Looks and, where `execute`, repairs.
///
/// # Errors
/// Where the repair fails.
pub fn repair(world: &World, execute: bool) -> Check<Repair> {
    let done = repair_in(&world.env(), Path::new(STORE), execute, &mut |_, _| {});
    done.map_err(|error| format!("repair: {error} ({:?})", error.kind()))
}

/// The positions of these losses.
#[must_use]
pub fn positions(losses: &[Loss]) -> BTreeSet<Position> {
    let all = losses.iter().flat_map(|loss| loss.first.get()..=loss.last.get());
    all.map(Position::new).collect()
}

/// What is owed after a repair.
#[derive(Clone, Debug)]
pub struct Mended<'a> {
    /// What was there before the damage.
    pub model: &'a Model,
    /// What could be read before the repair.
    pub readable: &'a BTreeSet<Position>,
    /// The states that could be found before the repair.
    pub states: &'a BTreeSet<(StateKey, Place)>,
    /// Whether a saved index knew all streams' versions.
    pub indexed: bool,
}

impl Mended<'_> {
    /// Opens the repaired store both ways, appends to it, and opens it with a new index. Gives the
    /// events that are lost.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn holds(&self, world: &World) -> Check<BTreeSet<Position>> {
        let reading = world.open_read_only().map_err(|error| format!("read-only: {error}"))?;
        let lost = self.is_whole(&reading).map_err(|error| format!("read-only: {error}"))?;
        drop(reading);
        let store = world.open(Durability::Sync).map_err(|error| format!("opening: {error}"))?;
        self.reads(&store, &lost).map_err(|error| format!("opened: {error}"))?;
        let versions = self.appends(&store)?;
        store.close().map_err(|error| format!("closing: {error}"))?;
        let rebuilt = annals::repair_in(&world.env(), Path::new(STORE), false, &mut |_, _| {});
        let again = rebuilt.map_err(|error| format!("looking again: {error}"))?;
        check::equal("what is to be repaired again", true, again.is_needless())?;
        let store = world.open(Durability::Sync).map_err(|error| format!("again: {error}"))?;
        for (stream, version) in versions {
            let now = store.version(&stream).map_err(|error| error.to_string())?;
            check::equal("a version after reopening", version, now.get())?;
        }
        let report = store.verify_deep(&mut |_, _| {}).map_err(|error| error.to_string())?;
        check::equal("the damage at last", &[][..], &report.damage)?;
        check::equal("what is lost at last", &lost, &positions(&report.losses))?;
        Ok(lost)
    }

    /// Nothing is damaged any more, and what is lost is exactly what could not be read before.
    fn is_whole(&self, store: &ReadOnlyStore) -> Check<BTreeSet<Position>> {
        check::equal("the damage", &[][..], store.damage())?;
        let report = store.verify_deep(&mut |_, _| {}).map_err(|error| error.to_string())?;
        check::equal("the damage that verify finds", &[][..], &report.damage)?;
        check::equal("the faults of the index", Vec::new(), report.index_faults)?;
        let lost = positions(&report.losses);
        let head = store.position();
        let expected = (1..=head.get()).map(Position::new);
        let expected = expected.filter(|position| !self.readable.contains(position)).collect();
        check::equal("what is lost", &expected, &lost)?;
        if let Some(newest) = self.readable.last() {
            check::equal("whether the head went back", true, head >= *newest)?;
        }
        self.reads(store, &lost)?;
        Ok(lost)
    }

    /// Every reading gives what is not lost, without an error.
    fn reads(&self, store: &dyn EventReader, lost: &BTreeSet<Position>) -> Check {
        self.read(store, &Read::all(), lost)?;
        self.read(store, &Read::all().backward(), lost)?;
        let head = store.position();
        for stream in self.model.streams(&Filter::All, head) {
            let all = Read::stream(&stream.name);
            self.read(store, &all, lost)?;
            self.read(store, &all.clone().backward(), lost)?;
            self.read(store, &all.from_version(annals::Version::new(2)), lost)?;
            let last = store.last_event(&stream.name).map_err(|error| error.to_string())?;
            let events = self.model.events(head).iter();
            let expected =
                events.rev().find(|e| e.stream == stream.name && !lost.contains(&e.position));
            let expected = expected.map(|event| event.position);
            check::equal("the last event", expected, last.map(|event| event.position()))?;
            if self.indexed {
                let version = store.version(&stream.name).map_err(|error| error.to_string())?;
                check::equal("the version", self.model.version(&stream.name, head), version)
                    .map_err(|error| format!("{}: {error}", stream.name))?;
            }
        }
        for query in check::queries(self.model, head) {
            self.read(store, &Read::all().matching(query), lost)?;
        }
        self.finds_states(store, lost)
    }

    /// What was kept and is intact is there, and right.
    fn finds_states(&self, store: &dyn EventReader, lost: &BTreeSet<Position>) -> Check {
        let head = store.position();
        let found = folder::states(store).map_err(|error| format!("kept states: {error}"))?;
        let missing: Vec<_> = self.states.difference(&found).collect();
        check::equal("the kept states that are missing", Vec::new(), missing)?;
        let mut folded_in = Position::START;
        for (key, place) in &found {
            let kept = store.kept_state(key, Some(place.next()));
            let kept = kept.map_err(|error| format!("kept states: {error}"))?;
            let kept = kept.ok_or_else(|| format!("{key:?} at {place} is found no more"))?;
            states::is_right(self.model, &kept, head)?;
            if *key == counter::key(COUNTER) {
                folded_in = folded_in.max(kept.state.checkpoint.position);
            }
        }
        let loaded = counter::counters(store, Keep::All).load(COUNTER);
        let loaded = loaded.map_err(|error| format!("loading: {error}"))?;
        let events = self.model.events(head).iter();
        let mut gone =
            events.filter(|event| event.stream == COUNTER && lost.contains(&event.position));
        // A snapshot has in it what is lost before it; what is lost behind it is in no state.
        if gone.any(|event| event.position > folded_in) {
            return Ok(());
        }
        counter::is_right(self.model, COUNTER, self.model.version(COUNTER, head), &loaded)
    }

    fn read(&self, store: &dyn EventReader, read: &Read, lost: &BTreeSet<Position>) -> Check {
        let told = |error: String| format!("{read:?}: {error}");
        let expected = self.model.read(read, store.position());
        let expected = expected.map_err(|refusal| told(format!("refused: {refusal:?}")))?;
        let expected: Vec<&Recorded> =
            expected.into_iter().filter(|event| !lost.contains(&event.position)).collect();
        let found = check::collect(store.read(read.clone()));
        let found = found.map_err(|error| told(error.to_string()))?;
        check::equal("the number of events", expected.len(), found.len()).map_err(told)?;
        expected.iter().zip(&found).try_for_each(|(expected, found)| check::event(expected, found))
    }

    /// Every stream goes on behind the version that the store tells. Gives the new ones.
    fn appends(&self, store: &Store) -> Check<Vec<(String, u64)>> {
        let head = store.position();
        let mut versions = Vec::new();
        for (stream, seed) in self.model.streams(&Filter::All, head).into_iter().zip(97_000_000..) {
            let version = store.version(&stream.name).map_err(|error| error.to_string())?;
            let expected = if version.get() == 0 {
                ExpectedVersion::NoStream
            } else {
                ExpectedVersion::Version(version)
            };
            let receipt = store
                .append(&stream.name, expected, &seeded::events(seed * 10, 2, 60))
                .map_err(|error| format!("appending to {}: {error}", stream.name))?;
            check::equal("the first version", version.plus(1), receipt.first_version)?;
            versions.push((stream.name, receipt.version.get()));
        }
        Ok(versions)
    }
}
