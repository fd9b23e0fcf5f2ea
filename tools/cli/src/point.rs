//! A point in the history of a stream, as an argument.

use annals::{AsOf, Timestamp, Version, View};

use crate::failure::Failure;
use crate::moment;

/// Behind a version, or behind what was recorded up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Version(Version),
    Moment(Timestamp),
}

impl Point {
    /// The version of the stream there; 0 before its first event. `flag` is how the user said it,
    /// `last` the stream's version in the view.
    pub(crate) fn version(
        self,
        flag: &str,
        view: &View,
        stream: &str,
        last: Version,
    ) -> Result<Version, Failure> {
        let refused = |error: annals::Error| Failure::usage(error.to_string()).context(flag);
        match self {
            Self::Version(version) if version > last => Err(Failure::usage(format!(
                "{flag} {version} lies beyond the newest event of {stream:?}, which has version \
                 {last}"
            ))),
            Self::Version(version) => Ok(version),
            Self::Moment(moment) if moment >= moment::now() => Err(Failure::usage(format!(
                "{flag} {moment} lies in the future: leave it out to mean now"
            ))),
            Self::Moment(moment) => view
                .as_of(AsOf::Moment(moment))
                .and_then(|then| then.version(stream))
                .map_err(refused),
        }
    }
}

/// A number is a version, anything else a moment.
pub(crate) fn parse(text: &str) -> Result<Point, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let version = text.parse().map_err(|_| "no stream has so many events".to_owned())?;
        return Ok(Point::Version(Version::new(version)));
    }
    moment::parse(text)
        .map(Point::Moment)
        .map_err(|invalid| format!("{invalid}; a version is a number such as 42"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_version_and_anything_else_a_moment() {
        assert_eq!(parse("42"), Ok(Point::Version(Version::new(42))));
        let day = moment::parse("2026-03-03").unwrap();
        assert_eq!(parse("2026-03-03"), Ok(Point::Moment(day)));
        for text in ["", "-1", "4 2", "yesterday", "99999999999999999999", "2026-13-01"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
