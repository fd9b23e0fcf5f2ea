//! Why an index could not answer.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// What was saved of the index could not be read or written. The log is not touched by it: the
/// index can be deleted and made again.
#[derive(Clone, Debug)]
pub struct IndexError(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Failed {
        action: Arc<str>,
        source: Arc<dyn StdError + Send + Sync>,
    },
    #[cfg_attr(not(feature = "rocksdb"), expect(dead_code, reason = "memory needs no closing"))]
    Closed,
}

/// A result of the index.
pub type Result<T, E = IndexError> = std::result::Result<T, E>;

impl IndexError {
    pub(crate) fn new(
        action: impl Into<Arc<str>>,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Failed { action: action.into(), source: Arc::new(source) })
    }

    #[cfg(feature = "rocksdb")]
    pub(crate) const fn closed() -> Self {
        Self(Kind::Closed)
    }

    /// Whether nothing is wrong but that the index was closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.0, Kind::Closed)
    }

    /// Whether the disk, or a quota on it, has no room for it.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let Kind::Failed { source, .. } = &self.0 else { return false };
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&**source);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(is_full) {
                return true;
            }
            cause = error.source();
        }
        // All that RocksDB tells of an error is the system's words.
        let said = source.to_string();
        FULL_IN_WORDS.iter().any(|words| said.contains(words))
    }
}

/// `ENOSPC` and `EDQUOT`.
const FULL_IN_WORDS: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Failed { action, source } => write!(
                f,
                "{action}: {source}; if it stays so, rebuild the index: it is made again from the \
                 log"
            ),
            Kind::Closed => f.write_str("the index was closed, together with the store"),
        }
    }
}

impl StdError for IndexError {
    // The error itself and not the `Arc` around it, so that it can be told by its type.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Kind::Failed { source, .. } => Some(&**source),
            Kind::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let failed = |error: io::Error| IndexError::new("making the index", error);
        assert!(failed(io::ErrorKind::StorageFull.into()).is_disk_full());
        assert!(failed(io::ErrorKind::QuotaExceeded.into()).is_disk_full());
        let words = "IO error: No space left on device: While appending to file: 000004.sst";
        assert!(failed(io::Error::other(words)).is_disk_full());
        assert!(!failed(io::ErrorKind::PermissionDenied.into()).is_disk_full());
    }
}
