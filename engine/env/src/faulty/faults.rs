//! What goes wrong, and where.

use std::fmt;
use std::path::PathBuf;

/// Settings of a disk that misbehaves. The default misbehaves in nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Decides when the probable faults strike.
    pub seed: u64,
    /// How probable it is that a read fails, 0 to 1.
    pub read_error: f64,
    /// How probable it is that a write fails, 0 to 1. It may happen in part.
    pub write_error: f64,
    /// How probable it is that a sync of a file or folder fails, 0 to 1.
    pub sync_error: f64,
    /// A write that would make the files with a name longer than this in sum is cut short and ends
    /// in `StorageFull`.
    pub capacity_bytes: Option<u64>,
    /// A power cut may leave a sector of which only the first bytes are new.
    pub torn_sectors: bool,
    /// Syncs of files and folders say that all is well and do nothing.
    pub lying_sync: bool,
}

/// What a caller asks of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// One folder of [`Fs::create_dir_all`](crate::Fs::create_dir_all).
    CreateDir,
    /// [`Fs::create`](crate::Fs::create).
    Create,
    /// [`File::write_at`](crate::File::write_at).
    Write,
    /// [`File::sync`](crate::File::sync).
    Sync,
    /// [`Fs::rename`](crate::Fs::rename).
    Rename,
    /// [`Fs::remove`](crate::Fs::remove).
    Remove,
    /// [`Fs::sync_dir`](crate::Fs::sync_dir).
    SyncDir,
    /// [`Fs::open`](crate::Fs::open), which has no number.
    Open,
    /// [`File::read_at`](crate::File::read_at), which has no number.
    Read,
    /// [`Fs::list`](crate::Fs::list), which has no number.
    List,
    /// [`Fs::lock`](crate::Fs::lock) and [`Fs::is_locked`](crate::Fs::is_locked), which have no
    /// number.
    Lock,
}

impl OperationKind {
    /// Whether it changes something and so has a number.
    #[must_use]
    pub const fn is_numbered(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List | Self::Lock)
    }
}

/// One operation that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number, from 1.
    pub number: u64,
    /// What was asked.
    pub kind: OperationKind,
    /// Of which file or folder; a file that is open keeps the path under which it was opened.
    pub path: PathBuf,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}: {:?} {}", self.number, self.kind, self.path.display())
    }
}
