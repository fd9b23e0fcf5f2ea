//! Opening a store.

use std::io;
use std::path::Path;
use std::sync::Arc;

use annals_env::{Access, Env, FileLock, Fs};
use annals_log::{Inventory, LogOptions, ReadMode, SyncMode};

use crate::backend::Saved;
use crate::catch_up::CatchUp;
use crate::error::{Error, ErrorKind, Result};
use crate::folder::{self, Folder, io_error, lock_path, not_a_store};
use crate::options::{Durability, IndexKind, Options};
use crate::pending::Pending;
use crate::store::{Engine, Store};

/// What a rebuilt index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events read.
    pub events: u64,
    /// Streams found.
    pub streams: u64,
}

/// Deletes the index of the store in `path` and makes it again from the log. `progress` is told the
/// events read and the events in all.
///
/// # Errors
/// As [`Store::open`]; a missing store is not made.
pub fn rebuild_index(
    path: impl AsRef<Path>,
    index: IndexKind,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Rebuilt> {
    let options = Options::new().create(false).index(index).read_mode(ReadMode::Read);
    let store = open(path.as_ref(), &options, true, progress)?;
    let stats = store.stats()?;
    store.close()?;
    Ok(Rebuilt { events: stats.events, streams: stats.streams })
}

/// Opens the store in `root` for writing. `rebuild`: without believing a saved index.
pub(crate) fn open(
    root: &Path,
    options: &Options,
    rebuild: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Store> {
    let env = &options.env;
    let fs = &*env.fs;
    let lock = lock(fs, root, options.create)?;
    let inventory = take_inventory(env, root, options.create)?;
    let store = inventory.store();
    let saved = Saved::open(env, root, store, options.index)?;
    // Evidence of what was durable, even where the index itself is to be made anew.
    let evidence = saved.covers().map(|covers| (covers.epoch, covers.place));
    let recovered = inventory.recover(evidence)?;
    let torn_tail = recovered.torn_tail().cloned();
    let settled = recovered.settle(env)?;
    let reader = settled.reader().clone();
    let last = settled.last();
    let believed = saved.is_of(last, |covers| reader.knows(covers.epoch, covers.place));
    #[cfg(annals_canary)]
    let believed =
        believed || annals_env::canary::is("a saved index is believed whatever it is of");
    let (index, kept) = if believed && !rebuild { saved.into_index() } else { saved.emptied()? };
    let indexed = index.covers();
    let catch_up = CatchUp { reader: &reader, index: &*index, kept, durable: Some(last) };
    catch_up.run(last, None, progress)?;
    let sync = match options.durability {
        Durability::Sync => SyncMode::EachCommit,
        Durability::Buffered => SyncMode::Interval(options.sync_interval),
    };
    let log_options =
        LogOptions { segment_bytes: options.segment_bytes, sync, reads: options.read_mode };
    let at_once = options.durability == Durability::Buffered;
    let pending = Pending::new(Arc::clone(&index), at_once);
    let log = settled.start(log_options, pending)?;
    let engine = Engine::new(env.clone(), root, log, index, lock, torn_tail, indexed);
    Store::new(engine)
}

/// Makes sure that nobody has the store open for writing, and changes nothing.
pub(crate) fn check_unlocked(fs: &dyn Fs, root: &Path) -> Result<()> {
    let path = lock_path(root);
    let fail = |error| io_error(&format!("asking for {}", path.display()), error);
    if fs.is_locked(&path).map_err(fail)? { Err(locked(root)) } else { Ok(()) }
}

fn locked(root: &Path) -> Error {
    let message = format!(
        "{} is open for writing in another process or another handle of this one: \
         close that first, or open read-only",
        root.display()
    );
    Error::new(ErrorKind::Locked, message)
}

/// Takes the store's lock, making the folder where that is wanted.
pub(crate) fn lock(fs: &dyn Fs, root: &Path, create: bool) -> Result<Box<dyn FileLock>> {
    if matches!(folder::look(fs, root)?, Folder::Empty) {
        if !create {
            return Err(not_a_store(root, "there is nothing in it"));
        }
        let fail = |error| io_error(&format!("making {}", root.display()), error);
        fs.create_dir_all(root).map_err(fail)?;
    }
    let path = lock_path(root);
    let fail = |error| io_error(&format!("locking {}", path.display()), error);
    fs.lock(&path).map_err(fail)?.ok_or_else(|| locked(root))
}

fn take_inventory(env: &Env, root: &Path, create: bool) -> Result<Inventory> {
    let fs = &*env.fs;
    if let Some(inventory) = Inventory::take(fs, root, Access::ReadWrite)? {
        return Ok(inventory);
    }
    if create {
        let fail = |error| io_error(&format!("making {}", root.display()), error);
        sync_folders(fs, root).map_err(fail)?;
        annals_log::create(env, root)?;
    }
    Inventory::take(fs, root, Access::ReadWrite)?
        .ok_or_else(|| not_a_store(root, "its log has no segment"))
}

/// Makes the folders above the store survive a power cut: this opening made them, or one that was
/// killed before it could sync them.
fn sync_folders(fs: &dyn Fs, root: &Path) -> io::Result<()> {
    for folder in root.ancestors().skip(1) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match fs.sync_dir(folder) {
            // What we may not open, or cannot change, was there before us.
            Err(error) if is_foreign(&error) => {}
            synced => synced?,
        }
    }
    Ok(())
}

fn is_foreign(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput | Unsupported)
}
