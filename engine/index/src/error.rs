//! Why an index could not answer.

use std::error::Error as StdError;
use std::fmt;
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
