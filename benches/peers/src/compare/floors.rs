//! Where the rows must be.

use super::{Row, Unit};

/// Where a row must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Floor {
    /// A rate, in parts of the limit: at least.
    AtLeast(f64),
    /// A time or size, in parts of the limit: at most.
    AtMost(f64),
    /// A time or size, in its unit: at most.
    AtMostOf(f64, Unit),
}

/// The rows that must be somewhere, by how their names begin.
pub const FLOORS: [(&str, Floor); 18] = [
    ("buffered append, 1 a call", Floor::AtLeast(1.5)),
    ("buffered append, 10 a call", Floor::AtLeast(1.2)),
    ("buffered append, 100 a call", Floor::AtLeast(0.9)),
    ("durable append, 1 thread", Floor::AtLeast(0.95)),
    ("durable append, 8 threads", Floor::AtLeast(1.0)),
    ("durable append, 64 threads", Floor::AtLeast(0.45)),
    ("64 pipelined submits", Floor::AtLeast(0.7)),
    ("whole stream of 100", Floor::AtLeast(1.0)),
    ("whole stream of 10,000", Floor::AtLeast(1.0)),
    ("last event", Floor::AtLeast(0.7)),
    ("from the middle", Floor::AtLeast(0.7)),
    ("scan in global order", Floor::AtLeast(1.0)),
    ("open, clean", Floor::AtMostOf(15.0, Unit::Milliseconds)),
    ("open after a kill", Floor::AtMost(0.5)),
    ("disk as loaded", Floor::AtMost(1.1)),
    ("peak memory of the load", Floor::AtMostOf(64.0, Unit::Mebibytes)),
    ("load an aggregate of 100", Floor::AtLeast(0.5)),
    ("load an aggregate of 10,000", Floor::AtLeast(1.0)),
];

/// Where the row of this name must be.
#[must_use]
pub fn floor(name: &str) -> Option<Floor> {
    FLOORS.iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, floor)| *floor)
}

impl Floor {
    /// Whether the first engine of the row is there.
    #[must_use]
    pub fn is_met(self, row: &Row) -> Option<bool> {
        let figure = row.figures.first()?.1.as_ref().ok()?;
        Some(match self {
            Self::AtLeast(least) => figure.ratio?.median >= least,
            Self::AtMost(most) => figure.ratio?.median <= most,
            Self::AtMostOf(most, _) => figure.value.median <= most,
        })
    }
}

impl std::fmt::Display for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtMostOf(most, unit) => write!(f, "≤ {most} {}", unit.label()),
        }
    }
}
