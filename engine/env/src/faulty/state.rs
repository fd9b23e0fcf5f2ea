//! Everything that the faulty disk knows, under one lock so that a crash has one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;

use super::choices::{Choices, pick};
use super::content::{Content, cuts};
use super::faults::{Faults, Operation, OperationKind};
use super::folders::{Folders, NewMeaning};
use crate::names::{Names, Node};
use crate::random::SeededRandom;

/// A file, whatever its name.
pub(super) type FileId = u64;

pub(super) struct State {
    pub(super) faults: Faults,
    random: SeededRandom,
    folders: Folders,
    files: BTreeMap<FileId, Content>,
    next_file: FileId,
    /// How many have a file open.
    handles: BTreeMap<FileId, usize>,
    locked: BTreeSet<FileId>,
    operations: u64,
    crash_at: Option<u64>,
    crash: Option<Crash>,
    fail_at: BTreeMap<u64, io::ErrorKind>,
    fail_next: Vec<(OperationKind, io::ErrorKind)>,
}

#[derive(Default)]
struct Crash {
    operation: Option<Operation>,
    under_way: Option<Write>,
}

/// A write that the crash interrupted.
struct Write {
    id: FileId,
    bytes: Vec<u8>,
    offset: u64,
}

/// What an operation is to do.
pub(super) enum Turn {
    /// What it was asked for.
    Go,
    /// Fail.
    Fail(io::Error),
    /// Crash, and happen in part if it can.
    Crash,
    /// Nothing: the disk crashed before.
    Crashed,
}

pub(super) fn crashed() -> io::Error {
    io::Error::other("crashed")
}

impl State {
    pub(super) fn new(faults: Faults) -> Self {
        let random = SeededRandom::new(faults.seed);
        Self {
            faults,
            random,
            folders: Folders::durable(Names::new()),
            files: BTreeMap::new(),
            next_file: 0,
            handles: BTreeMap::new(),
            locked: BTreeSet::new(),
            operations: 0,
            crash_at: None,
            crash: None,
            fail_at: BTreeMap::new(),
            fail_next: Vec::new(),
        }
    }

    pub(super) fn set_faults(&mut self, change: impl FnOnce(&mut Faults)) {
        let seed = self.faults.seed;
        change(&mut self.faults);
        if self.faults.seed != seed {
            self.random = SeededRandom::new(self.faults.seed);
        }
    }

    // Crashes and failures.

    pub(super) const fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) const fn crash_at(&mut self, number: u64) {
        self.crash_at = Some(number);
    }

    pub(super) fn crash(&mut self) {
        self.crash.get_or_insert_default();
    }

    pub(super) const fn has_crashed(&self) -> bool {
        self.crash.is_some()
    }

    pub(super) fn crashed_in(&self) -> Option<Operation> {
        self.crash.as_ref()?.operation.clone()
    }

    pub(super) fn fail_at(&mut self, number: u64, kind: io::ErrorKind) {
        self.fail_at.insert(number, kind);
    }

    pub(super) fn fail_next(&mut self, operation: OperationKind, error: io::ErrorKind) {
        self.fail_next.push((operation, error));
    }

    pub(super) fn failures_due(&self) -> usize {
        self.fail_at.len() + self.fail_next.len()
    }

    pub(super) fn forget_failures(&mut self) {
        self.fail_at.clear();
        self.fail_next.clear();
    }

    pub(super) fn check_alive(&self) -> io::Result<()> {
        if self.has_crashed() { Err(crashed()) } else { Ok(()) }
    }

    /// For an operation that has no way to happen in part.
    pub(super) fn begin(&mut self, kind: OperationKind, path: &Path) -> io::Result<()> {
        match self.turn(kind, path) {
            Turn::Go => Ok(()),
            Turn::Fail(error) => Err(error),
            Turn::Crash | Turn::Crashed => Err(crashed()),
        }
    }

    /// Counts the operation and says what becomes of it.
    pub(super) fn turn(&mut self, kind: OperationKind, path: &Path) -> Turn {
        if self.has_crashed() {
            return Turn::Crashed;
        }
        if kind.is_numbered() {
            self.operations += 1;
            let number = self.operations;
            if self.crash_at.is_some_and(|at| number >= at) {
                let operation = Operation { number, kind, path: path.to_path_buf() };
                self.crash = Some(Crash { operation: Some(operation), under_way: None });
                return Turn::Crash;
            }
            if let Some(error) = self.fail_at.remove(&number) {
                return Turn::Fail(injected(error, kind));
            }
        }
        if let Some(index) = self.fail_next.iter().position(|(wanted, _)| *wanted == kind) {
            let (_, error) = self.fail_next.remove(index);
            return Turn::Fail(injected(error, kind));
        }
        let probability = match kind {
            OperationKind::Read => self.faults.read_error,
            OperationKind::Write => self.faults.write_error,
            OperationKind::Sync | OperationKind::SyncDir => self.faults.sync_error,
            _ => 0.0,
        };
        if self.chance(probability) {
            return Turn::Fail(injected(io::ErrorKind::Other, kind));
        }
        Turn::Go
    }

    /// Draws nothing where the answer is known, so that exact tests stay exact.
    fn chance(&self, probability: f64) -> bool {
        const DRAWS: u32 = 1 << 24;
        probability > 0.0 && {
            let drawn = u32::try_from(self.random.below(u64::from(DRAWS))).unwrap_or(0);
            f64::from(drawn) < probability * f64::from(DRAWS)
        }
    }

    // Names.

    pub(super) const fn names(&self) -> &Names<FileId> {
        self.folders.names()
    }

    pub(super) fn change_names(&mut self, meanings: Vec<NewMeaning>) {
        self.folders.change(meanings);
        self.collect();
    }

    pub(super) fn sync_dir(&mut self, dir: &Path, turn: Turn) -> io::Result<()> {
        match turn {
            Turn::Go => {
                self.names().check_folder(dir)?;
                if !self.faults.lying_sync {
                    self.folders.sync(dir);
                    self.collect();
                }
                Ok(())
            }
            Turn::Fail(error) => {
                self.folders.fail_sync(dir);
                Err(error)
            }
            Turn::Crash | Turn::Crashed => Err(crashed()),
        }
    }

    // Files.

    pub(super) fn new_file(&mut self) -> FileId {
        self.add_file(Content::default())
    }

    fn add_file(&mut self, content: Content) -> FileId {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, content);
        id
    }

    /// The content of a file that has a name.
    pub(super) fn content(&mut self, path: &Path) -> io::Result<&mut Content> {
        let id = *self.names().file(path)?;
        self.open_content(id)
    }

    /// The content of a file that is open.
    pub(super) fn open_content(&mut self, id: FileId) -> io::Result<&mut Content> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let content = Content::durable(bytes)?;
        if let Ok(old) = self.content(path) {
            *old = content;
            return Ok(());
        }
        let folders = self.names().missing_folders(path.parent().unwrap_or(path))?;
        let folders = folders.into_iter().map(|folder| (folder, Some(Node::Folder)));
        let mut meanings: Vec<NewMeaning> = folders.collect();
        if meanings.is_empty() {
            self.names().check_free(path)?;
        }
        let id = self.add_file(content);
        meanings.push((path.to_path_buf(), Some(Node::File(id))));
        self.folders.change_durably(meanings);
        Ok(())
    }

    pub(super) fn sync(&mut self, id: FileId, turn: Turn) -> io::Result<()> {
        let lying = self.faults.lying_sync;
        let content = self.open_content(id)?;
        match turn {
            Turn::Go => {
                if !lying {
                    content.sync();
                }
                Ok(())
            }
            Turn::Fail(error) => {
                content.fail_sync();
                Err(error)
            }
            Turn::Crash | Turn::Crashed => Err(crashed()),
        }
    }

    pub(super) fn write(
        &mut self,
        id: FileId,
        bytes: &[u8],
        offset: u64,
        turn: Turn,
    ) -> io::Result<()> {
        let (count, result) = match turn {
            Turn::Go => {
                let room = self.room(id, bytes.len(), offset)?;
                let full = || Err(io::ErrorKind::StorageFull.into());
                (room, if room == bytes.len() { Ok(()) } else { full() })
            }
            Turn::Fail(error) => {
                let count = self.random.below(bytes.len() as u64 + 1);
                (usize::try_from(count).unwrap_or(0), Err(error))
            }
            Turn::Crash => {
                if let Some(crash) = &mut self.crash {
                    crash.under_way = Some(Write { id, bytes: bytes.to_vec(), offset });
                }
                return Err(crashed());
            }
            Turn::Crashed => return Err(crashed()),
        };
        let written = bytes.get(..count).unwrap_or(bytes);
        self.open_content(id)?.write(written, offset)?;
        result
    }

    /// How many bytes of a write the disk has room for.
    fn room(&mut self, id: FileId, count: usize, offset: u64) -> io::Result<usize> {
        let Some(capacity) = self.faults.capacity_bytes else {
            return Ok(count);
        };
        let len_of = |id| self.files.get(id).map_or(0, |content| content.live().len());
        let named: BTreeSet<&FileId> = self.names().files().map(|(_, id)| id).collect();
        let used: u64 = named.into_iter().map(len_of).sum();
        let len = self.open_content(id)?.live().len();
        let len_max = len.saturating_add(capacity.saturating_sub(used));
        let room = len_max.saturating_sub(offset);
        Ok(usize::try_from(room).map_or(count, |room| room.min(count)))
    }

    // Handles and locks.

    pub(super) fn add_handle(&mut self, id: FileId) {
        *self.handles.entry(id).or_default() += 1;
    }

    pub(super) fn drop_handle(&mut self, id: FileId) {
        if let Some(count) = self.handles.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.handles.remove(&id);
                self.collect();
            }
        }
    }

    /// False: it is locked.
    pub(super) fn lock_file(&mut self, id: FileId) -> bool {
        self.locked.insert(id)
    }

    pub(super) fn is_locked(&self, id: FileId) -> bool {
        self.locked.contains(&id)
    }

    pub(super) fn unlock_file(&mut self, id: FileId) {
        self.locked.remove(&id);
    }

    /// Forgets the files that nobody can reach any more.
    fn collect(&mut self) {
        let reachable = self.folders.reachable();
        self.files.retain(|id, _| reachable.contains(id) || self.handles.contains_key(id));
    }

    // Images.

    pub(super) fn power_cut(&self, choices: &mut dyn Choices) -> Self {
        let names = self.folders.power_cut(choices);
        let mut files = BTreeMap::new();
        for (_, id) in names.files() {
            if let (false, Some(content)) = (files.contains_key(id), self.files.get(id)) {
                let torn = self.faults.torn_sectors;
                let image = match self.under_way(*id) {
                    Some(write) => {
                        let mut content = content.clone();
                        // One that could not have been done leaves nothing.
                        let _ = content.write_under_way(&write.bytes, write.offset);
                        content.power_cut(torn, choices)
                    }
                    None => content.power_cut(torn, choices),
                };
                files.insert(*id, image);
            }
        }
        self.next_boot(Folders::durable(names), files)
    }

    pub(super) fn kill(&self, choices: &mut dyn Choices) -> Self {
        let reachable = self.folders.reachable();
        let mut files = BTreeMap::new();
        for (id, content) in self.files.iter().filter(|(id, _)| reachable.contains(id)) {
            let mut content = content.clone();
            if let Some(write) = self.under_way(*id) {
                let cut = pick(choices, cuts(write.bytes.len(), write.offset)).unwrap_or(0);
                let _ = content.write(write.bytes.get(..cut).unwrap_or_default(), write.offset);
            }
            files.insert(*id, content);
        }
        self.next_boot(self.folders.clone(), files)
    }

    fn under_way(&self, id: FileId) -> Option<&Write> {
        self.crash.as_ref()?.under_way.as_ref().filter(|write| write.id == id)
    }

    fn next_boot(&self, folders: Folders, files: BTreeMap<FileId, Content>) -> Self {
        let mut next = Self::new(self.faults.clone());
        next.random = SeededRandom::new(self.faults.seed ^ self.operations.rotate_left(32));
        next.folders = folders;
        next.files = files;
        next.next_file = self.next_file;
        next
    }

    pub(super) fn fingerprint(&self) -> u64 {
        // Its keys are fixed, so that a fingerprint can be told again.
        let mut hasher = DefaultHasher::new();
        for (path, node) in self.names().iter() {
            path.hash(&mut hasher);
            match node {
                Node::Folder => false.hash(&mut hasher),
                Node::File(id) => {
                    true.hash(&mut hasher);
                    if let Some(content) = self.files.get(id) {
                        content.live().hash(&mut hasher);
                    }
                }
            }
        }
        hasher.finish()
    }
}

fn injected(error: io::ErrorKind, operation: OperationKind) -> io::Error {
    io::Error::new(error, format!("injected: {operation:?}"))
}
