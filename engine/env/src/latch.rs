//! The first failure, kept.

use std::io;
use std::sync::{Arc, OnceLock};

/// Remembers the first I/O failure of a write path for ever. After a failed write or sync nothing
/// is known of what the disk holds, so whoever writes asks the latch first, under its lock.
#[derive(Debug, Default)]
pub struct Latch {
    first: OnceLock<Failure>,
}

/// What the latch keeps: which action failed, and how.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{action}: {source}")]
pub struct Failure {
    /// What was being done, e.g. `syncing log/….seg`.
    pub action: Arc<str>,
    /// The system's error.
    #[source]
    pub source: Arc<io::Error>,
}

impl Latch {
    /// A latch that nothing has tripped.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: OnceLock::new() }
    }

    /// Fine, or the first failure.
    ///
    /// # Errors
    /// The first failure.
    pub fn check(&self) -> Result<(), Failure> {
        self.first.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// Trips the latch unless it is tripped already, and gives back the first failure.
    pub fn trip(&self, action: impl Into<Arc<str>>, error: io::Error) -> Failure {
        self.first
            .get_or_init(|| Failure { action: action.into(), source: Arc::new(error) })
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stays() {
        let latch = Latch::new();
        assert!(latch.check().is_ok());
        let first = latch.trip("syncing a", io::ErrorKind::StorageFull.into());
        let second = latch.trip("writing b", io::ErrorKind::Other.into());
        for failure in [first, second, latch.check().unwrap_err()] {
            assert_eq!(failure.action.as_ref(), "syncing a");
            assert_eq!(failure.source.kind(), io::ErrorKind::StorageFull);
            assert!(failure.to_string().starts_with("syncing a: "));
        }
    }
}
