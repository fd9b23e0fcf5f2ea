//! A disk that a crash left is opened again and appended to, and crashes once more: at each
//! operation of the recovery and of the appends. Nothing that was cut off may come back.

use annals::{Commit, Durability, ExpectedVersion, Position, Store};
use annals_env::FaultyFs;

use super::promise::Promise;
use super::{Sweep, Tally, durability_of, later};
use crate::check::{self, Check};
use crate::images;
use crate::model::{self, Model};
use crate::states::{self, Sure};
use crate::workload::seeded;

/// When the second crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// In the operation with this number.
    Operation(u64),
    /// Behind the last append.
    LastAppend,
}

/// Images after a crash behind the end of a second life.
const IMAGES_AT_THE_END: usize = 3;

/// What the first crash left.
pub(super) struct FirstLife<'a> {
    pub(super) image: &'a FaultyFs,
    pub(super) promise: Promise<'a>,
    /// Acknowledged as durable up to here; what only a killed process wrote is not.
    pub(super) durable: Position,
}

/// What is owed after the second crash.
struct SecondLife {
    /// What was there when it was opened, if it was, and what was attempted since.
    model: Model,
    /// Survives another kill.
    acknowledged: Position,
    /// Survives a power cut.
    durable: Position,
    /// States that were kept, in both lives.
    sure: Sure,
    /// A power cut may bring back the first life's end: this one has made nothing durable.
    may_be_undone: bool,
}

impl Sweep {
    /// Crashes the second life at each of its operations, and once after it.
    pub(super) fn crash_again_everywhere(
        &self,
        first: &FirstLife<'_>,
        seed: u64,
        tally: &mut Tally,
    ) -> Check {
        let mut number = 1;
        while self.crash_again(first, Until::Operation(number), seed, tally)? {
            number += 1;
        }
        Ok(())
    }

    /// Crashes the second life after it.
    pub(super) fn crash_again_at_the_end(
        &self,
        first: &FirstLife<'_>,
        seed: u64,
        tally: &mut Tally,
    ) -> Check {
        self.crash_again(first, Until::LastAppend, seed, tally).map(|_| ())
    }

    /// False where the second life ends before.
    fn crash_again(
        &self,
        first: &FirstLife<'_>,
        until: Until,
        seed: u64,
        tally: &mut Tally,
    ) -> Check<bool> {
        let disk = images::copy(first.image);
        let (durability, images) = match until {
            Until::Operation(number) => {
                disk.crash_at(number);
                (durability_of(seed / 2 + number), self.nested_images)
            }
            Until::LastAppend => (durability_of(seed), IMAGES_AT_THE_END),
        };
        let second = self
            .live(&disk, first, durability, until)
            .map_err(|error| format!("second life, {durability:?}: {error}"))?;
        let reached = disk.crashed_in().is_some();
        disk.crash();
        let place = disk.crashed_in().map_or("after its end".to_owned(), |at| at.to_string());
        let cuts = images::power_cuts(&disk, images, seed).disks;
        let kills = images::kills(&disk, images, seed).disks;
        tally.nested_points += 1;
        tally.nested_images += (cuts.len() + kills.len()) as u64;
        let cuts = cuts.iter().map(|image| ("power cut", image));
        let kills = kills.iter().map(|image| ("kill", image));
        for (index, (what, image)) in cuts.chain(kills).enumerate() {
            let kept = match what {
                "kill" => second.is_kept_by_a_kill(image, index),
                _ => second.is_kept_by_a_power_cut(image, index, first),
            };
            kept.map_err(|error| {
                format!("then a {what} in a second life, {durability:?}, {place}, image {index}: {error}")
            })?;
        }
        Ok(reached)
    }

    /// Opens the store and appends, until the crash.
    fn live(
        &self,
        disk: &FaultyFs,
        first: &FirstLife<'_>,
        durability: Durability,
        until: Until,
    ) -> Check<SecondLife> {
        let mut second = SecondLife {
            model: first.promise.model.clone(),
            acknowledged: first.promise.least,
            durable: first.durable,
            sure: first.promise.sure.clone(),
            may_be_undone: durability == Durability::Buffered,
        };
        let world = later(disk, 1).with_segments(self.segment_bytes);
        let store = match world.open(durability) {
            Ok(store) => store,
            Err(_) if disk.has_crashed() => return Ok(second),
            Err(error) => return Err(format!("opening: {error}")),
        };
        // An opening may succeed although its last, dispensable write met the crash.
        if !disk.has_crashed() {
            first.promise.holds_for(&store)?;
        }
        second.acknowledged = store.position();
        // What was lost is tried again first: a frame of the same length at the same place, behind
        // which the rest of what was lost must not come back.
        let lost = second.model.commits().find(|(_, end)| *end > store.position());
        let mut commits: Vec<Commit<'static>> =
            lost.map(|(lost, _)| lost.clone()).into_iter().collect();
        commits.extend([2_000_000, 2_000_010, 2_000_020].map(further));
        second.model.cut(store.position());
        if durability == Durability::Sync {
            second.durable = store.position();
            second.sure.sync();
        }
        for commit in &commits {
            if !second.commit(&store, commit, durability)? {
                check::equal("whether the disk has crashed", true, disk.has_crashed())?;
                break;
            }
            if !second.keep(&store, durability)? {
                check::equal("whether the disk has crashed", true, disk.has_crashed())?;
                break;
            }
            world.scheduler.run_until_idle();
        }
        if until == Until::LastAppend {
            // Dropping the store would make all durable.
            disk.crash();
        }
        Ok(second)
    }
}

fn further(seed: u64) -> Commit<'static> {
    let stream = if seed.is_multiple_of(20) { "order-1" } else { "second-life" };
    let commit = model::any(stream, seeded::events(seed, 1 + seed / 10 % 3, 300));
    if seed.is_multiple_of(20) {
        return commit;
    }
    commit.append("order-2", ExpectedVersion::Any, seeded::events(seed + 5, 2, 100))
}

impl SecondLife {
    fn is_kept_by_a_kill(&self, image: &FaultyFs, index: usize) -> Check {
        Promise { model: &self.model, least: self.acknowledged, sure: &self.sure }
            .is_kept_on(image, index)
    }

    fn is_kept_by_a_power_cut(
        &self,
        image: &FaultyFs,
        index: usize,
        first: &FirstLife<'_>,
    ) -> Check {
        let copy = images::copy(image);
        let mut sure = self.sure.clone();
        sure.cut();
        let promise = Promise { model: &self.model, least: self.durable, sure: &sure };
        let kept = promise.is_kept_on(image, index);
        match kept {
            Err(error) if self.may_be_undone => {
                let mut sure = first.promise.sure.clone();
                sure.cut();
                let promise = Promise { least: first.durable, sure: &sure, ..first.promise };
                promise
                    .is_kept_on(&copy, index)
                    .map_err(|undone| format!("{error}; and as if it had not been: {undone}"))
            }
            kept => kept,
        }
    }
}

impl SecondLife {
    /// A state follows those of the first life, if there are any. Whether it was taken.
    fn keep(&mut self, store: &Store, durability: Durability) -> Check<bool> {
        let Some(key) = self.sure.written.keys().next().cloned() else { return Ok(true) };
        let state = states::state(&self.model, key.clone(), store.position());
        let Some(state) = state else { return Ok(true) };
        let Ok(superseded) = states::places(store, &key) else { return Ok(false) };
        let Ok(place) = store.keep_state(&state, &superseded) else { return Ok(false) };
        self.sure.kept(&key, place, durability == Durability::Sync);
        Ok(true)
    }

    /// Whether it was taken.
    fn commit(
        &mut self,
        store: &Store,
        commit: &Commit<'static>,
        durability: Durability,
    ) -> Check<bool> {
        match store.commit(commit) {
            Ok(receipt) => {
                check::accepted(&mut self.model, commit, &receipt)?;
                self.acknowledged = receipt.position;
                if durability == Durability::Sync {
                    self.durable = receipt.position;
                }
                Ok(true)
            }
            Err(_) => {
                self.model.accept(commit, None, None);
                Ok(false)
            }
        }
    }
}
