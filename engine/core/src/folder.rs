//! The store's folder: what is in it, and whether it is one.

use std::io;
use std::path::{Path, PathBuf};

use annals_env::{Entry, EntryKind, Fs};
use annals_log::DAMAGED_FOLDER;

use crate::error::{Error, ErrorKind, Result};
use crate::options::IndexKind;

const LOG: &str = "log";
const INDEX: &str = "index";
const LOCK: &str = "lock";
/// What a store's folder holds.
const NAMES: [&str; 5] = [DAMAGED_FOLDER, INDEX, LOCK, LOG, "state"];

/// What the folders of the indexes are called, of both kinds in every build.
const INDEX_FOLDERS: [&str; 2] = [MEMORY, ROCKSDB];
const MEMORY: &str = "memory";
const ROCKSDB: &str = "rocksdb";

/// Where the lock file is.
pub(crate) fn lock_path(root: &Path) -> PathBuf {
    root.join(LOCK)
}

/// Where an index of this kind keeps what it saves. Folders of other kinds are left alone.
pub(crate) fn index_folder(root: &Path, kind: IndexKind) -> PathBuf {
    root.join(INDEX).join(match kind {
        IndexKind::Memory => MEMORY,
        #[cfg(feature = "rocksdb")]
        IndexKind::RocksDb => ROCKSDB,
    })
}

/// Deletes all that indexes have saved, those of unknown kinds too.
pub(crate) fn forget_indexes(fs: &dyn Fs, root: &Path) -> Result<()> {
    let indexes = root.join(INDEX);
    let fail = |error| io_error(&format!("emptying {}", indexes.display()), error);
    let list = |folder: &Path| match fs.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(fail),
    };
    for folder in list(&indexes)?.iter().filter(|entry| entry.kind == EntryKind::Folder) {
        let folder = indexes.join(&folder.name);
        for file in list(&folder)?.iter().filter(|entry| entry.kind != EntryKind::Folder) {
            fs.remove(&folder.join(&file.name)).map_err(fail)?;
        }
        fs.sync_dir(&folder).map_err(fail)?;
    }
    Ok(())
}

/// What a folder is, as far as its names tell.
pub(crate) enum Folder {
    /// A store, or one whose making was interrupted.
    Store,
    /// Nothing is there, or an empty folder.
    Empty,
}

/// Looks at `root`.
pub(crate) fn look(fs: &dyn Fs, root: &Path) -> Result<Folder> {
    let entries = match fs.list(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Folder::Empty),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(not_a_store(root, "it is a file, and a store is a folder"));
        }
        Err(error) => return Err(io_error(&format!("opening {}", root.display()), error)),
    };
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    check_links(root, &entries, &[LOG, INDEX, DAMAGED_FOLDER])?;
    if has(INDEX)
        && let Ok(folders) = fs.list(&root.join(INDEX))
    {
        check_links(&root.join(INDEX), &folders, &INDEX_FOLDERS)?;
    }
    if has(LOG) && is_log(fs, root)? {
        return Ok(Folder::Store);
    }
    match entries.iter().find(|entry| !NAMES.contains(&entry.name.as_str())) {
        Some(other) => {
            let why = format!("it has no log, but other things such as {}", other.name);
            Err(not_a_store(root, &why))
        }
        None if entries.is_empty() => Ok(Folder::Empty),
        None => Ok(Folder::Store),
    }
}

/// What is in a folder of the store must not lie elsewhere.
fn check_links(root: &Path, entries: &[Entry], folders: &[&str]) -> Result<()> {
    let is_link =
        |entry: &&Entry| entry.kind == EntryKind::Other && folders.contains(&entry.name.as_str());
    match entries.iter().find(is_link) {
        Some(link) => {
            let why =
                format!("{} is a link or a special file: move the folder itself here", link.name);
            Err(not_a_store(root, &why))
        }
        None => Ok(()),
    }
}

/// Whether the log folder is one of a store: it has a segment, or something of a segment.
fn is_log(fs: &dyn Fs, root: &Path) -> Result<bool> {
    let fail = |error| io_error(&format!("opening {}", root.join(LOG).display()), error);
    let entries = match fs.list(&root.join(LOG)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(not_a_store(root, "its log is a file, and should be a folder"));
        }
        Err(error) => return Err(fail(error)),
    };
    if let Some(foreign) = entries.first()
        && !entries.iter().any(|entry| annals_log::is_segment_name(&entry.name))
    {
        let why = format!("its log folder has no segment, but {}", foreign.name);
        return Err(not_a_store(root, &why));
    }
    Ok(!entries.is_empty())
}

pub(crate) fn not_a_store(root: &Path, why: &str) -> Error {
    Error::new(ErrorKind::NotAStore, format!("{} is not a store: {why}", root.display()))
}

pub(crate) fn io_error(action: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
        _ => ErrorKind::Io,
    };
    Error::with_source(kind, format!("{action}: {error}"), error)
}
