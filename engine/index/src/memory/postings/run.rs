//! The events that a walk meets at once.

use annals_types::{Position, Version};

use super::deltas::{Deltas, DeltasBack};
use crate::StreamHead;

/// The events of one part of a chain.
#[derive(Clone, Copy)]
pub(in crate::memory) struct Run<'a> {
    /// The version of the first; each further one is one higher.
    pub(in crate::memory) first_version: u64,
    /// How many they are.
    pub(in crate::memory) count: usize,
    /// The position of the first, where the bytes do not say it, and of the last.
    single: Option<u64>,
    last: u64,
    bytes: &'a [u8],
}

impl<'a> Run<'a> {
    /// A first event, outside of all chunks.
    pub(super) const fn single(position: u64) -> Self {
        Self { first_version: 1, count: 1, single: Some(position), last: position, bytes: &[] }
    }

    /// The events of a chunk.
    pub(super) const fn new(first_version: u64, count: usize, last: u64, bytes: &'a [u8]) -> Self {
        Self { first_version, count, single: None, last, bytes }
    }

    /// Their positions.
    pub(in crate::memory) fn positions(self) -> impl Iterator<Item = u64> {
        self.single.into_iter().chain(Deltas::new(self.bytes))
    }

    /// Their positions, the last first.
    pub(in crate::memory) fn positions_back(self) -> impl Iterator<Item = u64> {
        DeltasBack::new(self.bytes, self.last, self.count)
    }

    /// The newest at or below `up_to`.
    pub(super) fn newest(self, up_to: u64) -> Option<StreamHead> {
        let (steps, position) = if self.is_near_end(up_to) {
            let mut back = (0..self.count).rev().zip(self.positions_back());
            back.find(|(_, position)| *position <= up_to)
        } else {
            self.positions().take_while(|position| *position <= up_to).enumerate().last()
        }?;
        let version = Version::new(self.first_version + steps as u64);
        Some(StreamHead { version, position: Position::new(position) })
    }

    /// Appends those between `from` and `to`, both included, to `out`. Gives whether there may be
    /// more behind the run.
    pub(in crate::memory) fn between(self, from: u64, to: u64, out: &mut Vec<Position>) -> bool {
        let begin = out.len();
        if self.is_near_end(from) {
            let wanted = self.positions_back().take_while(|position| *position >= from);
            out.extend(wanted.filter(|position| *position <= to).map(Position::new));
            out.get_mut(begin..).unwrap_or_default().reverse();
        } else {
            let wanted = self.positions().skip_while(|position| *position < from);
            out.extend(wanted.take_while(|position| *position <= to).map(Position::new));
        }
        self.last < to
    }

    /// The same from the last to the first. Gives whether there may be more before the run.
    pub(in crate::memory) fn between_back(
        self,
        from: u64,
        to: u64,
        out: &mut Vec<Position>,
    ) -> bool {
        let begin = out.len();
        if self.is_near_end(to) {
            let wanted = self.positions_back().skip_while(|position| *position > to);
            out.extend(wanted.take_while(|position| *position >= from).map(Position::new));
        } else {
            let wanted = self.positions().take_while(|position| *position <= to);
            out.extend(wanted.filter(|position| *position >= from).map(Position::new));
            out.get_mut(begin..).unwrap_or_default().reverse();
        }
        self.positions().next().is_some_and(|first| first > from)
    }

    /// Whether fewer of the events, if they are even, stand behind `at` than before it.
    fn is_near_end(self, at: u64) -> bool {
        let first = self.positions().next().unwrap_or_default();
        self.last.saturating_sub(at) < at.saturating_sub(first)
    }
}
