//! What the log has lost for good and says so itself, since somebody had it repaired.

use std::fmt;

use annals_types::{Position, Version};

/// Events that are gone: damage took them, and a repair put this note in their place. Their
/// positions are never given again. Readers pass over them without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The first of them.
    pub first: Position,
    /// The last of them.
    pub last: Position,
    /// Of each stream that is known to have lost events here, the last one, in the order of
    /// positions. So their versions are never given again either.
    pub streams: Vec<LostStream>,
}

/// The last event that a stream lost in a [`Loss`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostStream {
    /// Where it stood.
    pub position: Position,
    /// Its version.
    pub version: Version,
    /// The stream.
    pub stream: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last.get().saturating_sub(self.first.get()) {
            0 => write!(f, "event {}", self.first)?,
            more => write!(f, "events {} to {} ({} events)", self.first, self.last, more + 1)?,
        }
        for (number, lost) in self.streams.iter().enumerate() {
            let before = if number == 0 { ": " } else { ", " };
            write!(f, "{before}{} up to version {}", lost.stream, lost.version)?;
        }
        Ok(())
    }
}

impl Loss {
    /// How many events.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.last.get().saturating_sub(self.first.get()).saturating_add(1)
    }
}

/// Whether `losses`, in the order of positions, have the event at `position`.
pub(crate) fn has(losses: &[Loss], position: Position) -> bool {
    let behind = losses.partition_point(|loss| loss.first <= position);
    behind
        .checked_sub(1)
        .and_then(|last| losses.get(last))
        .is_some_and(|loss| position <= loss.last)
}

/// How many events between `from` and `to`, both included, `losses` have.
pub(crate) fn count(losses: &[Loss], from: Position, to: Position) -> u64 {
    let begin = losses.partition_point(|loss| loss.last < from);
    let there = losses.get(begin..).unwrap_or_default().iter();
    there
        .take_while(|loss| loss.first <= to)
        .map(|loss| loss.last.min(to).get().saturating_sub(loss.first.max(from).get()) + 1)
        .fold(0, u64::saturating_add)
}
