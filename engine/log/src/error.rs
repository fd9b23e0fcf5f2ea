//! What the log answers when it cannot do what it was asked.

use std::io;
use std::sync::Arc;

use annals_env::Failure;
use annals_types::{Epoch, Position};
use thiserror::Error;

use crate::Damage;

/// A failure of the log. Cheap to clone: one failed sync is told to all who wait for it.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system failed an operation that changed nothing.
    #[error("{action}: {source}")]
    Io {
        /// What was being done, with the path.
        action: String,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// Bytes are not what was written.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// What was read is not the store's history any more: a crash took it and its positions were
    /// given again, or the folder was replaced by another copy or another store. Nothing of what the
    /// reader tells counts from then on.
    #[error(
        "the store went back behind event {position} of epoch {epoch}, up to which it was read, or \
         is another one now: open it again"
    )]
    HistoryLost {
        /// The epoch of what was read last.
        epoch: Epoch,
        /// Up to where it was read.
        position: Position,
    },
    /// The log has something that this build does not read: another version wrote it.
    #[error(
        "{segment} has {what}; this build reads storage format {}.{}: use the version that wrote it",
        crate::format::FORMAT,
        crate::format::REVISION
    )]
    Unsupported {
        /// The segment that has it.
        segment: String,
        /// What it is.
        what: String,
    },
    /// There is no room to reserve; nothing was written.
    #[error("the disk is full: {action}")]
    DiskFull {
        /// What needed room, with the path.
        action: String,
    },
    /// The write path failed earlier; nothing of this was written.
    #[error("the store takes no more writes since one failed: {0}")]
    Failed(Failure),
    /// Writing or syncing this failed: it may or may not be there after reopening.
    #[error("it is not known whether the append survived: {0}")]
    OutcomeUnknown(Failure),
    /// The log was closed.
    #[error("the store is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn damaged(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }

    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io { action: action.into(), source: Arc::new(source) }
    }
}

pub(crate) type Result<T, E = LogError> = std::result::Result<T, E>;
