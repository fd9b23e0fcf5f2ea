//! How far a reader has come.

use std::fmt;
use std::str::FromStr;

use crate::limits::Invalid;
use crate::{Epoch, Position};

/// How far a projection, a follower or another store has come: a position, and the epoch in which
/// its event was written. After a crash that took events away, or in a restored copy, the epoch
/// tells that the position may mean another event now.
///
/// Written as `position@epoch`, e.g. `42@3-00c0ffee00c0ffee`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The epoch of the event at the position; nobody's before the first event.
    pub epoch: Epoch,
    /// The last position that was dealt with.
    pub position: Position,
}

impl Checkpoint {
    /// Before the first event of any store.
    pub const START: Self = Self { epoch: Epoch { number: 0, id: 0 }, position: Position::START };
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.position, self.epoch)
    }
}

impl FromStr for Checkpoint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parse = || {
            let (position, epoch) = text.split_once('@')?;
            let (number, id) = epoch.split_once('-')?;
            let epoch =
                Epoch { number: number.parse().ok()?, id: u64::from_str_radix(id, 16).ok()? };
            Some(Self { epoch, position: Position::new(position.parse().ok()?) })
        };
        parse().ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            Invalid::Other(format!(
                "{shown:?} is no checkpoint: write it as in 42@3-00c0ffee00c0ffee"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_is_written() {
        let epoch = Epoch { number: 3, id: 0xc0_ffee };
        for checkpoint in [Checkpoint::START, Checkpoint { epoch, position: Position::new(42) }] {
            assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
        }
        for text in ["", "42", "42@3", "@3-1", "42@-1", "x@3-1", "42@3-xyz", "-1@3-1"] {
            assert!(text.parse::<Checkpoint>().is_err(), "{text}");
        }
    }
}
