//! `--as-of`: the store as it was.

use annals::{AsOf, Position, ReadOnlyStore, View};

use crate::failure::Failure;
use crate::moment;

/// The `--as-of` of a verb.
#[derive(Debug, clap::Args)]
pub(crate) struct AsOfArg {
    /// The store as it was behind this position, or at this time
    #[arg(long, value_name = "POSITION|TIME", value_parser = parse)]
    as_of: Option<AsOf>,
}

impl AsOfArg {
    /// How to speak of the store: as it is, or as it was.
    pub(crate) fn verb(&self) -> &'static str {
        if self.as_of.is_some() { "was" } else { "is" }
    }

    /// The store at that point, which must lie in its history; as it is now where none was given.
    pub(crate) fn view(&self, store: &ReadOnlyStore) -> Result<View, Failure> {
        let head = store.head();
        let Some(point) = self.as_of else { return Ok(head) };
        let newest = head.position();
        match point {
            AsOf::Position(position) if position > newest => {
                return Err(Failure::usage(format!(
                    "--as-of {position} lies beyond the newest event, which is at position {newest}"
                )));
            }
            AsOf::Moment(moment) if moment >= moment::now() => {
                return Err(Failure::usage(format!(
                    "--as-of {moment} lies in the future: leave it out to see the store as it is now"
                )));
            }
            _ => {}
        }
        head.as_of(point).map_err(|error| Failure::usage(error.to_string()).context("--as-of"))
    }
}

/// A number is a position, anything else a moment.
fn parse(text: &str) -> Result<AsOf, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let position = text.parse().map_err(|_| "no store has so many events".to_owned())?;
        return Ok(AsOf::Position(Position::new(position)));
    }
    moment::parse(text)
        .map(AsOf::Moment)
        .map_err(|invalid| format!("{invalid}; a position is a number such as 42"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_position_and_anything_else_a_moment() {
        assert_eq!(parse("42"), Ok(AsOf::Position(Position::new(42))));
        let day = moment::parse("2026-03-03").unwrap();
        assert_eq!(parse("2026-03-03"), Ok(AsOf::Moment(day)));
        for text in ["", "-1", "4 2", "yesterday", "99999999999999999999", "2026-13-01"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
