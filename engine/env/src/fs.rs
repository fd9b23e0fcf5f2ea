//! The file system as a contract. What each verb promises after a crash is said here, and every
//! implementation is held to it by [`conformance`](crate::conformance).

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// For reading only.
    Read,
    /// For reading and writing.
    ReadWrite,
}

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, device, socket or anything else that the engine never opens.
    Other,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name; one that is not UTF-8 is given with replacement characters and so matches nothing.
    pub name: String,
    /// What it stands for.
    pub kind: EntryKind,
}

/// Folders and the names in them.
///
/// A name that was made, replaced or removed survives a power cut only once [`Fs::sync_dir`] of its
/// folder has returned; before that the cut may keep or lose each change, but a rename is never
/// half done. Errors are the operating system's.
pub trait Fs: Debug + Send + Sync {
    /// Whether its paths are the machine's own, so that a library that does its own I/O can be given
    /// one.
    fn is_real(&self) -> bool {
        false
    }

    /// Makes a folder and those above it; fine if it is there. Only its owner may enter.
    ///
    /// # Errors
    /// `AlreadyExists` or `NotADirectory` where a file is in the way, and the usual I/O errors.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// The names in a folder, sorted by name.
    ///
    /// # Errors
    /// `NotFound` where there is no such folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes a new, empty file that only its owner may read, for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` where the name is taken, even by a link.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens a regular file. A link at the last step of the path is never followed.
    ///
    /// # Errors
    /// `NotFound`; `InvalidInput` or the system's own error where it is no regular file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name in one step, replacing a file that has it.
    ///
    /// # Errors
    /// `NotFound` where `from` is not there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Who has the file open keeps it.
    ///
    /// # Errors
    /// `NotFound` where it is not there.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes all changes of names in `dir` survive a power cut.
    ///
    /// # Errors
    /// After an error nothing is known of what survives; it must not be tried again.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock that the file at `path` stands for, making the file where it is missing.
    /// `None`: another holds it, in this process or in another. The lock ends with the value, or
    /// with the process.
    ///
    /// # Errors
    /// Where the file cannot be made or locked.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>>;

    /// Whether somebody holds the lock of the file at `path` now, in this process or in another;
    /// `false` where there is no such file. Changes nothing, and nobody who takes the lock is turned
    /// away by it.
    ///
    /// Where the medium has no locks, nobody can tell. The answer is then `false` if the medium is
    /// read-only, as nobody writes through it, and else `true`, which is the careful one.
    ///
    /// # Errors
    /// Where it is no regular file or may not be read.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;
}

/// A held lock; dropping it gives it back.
pub trait FileLock: Debug + Send + Sync {}

/// An open file, to be used from any thread.
///
/// Written bytes are seen at once by every reader and survive the death of the process. They
/// survive a power cut only once a [`File::sync`] that began later has returned; before that the
/// cut may keep or lose each 512-byte sector on its own, whatever the order of writing.
#[expect(clippy::len_without_is_empty, reason = "a length is asked of the disk and may fail")]
pub trait File: Debug + Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// The usual I/O errors.
    fn len(&self) -> io::Result<u64>;

    /// Reads from `offset`; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// The usual I/O errors. What `buf` holds then is undefined.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads of what the file has now may go through a shared map and cost no system call. It may grow
    /// to `capacity` bytes, and this is called again then; nobody shortens it. Where the disk fails
    /// under a map, or another process shortens the file, the process is killed with SIGBUS.
    fn map_reads(&self, _capacity: u64) {}

    /// Whether reads go through a map: a short one then costs what it copies, and no more.
    fn is_mapped(&self) -> bool {
        false
    }

    /// These bytes are read soon: where they lie in a map, the processor fetches them meanwhile.
    fn prefetch(&self, _offset: u64, _length: usize) {}

    /// These bytes are read soon: where they would be read through a map, which is not read ahead by
    /// itself, the system fetches from disk meanwhile what is not in memory. Costs a system call.
    fn read_ahead(&self, _offset: u64, _length: u64) {}

    /// Whether the byte there is in memory; `true` where nobody can tell. Costs a system call.
    fn is_in_memory(&self, _offset: u64) -> bool {
        true
    }

    /// Writes all of `bytes` at `offset`, growing the file where needed; what lies between the old
    /// end and `offset` reads as zeros.
    ///
    /// # Errors
    /// `StorageFull`, and the usual I/O errors; any part of `bytes` may then be in the file.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Like [`File::write_at`], for space that was written before, as zeros: it may then go through a
    /// shared map and cost no system call. Promises the same; but where the disk fails under a map,
    /// or another process shortens the file, the process is killed with SIGBUS.
    ///
    /// # Errors
    /// As [`File::write_at`].
    fn append_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }

    /// Appends into these bytes, which are zeros, come soon: where they go through a map, its pages
    /// are there by then. From any thread, beside appends.
    fn expect_appends(&self, _offset: u64, _length: u64) {}

    /// No appends come for now: what is mapped for them is let go of. One that comes all the same is
    /// written as before.
    fn end_appends(&self) {}

    /// Makes everything written before, and the length, survive a power cut.
    ///
    /// # Errors
    /// After an error nothing is known of what survives, and trying again proves nothing: the
    /// system may have dropped the pages (<https://wiki.postgresql.org/wiki/Fsync_Errors>).
    fn sync(&self) -> io::Result<()>;
}

impl dyn File + '_ {
    /// Reads exactly `buf.len()` bytes from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends before.
    pub fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_at(buf, offset)? == buf.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
