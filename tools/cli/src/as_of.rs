//! `--as-of`: the store as it was.

use annals::{AsOf, Position, ReadOnlyStore, View};

use crate::failure::Failure;
use crate::moment::{self, Spot};

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
    Ok(match moment::parse_spot(text, "position", "store")? {
        Spot::Number(number) => AsOf::Position(Position::new(number)),
        Spot::Moment(moment) => AsOf::Moment(moment),
    })
}
