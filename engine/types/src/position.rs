//! Where something stands in the whole store.

use std::fmt;

/// An event's number in the whole store: 1, 2, 3 … in commit order, without gaps.
///
/// [`Position::START`] (0) is no event; it stands before the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
    /// Later than every event.
    pub const MAX: Self = Self(u64::MAX);

    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `events` further on, saturating at [`Position::MAX`].
    #[must_use]
    pub const fn plus(self, events: u64) -> Self {
        Self(self.0.saturating_add(events))
    }

    /// The position `events` before, saturating at [`Position::START`].
    #[must_use]
    pub const fn minus(self, events: u64) -> Self {
        Self(self.0.saturating_sub(events))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where anything in the log stands: `k` = 0 is the event at `position`, `k` = 1, 2, … are the
/// control records written behind it. A place is given once and never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The event, or the event that a control record follows.
    pub position: Position,
    /// 0 for the event itself.
    pub k: u32,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self { position: Position::START, k: 0 };

    /// The place of the event at `position`.
    #[must_use]
    pub const fn event(position: Position) -> Self {
        Self { position, k: 0 }
    }

    /// The next place at which a control record can stand; also the lowest place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { position: self.position, k: self.k.saturating_add(1) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.k == 0 { self.position.fmt(f) } else { write!(f, "{}+{}", self.position, self.k) }
    }
}
