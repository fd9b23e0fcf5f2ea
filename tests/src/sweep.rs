//! Crashes a history at each of its operations, makes the disks that the crash can leave, and checks
//! on each that the store keeps its word.

use std::fmt;
use std::time::Duration;

use annals::{Durability, Error, ErrorKind, Position, Timestamp};
use annals_env::{Faults, FaultyFs};

use crate::check::{self, Check};
use crate::history::{self, Action, Trace};
use crate::images;
use crate::model::{Append, Model};
use crate::reader::Reader;
use crate::workload::seeded;
use crate::world::{BEGINNING, World, new_disk};

/// A history and how much is tried of it.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The history.
    pub actions: Vec<Action>,
    /// The disk's nature.
    pub faults: Faults,
    /// Whether even the folder above the store's is still to be made.
    pub bare: bool,
    /// Most images after each crash.
    pub images: usize,
    /// Of so many images, one is crashed again at each operation of its reopening.
    pub nested_every: usize,
    /// Most images after each crash of a reopening.
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
    /// Crash points in reopenings.
    pub nested_points: u64,
    /// Different (crash point of a reopening, image) pairs.
    pub nested_images: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} crash points ({} exhaustive), {} power cuts, {} kills; \
             in reopenings: {} crash points, {} images",
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
        let whole = history::run(&disk, &self.actions)?;
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
        let trace = history::run(&disk, &self.actions)
            .map_err(|error| format!("until a crash at operation {number}: {error}"))?;
        disk.crash();
        let place = disk.crashed_in().map_or("after the end".to_owned(), |at| at.to_string());
        let cuts = images::power_cuts(&disk, self.images, number);
        let kills = images::kills(&disk, self.images, number);
        tally.crash_points += 1;
        tally.exhaustive += u64::from(cuts.complete);
        tally.power_cuts += cuts.disks.len() as u64;
        tally.kills += kills.disks.len() as u64;
        let cuts = cuts.disks.iter().map(|image| ("power cut", image, trace.durable));
        let kills = kills.disks.iter().map(|image| ("kill", image, trace.acknowledged));
        for (index, (what, image, least)) in cuts.chain(kills).enumerate() {
            let told = |error| {
                format!("{what} at {place}, image {index} ({:x}): {error}", image.fingerprint())
            };
            let promise = Promise { trace: &trace, least };
            // Before the image is written to.
            if (index as u64 + number).is_multiple_of(self.nested_every as u64) {
                self.crash_reopening(image, promise, number, tally).map_err(told)?;
            }
            promise.is_kept_on(&images::copy(image), index).map_err(told)?;
        }
        Ok(())
    }

    /// Crashes the reopening at each of its operations, and once after it.
    fn crash_reopening(
        &self,
        image: &FaultyFs,
        promise: Promise<'_>,
        seed: u64,
        tally: &mut Tally,
    ) -> Check {
        for number in 1.. {
            let disk = images::copy(image);
            disk.crash_at(number);
            let durability = durability_of(number);
            // What only a killed process wrote is not durable before an opening has said so.
            let mut durable = promise.trace.durable;
            match later(&disk, 1).open(durability) {
                Ok(store) => {
                    // An opening may succeed although its last, dispensable write met the crash.
                    if !disk.has_crashed() {
                        promise.holds_for(&store)?;
                    }
                    if durability == Durability::Sync {
                        durable = store.position();
                    }
                }
                Err(_) if disk.has_crashed() => {}
                Err(error) => return Err(format!("opening: {error}")),
            }
            let over = !disk.has_crashed();
            disk.crash();
            let place = disk.crashed_in().map_or("after it".to_owned(), |at| at.to_string());
            let cuts = images::power_cuts(&disk, self.nested_images, seed).disks;
            let kills = images::kills(&disk, self.nested_images, seed).disks;
            tally.nested_points += 1;
            tally.nested_images += (cuts.len() + kills.len()) as u64;
            let cuts = cuts.iter().map(|image| ("power cut", image, durable));
            let kills = kills.iter().map(|image| ("kill", image, promise.least));
            for (index, (what, image, least)) in cuts.chain(kills).enumerate() {
                let promise = Promise { least, ..promise };
                promise.is_kept_on(image, index).map_err(|error| {
                    format!("then a {what} in the opening, {place}, image {index}: {error}")
                })?;
            }
            if over {
                return Ok(());
            }
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

/// What the store has promised of a history.
#[derive(Clone, Copy, Debug)]
struct Promise<'a> {
    trace: &'a Trace,
    /// Up to here it must be there.
    least: Position,
}

impl Promise<'_> {
    /// Everything that is expected of a store on the disk that a crash left.
    fn is_kept_on(self, image: &FaultyFs, index: usize) -> Check {
        self.holds_read_only(image).map_err(|error| format!("read-only: {error}"))?;
        let world = later(image, 2);
        let durability = durability_of(index as u64);
        let store = world.open(durability).map_err(|error| format!("opening: {error}"))?;
        let head = self.holds_for(&store).map_err(|error| format!("reopened: {error}"))?;
        let mut model = self.trace.model.clone();
        model.cut(head);
        learn_ids(&store, &mut model)?;
        goes_on(&store, &mut model)?;
        if index.is_multiple_of(3) {
            drop(store);
        } else {
            store.close().map_err(|error| format!("closing: {error}"))?;
        }
        let world = later(image, 3);
        let store = world
            .open(durability_of(index as u64 + 1))
            .map_err(|error| format!("opening again: {error}"))?;
        check::answers(&store, &model, model.head())
            .map_err(|error| format!("opened again: {error}"))?;
        is_clean(&store, &model)
    }

    /// Opening read-only shows as much and changes nothing.
    fn holds_read_only(self, image: &FaultyFs) -> Check {
        let before = image.fingerprint();
        match later(image, 1).open_read_only() {
            Ok(store) => {
                self.holds_for(&store)?;
                check::equal("the damage", &[][..], store.damage())?;
                let report = store.verify(&mut |_, _| {}).map_err(|error| error.to_string())?;
                check::equal("the damage that verify finds", Vec::new(), report.damage)?;
            }
            Err(error) => self.may_be_missing(&error)?,
        }
        check::equal("the disk's fingerprint", before, image.fingerprint())
    }

    /// No store is there only where none was promised.
    fn may_be_missing(self, error: &Error) -> Check {
        let promised = self.least > Position::START;
        if *error.kind() == ErrorKind::NotAStore && !promised {
            Ok(())
        } else {
            Err(format!("opening: {error} ({:?})", error.kind()))
        }
    }

    /// What is there is whole commits, the first ones attempted, at least those promised. Gives the
    /// head.
    fn holds_for(self, reader: &dyn Reader) -> Check<Position> {
        let head = reader.position();
        if head < self.least {
            return Err(format!("it ends at {head}, but {} was acknowledged", self.least));
        }
        if head > Position::START && !self.trace.model.commit_ends().contains(&head) {
            return Err(format!("it ends at {head}, inside a commit"));
        }
        check::answers(reader, &self.trace.model, head)?;
        epochs_grow(reader)?;
        Ok(head)
    }
}

fn epochs_grow(reader: &dyn Reader) -> Check {
    let mut newest = 0;
    for event in reader.read_all() {
        let event = event.map_err(|error| error.to_string())?;
        if event.epoch() < newest {
            return Err(format!("event {} has epoch {}", event.position(), event.epoch()));
        }
        newest = event.epoch();
    }
    Ok(())
}

/// What an id once was it stays.
fn learn_ids(reader: &dyn Reader, model: &mut Model) -> Check {
    for event in reader.read_all() {
        let event = event.map_err(|error| error.to_string())?;
        model.learn_derived_id(event.position(), event.id());
    }
    Ok(())
}

/// The store takes further appends, to old streams and new ones.
fn goes_on(store: &annals::Store, model: &mut Model) -> Check {
    let old = model.events(Position::MAX).first().map(|event| event.stream.clone());
    let streams = [old.unwrap_or("order-1".to_owned()), "after-the-crash".to_owned()];
    for (seed, stream) in (1_000_000..).step_by(10).zip(streams) {
        let append = Append {
            expected: model.version(&stream, Position::MAX).into(),
            ..Append::any(stream, seeded::events(seed, 2, 60))
        };
        let receipt = history::append_to(store, &append)
            .map_err(|error| format!("a further append: {error}"))?;
        let epoch = Some(receipt.epoch.number);
        let written = model.accept(&append, Some(receipt.recorded_at), epoch);
        check::receipt(&written, &receipt)?;
    }
    Ok(())
}

fn is_clean(store: &annals::Store, model: &Model) -> Check {
    let report = store.verify(&mut |_, _| {}).map_err(|error| format!("verify: {error}"))?;
    check::equal("the damage that verify finds", Vec::new(), report.damage.clone())?;
    check::equal("the torn tail that verify finds", None, report.torn_tail.clone())?;
    check::equal("the events that verify counts", model.head().get(), report.events)?;
    check::equal("the head that verify finds", model.head(), report.head)
}

/// A pause after which a buffered store's background sync is due.
pub const SYNC_PAUSE: Duration = Duration::from_millis(150);
