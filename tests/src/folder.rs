//! A store's folder in memory, to be damaged: each experiment works on a copy of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use annals::{Durability, EventReader, ExpectedVersion, Place, Position, Result, StateKey, Store};
use annals_env::MemoryFs;

use crate::check;
use crate::counter;
use crate::model::{self, Model};
use crate::seen;
use crate::states;
use crate::workload::seeded;
use crate::world::{STORE, World};

/// The files of a store. Paths are inside its folder, e.g. `state`.
#[derive(Clone, Debug)]
pub struct Folder {
    disk: MemoryFs,
}

impl Folder {
    /// What is on `disk` now.
    #[must_use]
    pub fn of(disk: &MemoryFs) -> Self {
        Self { disk: disk.fork() }
    }

    /// A copy that shares nothing with it.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::of(&self.disk)
    }

    /// A machine, just started, with this folder on its disk.
    #[must_use]
    pub fn world(&self) -> World {
        World::new(self.disk.clone(), 77)
    }

    /// The paths of its files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let inside = |path: PathBuf| path.strip_prefix(STORE).map(Path::to_path_buf).ok();
        self.disk.files().into_iter().filter_map(inside).collect()
    }

    /// The paths of its segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| path.starts_with("log")).collect()
    }

    /// The bytes of a file.
    ///
    /// # Panics
    /// Where it is not there.
    #[must_use]
    pub fn read(&self, path: &Path) -> Vec<u8> {
        self.disk
            .read_file(&Path::new(STORE).join(path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Makes or replaces a file.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn write(&self, path: &Path, bytes: &[u8]) {
        self.disk.write_file(&Path::new(STORE).join(path), bytes).expect("there is always room");
    }

    /// Removes a file.
    ///
    /// # Panics
    /// Where it is not there.
    pub fn remove(&self, path: &Path) {
        use annals_env::Fs;
        self.disk.remove(&Path::new(STORE).join(path)).expect("it is there");
    }

    /// Changes the bytes of a file.
    pub fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(path);
        change(&mut bytes);
        self.write(path, &bytes);
    }

    /// All files with their bytes.
    #[must_use]
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = self.files().into_iter();
        files.map(|path| (path.clone(), self.read(&path))).collect()
    }

    /// Writes all files below the folder `to` of the machine.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, to: &Path) -> std::io::Result<()> {
        for (path, bytes) in self.contents() {
            let path = to.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(to))?;
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// The keys under which the sample keeps states.
fn keys() -> [StateKey; 3] {
    [counter::key(COUNTER), states::snapshot("order-1", "Order"), seen::key("everything")]
}

/// All states that are found under the sample's keys.
///
/// # Errors
/// Those of reading.
pub fn states(reader: &dyn EventReader) -> Result<BTreeSet<(StateKey, Place)>> {
    let mut found = BTreeSet::new();
    for key in keys() {
        let places = states::places(reader, &key)?;
        found.extend(places.into_iter().map(|place| (key.clone(), place)));
    }
    Ok(found)
}

/// Keeps a state of each key: of the aggregate beside those before it, of the projection in their
/// place, of the other fold now and then.
fn keep(store: &Store, model: &Model, number: u64) {
    for (index, key) in (0..).zip(keys()) {
        let Some(state) = states::state(model, key, model.head()) else { continue };
        let mut superseded = states::places(store, &state.key).expect("a healthy store finds them");
        if index == 0 || index == 1 && !number.is_multiple_of(3) {
            superseded.clear();
        }
        store.keep_state(&state, &superseded).expect("a healthy store keeps states");
    }
}

/// A closed store and what is in it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its folder.
    pub folder: Folder,
    /// Its events.
    pub model: Model,
    /// The states that are kept in it.
    pub states: BTreeSet<(StateKey, Place)>,
}

/// A stream of the sample that is an aggregate's.
pub const COUNTER: &str = "counter-1";

impl Sample {
    /// A store of the smallest segments of which so many are sealed, with a few events in the active
    /// one. Another `seed` gives another store.
    ///
    /// # Panics
    /// Where the store does not work.
    #[must_use]
    pub fn new(sealed: u64, seed: u64) -> Self {
        let disk = MemoryFs::new();
        let world = World::new(disk.clone(), seed);
        let store = world.open(Durability::Sync).expect("a new store opens");
        let mut model = Model::new();
        let mut number = seed * 1_000_000;
        let mut behind = 0;
        while behind < 3 {
            number += 10;
            let stream =
                ["order-1", "order-2", "cart-1"][usize::try_from(number / 10 % 3).unwrap_or(0)];
            let events =
                seeded::events(number, 1 + number / 10 % 4, 120 + (number as usize * 7) % 500);
            let mut commit = model::any(stream, events);
            if (number / 10).is_multiple_of(5) {
                let more = seeded::events(number + 5, 2, 90);
                commit = commit.append("order-2", ExpectedVersion::Any, more);
            }
            let receipt = store.commit(&commit).expect("a healthy store appends");
            check::accepted(&mut model, &commit, &receipt).expect("it says what it did");
            if (number / 10).is_multiple_of(4) {
                let commit = model::any(COUNTER, counter::events(number / 10..number / 10 + 2));
                let receipt = store.commit(&commit).expect("a healthy store appends");
                check::accepted(&mut model, &commit, &receipt).expect("it says what it did");
            }
            if (number / 10).is_multiple_of(3) {
                keep(&store, &model, number / 30);
            }
            world.scheduler.run_until_idle();
            behind += u64::from(
                store.stats().expect("a healthy store has figures").segments_sealed >= sealed,
            );
        }
        for event in store.read_all() {
            let event = event.expect("a healthy store reads");
            model.learn_derived_id(event.position(), event.id());
        }
        assert_eq!(store.position(), model.head());
        let states = states(&store).expect("a healthy store finds states");
        store.close().expect("a healthy store closes");
        Self { folder: Folder::of(&disk), model, states }
    }

    /// The segment in which the event at `position` lies, with the offset and the length of its
    /// data, where the data is there in one place only.
    #[must_use]
    pub fn find_data(&self, position: Position) -> Option<(PathBuf, usize, usize)> {
        self.find(&self.model.event(position)?.event.data)
    }

    /// The same of a kept state.
    #[must_use]
    pub fn find_state(&self, key: &StateKey, place: Place) -> Option<(PathBuf, usize, usize)> {
        let store = self.folder.world().open_read_only().ok()?;
        let kept = store.head().kept_state(key, Some(place.next())).ok()??;
        self.find(&kept.state.data)
    }

    fn find(&self, data: &[u8]) -> Option<(PathBuf, usize, usize)> {
        let mut found = self.folder.segments().into_iter().flat_map(|segment| {
            let bytes = self.folder.read(&segment);
            let windows = bytes.windows(data.len().max(1)).enumerate();
            let places = windows.filter(|(_, window)| *window == data).map(|(offset, _)| offset);
            let places: Vec<usize> = places.collect();
            places.into_iter().map(move |offset| (segment.clone(), offset, data.len()))
        });
        let place = found.next();
        found.next().is_none().then_some(place).flatten()
    }
}
