//! Opening what is in a folder, or beginning anew there; and opening it for writing.
//!
//! A database that is there is opened for look-ups only, and for writing when there is something to
//! write: that takes RocksDB as long as a hundred thousand look-ups. Meanwhile it stays as it was
//! found, for its folder has one writer: whoever holds the lock of the store.

use std::io;
use std::path::Path;

use annals_env::{Access, EntryKind, Fs, RealFs};
use annals_types::StoreId;

use super::RocksIndex;
use super::db::{Db, Failure};
use super::keys;
use super::row::Saved;
use crate::{Covers, IndexError, Result};

/// A reader that meets files that a writer just removed looks again for the newest ones, so often.
const READ_ONLY_TRIES: u32 = 10;
/// RocksDB's entry into its files: without it there is no RocksDB.
const ENTRY_FILE: &str = "CURRENT";
/// RocksDB reads most of its small files whole, and to their end, whatever they say: one that is
/// larger is not its work. Its tables and the list of them, which it reads in pieces, may be as large
/// as it makes them.
const SMALL_FILE_BYTES_MAX: u64 = 16 << 20;
const FILE_BYTES_MAX: u64 = 2 << 30;

/// An index that was opened.
pub struct Opened {
    /// The index.
    pub index: RocksIndex,
    /// What it was saved with; `None`: it is empty. Whether that is of the log's history is the
    /// caller's to decide; where it is not, [`RocksIndex::open_empty`] begins anew.
    pub covers: Option<Covers>,
    /// Why what was in the folder before was thrown away, if it was: it was damaged, another
    /// store's, of another version of this software, or no index.
    pub replaced: Option<IndexError>,
}

/// Why what is in a folder is not the index that should be there.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("these files are not RocksDB's")]
    Foreign,
    #[error("it is another store's, or another version of this software wrote it")]
    Other,
    #[error("it is not what was there when it was opened")]
    Changed,
    #[error(transparent)]
    Damaged(Failure),
}

impl RocksIndex {
    /// Opens the index of a store in the folder `dir`, and makes it where it is missing. Anything
    /// else in that folder is thrown away, files that are no index included. It may be open so once
    /// at a time, which the store's lock sees to.
    ///
    /// What cannot be written to is met by the first save: that fails, and the next opening begins
    /// anew where the files are to blame for it.
    ///
    /// # Errors
    /// Where the folder, or a file in it, cannot be read or written: nothing is removed then.
    pub fn open(dir: &Path, store: StoreId) -> Result<Opened> {
        let opening = |error| IndexError::new("opening the index", error);
        RealFs.create_dir_all(dir).map_err(opening)?;
        match Self::open_there(dir, store)? {
            Ok((index, covers)) => Ok(Opened { index, covers, replaced: None }),
            Err(unusable) => {
                let index = Self::open_empty(dir, store)?;
                let replaced = Some(IndexError::new("opening the index", unusable));
                Ok(Opened { index, covers: None, replaced })
            }
        }
    }

    /// Throws away what is in the folder `dir`, which no index has open, and opens an empty index
    /// there.
    ///
    /// # Errors
    /// Where files cannot be removed or made.
    pub fn open_empty(dir: &Path, store: StoreId) -> Result<Self> {
        clear(dir).map_err(|error| IndexError::new("removing the index", error))?;
        let db = Db::make(dir).map_err(|failure| IndexError::new("making the index", failure))?;
        Ok(Self::new(store, dir, db, None, false))
    }

    /// Opens the index that was last saved in the folder `dir`, at the side of a process that has
    /// it open for writing; writes nothing. It does not see what is saved later, and saving it does
    /// nothing, so what is applied to it stays in memory. `None`: there is none of this store that
    /// can be opened, and it is to be made from the log.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn open_read_only(dir: &Path, store: StoreId) -> Result<Option<(Self, Covers)>> {
        for _ in 0..READ_ONLY_TRIES {
            match has_entry(dir) {
                Ok(Some(true)) => {}
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(IndexError::new("opening the index", error)),
            }
            match Db::open_read_only(dir).and_then(|db| Ok((saved(&db, store)?, db))) {
                Ok((Ok(Some(saved)), db)) => {
                    let index = Self::new(store, dir, db, Some(saved), true);
                    return Ok(Some((index, saved.covers)));
                }
                // A compaction removed them meanwhile: there are newer ones.
                Err(failure) if failure.is_missing_file() => {}
                Ok(_) | Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The index that is in the folder, or why it is unusable.
    fn open_there(dir: &Path, store: StoreId) -> Result<Result<(Self, Option<Covers>), Unusable>> {
        let opening = |error| IndexError::new("opening the index", error);
        let opened = match has_entry(dir).map_err(opening)? {
            Some(true) => Db::open_read_only(dir),
            Some(false) => return Ok(Err(Unusable::Foreign)),
            None => Db::make(dir),
        };
        Ok(usable("opening the index", store, opened)?.map(|(db, saved)| {
            let covers = saved.map(|saved| saved.covers);
            (Self::new(store, dir, db, saved, false), covers)
        }))
    }

    /// Opens the database for writing, unless it is: who saves calls it before the first rows.
    /// `saved` is what was found when it was opened. Look-ups go on meanwhile.
    pub(super) fn open_for_writing(&self, saved: Option<Saved>) -> Result<()> {
        const ACTION: &str = "opening the index for writing";
        let cache = match &*self.db()? {
            db if db.writes() => return Ok(()),
            db => db.cache(),
        };
        let found = usable(ACTION, self.store, Db::open(&self.dir, cache))?;
        let unusable = match found {
            Ok((db, found)) if found == saved => return self.go_on_with(db),
            Ok(_) => Unusable::Changed,
            Err(unusable) => unusable,
        };
        // What is here goes on to answer. The next opening shall not believe it again.
        disown(&self.dir).map_err(|error| IndexError::new(ACTION, error))?;
        Err(IndexError::new(ACTION, unusable))
    }

    /// Answers out of `db` from now on.
    fn go_on_with(&self, db: Db) -> Result<()> {
        let mut open = self.db.write();
        let before = open.take().ok_or_else(IndexError::closed)?;
        *open = Some(db);
        drop(open);
        // Its files are closed outside the lock.
        drop(before);
        Ok(())
    }
}

/// An opened database and what it says of itself, or why it is unusable.
fn usable(
    action: &'static str,
    store: StoreId,
    opened: Result<Db, Failure>,
) -> Result<Result<(Db, Option<Saved>), Unusable>> {
    match opened.and_then(|db| Ok((saved(&db, store)?, db))) {
        Ok((saved, db)) => Ok(saved.map(|saved| (db, saved))),
        Err(failure) if failure.is_damage() => Ok(Err(Unusable::Damaged(failure))),
        Err(failure) => Err(IndexError::new(action, failure)),
    }
}

/// What the database says of itself: nothing where it is empty.
fn saved(db: &Db, store: StoreId) -> Result<Result<Option<Saved>, Unusable>, Failure> {
    match db.get(keys::COVERS)? {
        Some(value) => match Saved::read(&value) {
            Some(saved) if saved.covers.store == store => Ok(Ok(Some(saved))),
            _ => Ok(Err(Unusable::Other)),
        },
        None => {
            let mut rows = db.all();
            rows.seek(&[]);
            let empty = rows.row()?.is_none();
            Ok(if empty { Ok(None) } else { Err(Unusable::Other) })
        }
    }
}

/// Whether the folder may be RocksDB's: it has the entry file, and nothing in it is a link, which
/// RocksDB would follow, a device, or larger than what RocksDB makes. `None`: it is empty.
fn has_entry(dir: &Path) -> io::Result<Option<bool>> {
    let entries = RealFs.list(dir)?;
    let mut is_own = entries.iter().any(|entry| entry.name == ENTRY_FILE);
    for entry in &entries {
        is_own &= match entry.kind {
            EntryKind::Other => false,
            EntryKind::Folder => true,
            EntryKind::File => is_of_a_size(&dir.join(&entry.name), &entry.name)?,
        };
    }
    Ok((!entries.is_empty()).then_some(is_own))
}

fn is_of_a_size(path: &Path, name: &str) -> io::Result<bool> {
    let is_large =
        name.ends_with(".sst") || name.starts_with("MANIFEST") || name.starts_with("LOG");
    let max = if is_large { FILE_BYTES_MAX } else { SMALL_FILE_BYTES_MAX };
    match RealFs.open(path, Access::Read) {
        Ok(file) => Ok(file.len()? <= max),
        // A writer beside us removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Removes all files of a folder, and makes it where it is missing.
fn clear(dir: &Path) -> io::Result<()> {
    RealFs.create_dir_all(dir)?;
    // Also if this ends in the midst of it.
    disown(dir)?;
    // RocksDB passes over folders that it does not know.
    let files = RealFs.list(dir)?.into_iter().filter(|entry| entry.kind != EntryKind::Folder);
    for file in files {
        match RealFs.remove(&dir.join(file.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    RealFs.sync_dir(dir)
}

/// Removes the entry file: without it the others are none's.
fn disown(dir: &Path) -> io::Result<()> {
    match RealFs.remove(&dir.join(ENTRY_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => RealFs.sync_dir(dir),
    }
}
