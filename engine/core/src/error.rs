//! What can go wrong, told by what the caller should do.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use annals_index::IndexError;
use annals_log::LogError;
use annals_types::{Checkpoint, EventId, ExpectedVersion, Invalid, Position, Version};

use crate::{Damage, ReplayFault};

/// Any failure of the store. One pointer, cheap to clone, so that one failed sync can be told to all
/// who wait.
#[derive(Clone, Debug)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure. Each says what a caller can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The stream is not at the expected version: read it again, decide again.
    Conflict {
        /// The stream.
        stream: String,
        /// What the caller expected.
        expected: ExpectedVersion,
        /// Its version, which a read finds.
        actual: Version,
    },
    /// An event that an append condition names lies behind its position: read again, decide again.
    ConditionFailed {
        /// The first such event.
        position: Position,
    },
    /// The store has an event with this id from another commit: give the new event another.
    IdReused {
        /// The id.
        id: EventId,
        /// The event that has it.
        position: Position,
    },
    /// The checkpoint is not in the store's history: begin again from the start, or from one that is.
    HistoryLost {
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// An argument is outside the limits: change it.
    Invalid(Invalid),
    /// There is no store in the folder, or something else is: check the path.
    NotAStore,
    /// Another process, or another handle of this one, has the store open for writing.
    Locked,
    /// The store was written by another version of Annals: use that one.
    Unsupported,
    /// Bytes of the log are damaged: open read-only to read what is intact, restore a copy.
    Damaged(Box<Damage>),
    /// An event could not be replayed: the code that folds it does not fit what was written.
    Replay(Box<ReplayFault>),
    /// The disk is full: make room and append again. Nothing was written; reads go on.
    DiskFull,
    /// The append failed in a way that leaves open whether it will be there after reopening.
    /// Open the store again and look, or append again with the same ids.
    OutcomeUnknown,
    /// An earlier write failed, so nothing more is written: close the store and open it again.
    Failed,
    /// The store was closed.
    Closed,
    /// Reading or opening failed: see the message.
    Io,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Arc::new(Inner { kind, message: message.into(), source: None }) }
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let source: Option<Box<dyn StdError + Send + Sync>> = Some(Box::new(source));
        Self { inner: Arc::new(Inner { kind, message: message.into(), source }) }
    }

    /// A failure elsewhere, for other implementations of [`EventReader`](crate::EventReader).
    #[must_use]
    pub fn from_other(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, message)
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    /// The actual version, where the error is a conflict.
    #[must_use]
    pub fn conflict(&self) -> Option<Version> {
        match self.inner.kind {
            ErrorKind::Conflict { actual, .. } => Some(actual),
            _ => None,
        }
    }

    /// The damage, where the error is about damaged bytes.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        match &self.inner.kind {
            ErrorKind::Damaged(damage) => Some(damage),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::new(ErrorKind::Invalid(invalid.clone()), invalid.to_string())
    }
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Self {
        let kind = if error.is_closed() {
            ErrorKind::Closed
        } else if error.is_disk_full() {
            ErrorKind::DiskFull
        } else {
            ErrorKind::Io
        };
        let message = match kind {
            ErrorKind::DiskFull => format!("the disk is full: {error}"),
            _ => error.to_string(),
        };
        Self::with_source(kind, message, error)
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::Damaged(damage) => ErrorKind::Damaged(damage.clone()),
            LogError::Unsupported { .. } => ErrorKind::Unsupported,
            LogError::DiskFull { .. } => ErrorKind::DiskFull,
            LogError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                ErrorKind::DiskFull
            }
            LogError::Failed(_) => ErrorKind::Failed,
            LogError::OutcomeUnknown(_) => ErrorKind::OutcomeUnknown,
            LogError::Closed => ErrorKind::Closed,
            LogError::HistoryLost { epoch, position } => {
                let checkpoint = Checkpoint { epoch: *epoch, position: *position };
                ErrorKind::HistoryLost { checkpoint }
            }
            _ => ErrorKind::Io,
        };
        let message = error.to_string();
        Self::with_source(kind, message, error)
    }
}
