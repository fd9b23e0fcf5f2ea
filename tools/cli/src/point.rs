//! A point in the history of a stream, as an argument.

use annals::{AsOf, Timestamp, Version, View};

use crate::failure::Failure;
use crate::moment::{self, Spot};

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
    Ok(match moment::parse_spot(text, "version", "stream")? {
        Spot::Number(number) => Point::Version(Version::new(number)),
        Spot::Moment(moment) => Point::Moment(moment),
    })
}
