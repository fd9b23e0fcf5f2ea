//! The machine's file system.

mod map;

use std::fs::{DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::fs::{OFlags, StatVfsMountFlags};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::io::{ReadWriteFlags, preadv2};

pub use map::prefetch;
use map::{ReadMap, WriteMap};

use crate::fs::{Access, Entry, EntryKind, File, FileLock, Fs};
use crate::sync::Mutex;

/// Only the owner reads and writes.
const FILE_MODE: u32 = 0o600;
/// Only the owner enters.
const FOLDER_MODE: u32 = 0o700;

/// Files and folders of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn is_real(&self) -> bool {
        true
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(dir).map_err(full)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_file() => EntryKind::File,
                Ok(kind) if kind.is_dir() => EntryKind::Folder,
                Ok(_) => EntryKind::Other,
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = options(OFlags::NOFOLLOW)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)
            .map_err(full)?;
        Ok(RealFile::new(file))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let file = regular(options(UNKNOWN).write(access == Access::ReadWrite).open(path)?)?;
        Ok(RealFile::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to).map_err(full)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        options(OFlags::DIRECTORY).open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let file = options(UNKNOWN)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)
            .map_err(full)?;
        let file = regular(file)?;
        // Two hold it for a moment who are no real holders, and a short wait tells them apart: who
        // asks whether it is locked, and a child that another thread is about to start, which has a
        // copy of a lock that was just given back until it runs its own program.
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Box::new(RealLock { _file: file }))),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let file = match options(UNKNOWN).open(path) {
            Ok(file) => regular(file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        // Shared, so that several may ask at once; given back as the file is closed.
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) if has_no_locks(&error) => Ok(!is_read_only(&file)?),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Whether the medium refuses to lock at all.
fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(Errno::NOLCK.raw_os_error())
}

/// Whether nobody can write to the file's medium the way that we reach it.
fn is_read_only(file: &std::fs::File) -> io::Result<bool> {
    Ok(rustix::fs::fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// How often a held lock is tried, and the pause between two tries.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// For a path of which it is not known what it stands for: a link is refused, and the open of a
/// FIFO returns at once instead of waiting for its other end. Regular files ignore `NONBLOCK`.
const UNKNOWN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

fn options(flags: OFlags) -> OpenOptions {
    let flags = flags.union(OFlags::CLOEXEC);
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options
}

/// Refuses folders, FIFOs, devices and the like.
fn regular(file: std::fs::File) -> io::Result<std::fs::File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// To the engine, an exhausted quota and a full disk are the same.
fn full(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::QuotaExceeded {
        io::Error::new(io::ErrorKind::StorageFull, error)
    } else {
        error
    }
}

#[derive(Debug)]
struct RealFile {
    file: std::fs::File,
    map: Mutex<WriteMap>,
    /// All of it, once that is asked for; nothing where it cannot be mapped.
    reads: OnceLock<Option<ReadMap>>,
}

impl RealFile {
    fn new(file: std::fs::File) -> Arc<Self> {
        Arc::new(Self { file, map: Mutex::default(), reads: OnceLock::new() })
    }
}

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(Some(map)) = self.reads.get()
            && map.read(buf, offset)
        {
            return Ok(buf.len());
        }
        let mut done = 0;
        let mut at = offset;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(read) => {
                    done += read;
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn map_reads(&self, capacity: u64) {
        if let Some(map) = self.reads.get_or_init(|| ReadMap::of(&self.file, capacity)) {
            map.grown(&self.file);
        }
    }

    fn is_mapped(&self) -> bool {
        matches!(self.reads.get(), Some(Some(_)))
    }

    fn prefetch(&self, offset: u64, length: usize) {
        if let Some(Some(map)) = self.reads.get() {
            map.prefetch(offset, length);
        }
    }

    fn read_ahead(&self, offset: u64, length: u64) {
        if let Some(Some(map)) = self.reads.get() {
            map.read_ahead(offset, length);
        }
    }

    #[cfg(target_os = "linux")]
    fn is_in_memory(&self, offset: u64) -> bool {
        let mut byte = [0];
        let mut bufs = [io::IoSliceMut::new(&mut byte)];
        preadv2(&self.file, &mut bufs, offset, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset).map_err(full)
    }

    fn append_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.map.lock().write(&self.file, bytes, offset) {
            return Ok(());
        }
        self.write_at(bytes, offset)
    }

    fn expect_appends(&self, offset: u64, length: u64) {
        WriteMap::expect(&self.map, &self.file, offset, length);
    }

    fn end_appends(&self) {
        let gone = self.map.lock().end();
        drop(gone);
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The system's lock ends when the file is closed.
#[derive(Debug)]
struct RealLock {
    _file: std::fs::File,
}

impl FileLock for RealLock {}
