//! Crashes a history at each of its operations, makes the disks that the crash can leave, and checks
//! on each that the store keeps its word.

mod promise;
mod second_life;

use std::fmt;
use std::time::Duration;

use annals::{Durability, Timestamp};
use annals_env::{Faults, FaultyFs};

use self::promise::Promise;
use self::second_life::FirstLife;
use crate::check::Check;
use crate::history::{self, Action};
use crate::images;
use crate::world::{BEGINNING, World, new_disk};

/// A history and how much is tried of it.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The history.
    pub actions: Vec<Action>,
    /// The disk's nature.
    pub faults: Faults,
    /// Size of its segments, in bytes.
    pub segment_bytes: u64,
    /// Whether even the folder above the store's is still to be made.
    pub bare: bool,
    /// Most images after each crash.
    pub images: usize,
    /// Of so many images, one is crashed again at each operation of its reopening and of some
    /// appends after it.
    pub nested_every: usize,
    /// Most images after each crash of a second life.
    pub nested_images: usize,
}

/// What a sweep tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations of the history, each crashed at.
    pub crash_points: u64,
    /// Of these, those after which every power cut image was tried.
    pub exhaustive: u64,
    /// Different (crash point, power cut image) pairs.
    pub power_cuts: u64,
    /// Different (crash point, kill image) pairs.
    pub kills: u64,
    /// Crash points in second lives: reopenings and what was appended after them.
    pub nested_points: u64,
    /// Different (crash point of a second life, image) pairs.
    pub nested_images: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} crash points ({} exhaustive), {} power cuts, {} kills; \
             in second lives: {} crash points, {} images",
            self.crash_points,
            self.exhaustive,
            self.power_cuts,
            self.kills,
            self.nested_points,
            self.nested_images,
        )
    }
}

impl Sweep {
    /// Runs it.
    ///
    /// # Errors
    /// The first broken promise, with the crash and the image that show it.
    pub fn run(&self) -> Check<Tally> {
        let disk = self.disk();
        let first = disk.operations() + 1;
        let whole = history::run(&disk, self.segment_bytes, &self.actions)?;
        if let Some(error) = whole.failure {
            return Err(format!("without a crash: {error}"));
        }
        let mut tally = Tally::default();
        // One beyond the last operation: a crash after the end.
        for number in first..=disk.operations() + 1 {
            self.crash_at(number, &mut tally)?;
        }
        Ok(tally)
    }

    fn disk(&self) -> FaultyFs {
        if self.bare { FaultyFs::new(self.faults.clone()) } else { new_disk(self.faults.clone()) }
    }

    fn crash_at(&self, number: u64, tally: &mut Tally) -> Check {
        let disk = self.disk();
        disk.crash_at(number);
        let trace = history::run(&disk, self.segment_bytes, &self.actions)
            .map_err(|error| format!("until a crash at operation {number}: {error}"))?;
        disk.crash();
        let place = disk.crashed_in().map_or("after the end".to_owned(), |at| at.to_string());
        let cuts = images::power_cuts(&disk, self.images, number);
        let kills = images::kills(&disk, self.images, number);
        let before = tally.power_cuts + tally.kills;
        tally.crash_points += 1;
        tally.exhaustive += u64::from(cuts.complete);
        tally.power_cuts += cuts.disks.len() as u64;
        tally.kills += kills.disks.len() as u64;
        let mut lasting = trace.sure.clone();
        lasting.cut();
        let cuts = cuts.disks.iter().map(|image| ("power cut", image, trace.durable, &lasting));
        let kills = kills.disks.iter();
        let kills = kills.map(|image| ("kill", image, trace.acknowledged, &trace.sure));
        for (index, (what, image, least, sure)) in cuts.chain(kills).enumerate() {
            let told = |error| {
                format!("{what} at {place}, image {index} ({:x}): {error}", image.fingerprint())
            };
            let promise = Promise { model: &trace.model, least, sure };
            // Before the image is written to.
            let first_life = FirstLife { image, promise, durable: trace.durable };
            let count = before + index as u64;
            if count.is_multiple_of(self.nested_every as u64) {
                self.crash_again_everywhere(&first_life, number, tally).map_err(told)?;
            } else if what == "kill" || count.is_multiple_of(SECOND_LIFE_EVERY) {
                self.crash_again_at_the_end(&first_life, number, tally).map_err(told)?;
            }
            promise.is_kept_on(&images::copy(image), index).map_err(told)?;
        }
        Ok(())
    }
}

/// Both kinds of opening get their turn.
fn durability_of(number: u64) -> Durability {
    if number.is_multiple_of(2) { Durability::Buffered } else { Durability::Sync }
}

/// The machine after its n-th restart.
fn later(disk: &FaultyFs, restarts: u64) -> World {
    let now = BEGINNING.as_micros() + 3_600_000_000 * i64::try_from(restarts).unwrap_or(0);
    World::at(disk.clone(), 1 + restarts, Timestamp::from_micros(now))
}

/// Of so many power cut images one, and each kill image, gets at least a second life that ends in a
/// crash: what only a killed process wrote must be made durable by the next.
const SECOND_LIFE_EVERY: u64 = 7;

/// A pause after which a buffered store's background sync is due.
pub const SYNC_PAUSE: Duration = Duration::from_millis(150);
