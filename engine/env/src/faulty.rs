//! The disk that crashes and misbehaves.

mod choices;
mod content;
mod faults;
mod folders;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use choices::{AllChoices, Choices, FirstChoices, LastChoices, SeededChoices};
pub use content::SECTOR_BYTES;
pub use faults::{Faults, Operation, OperationKind};

use self::state::{FileId, State};
use crate::fs::{Access, Entry, File, FileLock, Fs};
use crate::names::{Node, key};
use crate::sync::Mutex;

/// A file system in memory that crashes and misbehaves, always in the same way for the same seed
/// and the same calls. Clones share it.
///
/// # The model
///
/// Every file has durable content and, for each sector of [`SECTOR_BYTES`], the versions written
/// since the file's last sync. Every folder has durable names and the changes of names since its
/// last [`Fs::sync_dir`].
///
/// A **power cut** keeps
/// - of each sector, on its own, the durable version or any later one; with
///   [`Faults::torn_sectors`] also one whose first bytes are new and whose rest is the version
///   before;
/// - of each file's lengths the durable one or any that was set later. A shorter one cuts, what a
///   longer one adds reads as zeros unless its sector was kept;
/// - of the changes of names any subset, applied in order. A change is a file or folder made, a
///   rename or a removal; it is kept whole or not at all, and knows its file whatever became of
///   earlier changes. A rename between two folders is durable when both are synced.
///
/// A sync that returns makes the file's content and length durable, [`Fs::sync_dir`] the names. A
/// sync that fails decides nothing: what it was to save stays visible, a power cut may keep or lose
/// it, and a later sync does not make it durable unless it is written again.
///
/// A **kill** of the process keeps everything that was written; only the write under way may be cut
/// to a prefix. What was not durable still is not.
///
/// An overwritten version that nobody synced is forgotten after 256 later ones of its sector. A
/// file made by [`Fs::lock`] is durable at once.
///
/// # Crashes
///
/// Each call that changes something has a number: 1, 2, 3 … ([`FaultyFs::operations`]). After
/// [`FaultyFs::crash_at`] the operation with that number does not happen, or if it is a write,
/// may happen in part; from then on every call fails, so that nothing that still runs can change
/// the disk. Then [`FaultyFs::power_cut`] and [`FaultyFs::kill`] give the disk that the next
/// process finds, as a new file system without open files and locks. It counts from 0 again and has
/// the same [`Faults`], but no failures ordered by [`FaultyFs::fail_at`] and its like.
///
/// ```
/// use annals_env::{AllChoices, FaultyFs, Fs};
/// use std::path::Path;
///
/// let disk = FaultyFs::default();
/// let file = disk.create(Path::new("a")).unwrap();
/// disk.sync_dir(Path::new("")).unwrap();
/// file.write_at(b"hello", 0).unwrap();
///
/// let mut choices = AllChoices::new(100);
/// let mut found = Vec::new();
/// while choices.next_run() {
///     found.push(disk.power_cut(&mut choices).read_file(Path::new("a")).unwrap());
/// }
/// assert_eq!(found, [&b""[..], b"\0\0\0\0\0", b"hello"]);
/// assert!(choices.is_complete());
/// ```
#[derive(Clone)]
pub struct FaultyFs {
    state: Arc<Mutex<State>>,
}

/// The disks that a power cut can leave, as far as they were asked for.
#[derive(Debug)]
pub struct PowerCuts {
    /// Different disks: all of them, or a sample with both ends (all lost, all kept).
    pub images: Vec<FaultyFs>,
    /// Whether these are all.
    pub complete: bool,
}

impl FaultyFs {
    /// An empty disk. Its root and its working folder are there.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self::with(State::new(faults))
    }

    fn with(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How many operations were begun that change something.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state.lock().operations()
    }

    /// Crashes at the operation with this number, or at the next one where it is past.
    pub fn crash_at(&self, number: u64) {
        self.state.lock().crash_at(number);
    }

    /// Crashes now, between two operations.
    pub fn crash(&self) {
        self.state.lock().crash();
    }

    /// Whether it has crashed.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.state.lock().has_crashed()
    }

    /// The operation that the crash of [`FaultyFs::crash_at`] hit.
    #[must_use]
    pub fn crashed_in(&self) -> Option<Operation> {
        self.state.lock().crashed_in()
    }

    /// One disk that a power cut at this moment can leave; everything on it is durable.
    #[must_use]
    pub fn power_cut(&self, choices: &mut dyn Choices) -> Self {
        Self::with(self.state.lock().power_cut(choices))
    }

    /// The disk that the next process finds when this one is killed at this moment. What was not
    /// durable still is not.
    #[must_use]
    pub fn kill(&self, choices: &mut dyn Choices) -> Self {
        Self::with(self.state.lock().kill(choices))
    }

    /// All disks that a power cut at this moment can leave, where `runs_max` runs through the
    /// choices find them; else both ends and a sample of as many runs, drawn with `seed`.
    #[must_use]
    pub fn power_cuts(&self, runs_max: u64, seed: u64) -> PowerCuts {
        let mut images = BTreeMap::new();
        let add = |images: &mut BTreeMap<_, _>, choices: &mut dyn Choices| {
            let image = self.power_cut(choices);
            images.insert(image.fingerprint(), image);
        };
        let mut all = AllChoices::new(runs_max);
        while all.next_run() {
            add(&mut images, &mut all);
        }
        if !all.is_complete() {
            images.clear();
            add(&mut images, &mut FirstChoices);
            add(&mut images, &mut LastChoices);
            for run in 2..runs_max {
                add(&mut images, &mut SeededChoices::new(seed.wrapping_add(run)));
            }
        }
        PowerCuts { images: images.into_values().collect(), complete: all.is_complete() }
    }

    /// A hash over all names and bytes that are visible now.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.state.lock().fingerprint()
    }

    /// The settings.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.state.lock().faults.clone()
    }

    /// Changes settings. The seed takes effect when it differs.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        self.state.lock().set_faults(change);
    }

    /// Sets [`Faults::capacity_bytes`].
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.set_faults(|faults| faults.capacity_bytes = bytes);
    }

    /// Sets [`Faults::lying_sync`].
    pub fn lying_sync(&self, lying: bool) {
        self.set_faults(|faults| faults.lying_sync = lying);
    }

    /// The operation with this number fails with an error of this kind. A write may happen in part.
    pub fn fail_at(&self, number: u64, kind: io::ErrorKind) {
        self.state.lock().fail_at(number, kind);
    }

    /// The next operation of this kind fails with an error of kind `error`; asked for twice, the
    /// next two do. A write may happen in part.
    pub fn fail_next(&self, operation: OperationKind, error: io::ErrorKind) {
        self.state.lock().fail_next(operation, error);
    }

    /// How many of the failures ordered by [`FaultyFs::fail_at`] and [`FaultyFs::fail_next`] have not
    /// struck yet.
    #[must_use]
    pub fn failures_due(&self) -> usize {
        self.state.lock().failures_due()
    }

    /// Takes back the failures that have not struck yet.
    pub fn forget_failures(&self) {
        self.state.lock().forget_failures();
    }

    /// Flips one bit (0 to 7) of the byte at `offset`, as decay does: durably, and for those who
    /// have the file open too.
    ///
    /// # Errors
    /// `InvalidInput` beyond the end, and where there is no such file.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u32) -> io::Result<()> {
        self.state.lock().content(&key(path))?.flip_bit(offset, bit)
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.state.lock().names().files().map(|(path, _)| path.clone()).collect()
    }

    /// All bytes of a file, also after a crash.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.state.lock().content(&key(path))?.live().to_vec())
    }

    /// Replaces all bytes of a file durably, also for those who have it open. What is missing of its
    /// path is made. It is no operation: it has no number and never fails by [`Faults`].
    ///
    /// # Errors
    /// Where the path cannot be made.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.state.lock().write_file(&key(path), bytes)
    }

    fn handle(&self, state: &mut State, id: FileId, path: PathBuf) -> Handle {
        state.add_handle(id);
        Handle { disk: Arc::clone(&self.state), id, path }
    }
}

impl Default for FaultyFs {
    fn default() -> Self {
        Self::new(Faults::default())
    }
}

impl fmt::Debug for FaultyFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyFs")
            .field("operations", &self.operations())
            .field("crashed_in", &self.crashed_in())
            .field("files", &self.files())
            .finish_non_exhaustive()
    }
}

impl Fs for FaultyFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.check_alive()?;
        for folder in state.names().missing_folders(&key(dir))? {
            state.begin(OperationKind::CreateDir, &folder)?;
            state.change_names(vec![(folder, Some(Node::Folder))]);
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let dir = key(dir);
        let mut state = self.state.lock();
        state.begin(OperationKind::List, &dir)?;
        state.names().list(&dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let path = key(path);
        let mut state = self.state.lock();
        state.begin(OperationKind::Create, &path)?;
        state.names().check_free(&path)?;
        let id = state.new_file();
        state.change_names(vec![(path.clone(), Some(Node::File(id)))]);
        let handle = self.handle(&mut state, id, path);
        Ok(Arc::new(FaultyFile { handle, access: Access::ReadWrite }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let path = key(path);
        let mut state = self.state.lock();
        state.begin(OperationKind::Open, &path)?;
        let id = *state.names().file(&path)?;
        let handle = self.handle(&mut state, id, path);
        Ok(Arc::new(FaultyFile { handle, access }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (key(from), key(to));
        let mut state = self.state.lock();
        state.begin(OperationKind::Rename, &from)?;
        let id = state.names().check_rename(&from, &to)?;
        state.change_names(vec![(from, None), (to, Some(Node::File(id)))]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = key(path);
        let mut state = self.state.lock();
        state.begin(OperationKind::Remove, &path)?;
        state.names().file(&path)?;
        state.change_names(vec![(path, None)]);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = key(dir);
        let mut state = self.state.lock();
        let turn = state.turn(OperationKind::SyncDir, &dir);
        state.sync_dir(&dir, turn)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let path = key(path);
        let mut state = self.state.lock();
        state.begin(OperationKind::Lock, &path)?;
        if state.names().get(&path).is_none() {
            state.names().check_free(&path)?;
            state.write_file(&path, b"")?;
        }
        let id = *state.names().file(&path)?;
        if !state.lock_file(id) {
            return Ok(None);
        }
        Ok(Some(Box::new(FaultyLock { handle: self.handle(&mut state, id, path) })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let path = key(path);
        let mut state = self.state.lock();
        state.begin(OperationKind::Lock, &path)?;
        match state.names().file(&path) {
            Ok(&id) => Ok(state.is_locked(id)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Keeps a file's content while someone has it open, whatever becomes of its name.
struct Handle {
    disk: Arc<Mutex<State>>,
    id: FileId,
    path: PathBuf,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.disk.lock().drop_handle(self.id);
    }
}

#[derive(Debug)]
struct FaultyFile {
    handle: Handle,
    access: Access,
}

impl File for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.handle.disk.lock();
        state.check_alive()?;
        Ok(state.open_content(self.handle.id)?.live().len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.handle.disk.lock();
        state.begin(OperationKind::Read, &self.handle.path)?;
        Ok(state.open_content(self.handle.id)?.live().read(buf, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.handle.disk.lock();
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let turn = state.turn(OperationKind::Write, &self.handle.path);
        state.write(self.handle.id, bytes, offset, turn)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.handle.disk.lock();
        let turn = state.turn(OperationKind::Sync, &self.handle.path);
        state.sync(self.handle.id, turn)
    }
}

#[derive(Debug)]
struct FaultyLock {
    handle: Handle,
}

impl FileLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.handle.disk.lock().unlock_file(self.handle.id);
    }
}
