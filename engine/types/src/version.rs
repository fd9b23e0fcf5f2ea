//! Where an event stands in its stream, and what a caller believes of a stream.

use std::fmt;

/// An event's number in its stream: 1, 2, 3 …; a stream's version counts all events it ever had.
///
/// [`Version::NONE`] (0) is a stream that was never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// Never written.
    pub const NONE: Self = Self(0);
    /// Later than every version.
    pub const MAX: Self = Self(u64::MAX);

    /// The version with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version `events` further on, saturating at [`Version::MAX`].
    #[must_use]
    pub const fn plus(self, events: u64) -> Self {
        Self(self.0.saturating_add(events))
    }

    /// The version `events` before, saturating at [`Version::NONE`].
    #[must_use]
    pub const fn minus(self, events: u64) -> Self {
        Self(self.0.saturating_sub(events))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the caller of an append believes of the stream. The append is refused when it is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedVersion {
    /// No belief: append in any case.
    Any,
    /// The stream was never written.
    NoStream,
    /// The stream has at least one event.
    Exists,
    /// The stream is at exactly this version. `Version(0)` is the same as `NoStream`.
    Version(Version),
}

impl ExpectedVersion {
    /// Shorthand for [`ExpectedVersion::Version`].
    #[must_use]
    pub const fn at(version: u64) -> Self {
        Self::Version(Version::new(version))
    }

    /// Whether a stream at `actual` is what was expected.
    #[must_use]
    pub fn holds(self, actual: Version) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => actual == Version::NONE,
            Self::Exists => actual > Version::NONE,
            Self::Version(expected) => actual == expected,
        }
    }
}

impl From<Version> for ExpectedVersion {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream => f.write_str("no stream"),
            Self::Exists => f.write_str("an existing stream"),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// The category of a stream: what stands before the first `-` of its name, or the whole name.
///
/// ```
/// assert_eq!(annals_types::category("order-42"), "order");
/// assert_eq!(annals_types::category("settings"), "settings");
/// ```
#[must_use]
#[inline]
pub fn category(stream: &str) -> &str {
    // It is short: a search that looks at many bytes at once would only cost.
    let end = stream.bytes().position(|byte| byte == b'-');
    end.and_then(|end| stream.get(..end)).unwrap_or(stream)
}
