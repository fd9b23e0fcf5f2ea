//! The comparison: each row on the limit, on Annals and on every peer that can do it, in rounds that
//! take turns, with every answer checked.
//!
//! - [`floors`]: where the rows must be.
//! - [`append`], [`read`], [`tags`], [`typed`], [`stores`]: the rows.
//! - [`table`]: how they are shown.

pub mod append;
pub mod floors;
pub mod read;
pub mod stores;
pub mod table;
pub mod tags;
pub mod typed;

use std::path::PathBuf;

use annals_benches::turns::{Spread, Turns};

use crate::engine::{Kind, Task};
use crate::engines::{ANNALS, PEERS, plain};
use floors::{Floor, floor};

/// What is compared.
#[derive(Clone)]
pub struct Options {
    /// Events in the stores.
    pub events: usize,
    /// Rounds of each row.
    pub rounds: usize,
    /// Only rows whose name has one of these in it; all where there is none.
    pub rows: Vec<String>,
    /// The engines, Annals among them.
    pub engines: Vec<Kind>,
    /// The program that loads a store and waits to be killed: `compare` itself.
    pub loader: PathBuf,
}

impl Options {
    /// Events where nothing else is said.
    pub const EVENTS: usize = 1_000_000;
    /// Rounds where nothing else is said.
    pub const ROUNDS: usize = 3;

    /// All engines there are, Annals first.
    pub fn all_engines() -> impl Iterator<Item = Kind> {
        ANNALS.into_iter().chain(PEERS)
    }
}

/// A measured row.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// What the figures are.
    pub unit: Unit,
    /// What the limit did.
    pub limit: Option<Spread>,
    /// What each engine did, or why not.
    pub figures: Vec<(&'static str, Result<Figure, &'static str>)>,
    /// Where Annals must be.
    pub floor: Option<Floor>,
}

/// What an engine did.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The figure itself.
    pub value: Spread,
    /// In parts of the limit.
    pub ratio: Option<Spread>,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Events a second.
    EventsPerSecond,
    /// Calls a second.
    CallsPerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Bytes an event.
    BytesPerEvent,
    /// Mebibytes.
    Mebibytes,
}

/// What a row is measured against.
#[derive(Clone, Copy)]
pub enum Limit<'a> {
    /// The same done by plain files.
    Plain,
    /// What this gives.
    Other(&'a dyn Fn(usize) -> f64),
    /// Nothing.
    None,
}

impl Unit {
    /// What it is called.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::EventsPerSecond => "events/s",
            Self::CallsPerSecond => "calls/s",
            Self::Milliseconds => "ms",
            Self::BytesPerEvent => "B/event",
            Self::Mebibytes => "MiB",
        }
    }

    /// Whether more of it is better.
    #[must_use]
    pub const fn is_rate(self) -> bool {
        matches!(self, Self::EventsPerSecond | Self::CallsPerSecond)
    }
}

/// A run of the comparison. Rows go to `show` as they are measured.
pub struct Bench<'a> {
    /// What is compared.
    pub options: Options,
    /// Takes the rows.
    pub show: &'a mut dyn FnMut(Row),
}

impl Bench<'_> {
    /// Measures all rows that are wanted.
    pub fn run(&mut self) {
        append::rows(self);
        read::rows(self);
        tags::rows(self);
        typed::rows(self);
        stores::rows(self);
    }

    /// Whether a row is to be measured.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        let rows = &self.options.rows;
        rows.is_empty() || rows.iter().any(|row| name.contains(row))
    }

    /// Measures a row in turns, if it is wanted: `run` gives an engine's figure of a round. Engines
    /// that cannot do one of `tasks` are left out.
    pub fn row(
        &mut self,
        name: &str,
        unit: Unit,
        tasks: &[Task],
        limit: Limit<'_>,
        run: &dyn Fn(&Kind, usize) -> f64,
    ) {
        if !self.wants(name) {
            return;
        }
        eprintln!("{name}");
        let plain = |round| run(&plain::KIND, round);
        let limit: Option<&dyn Fn(usize) -> f64> = match limit {
            Limit::Plain => Some(&plain),
            Limit::Other(limit) => Some(limit),
            Limit::None => None,
        };
        let why_not = |kind: &Kind| tasks.iter().find_map(|&task| kind.why_not(task));
        let able: Vec<_> =
            self.options.engines.iter().filter(|kind| why_not(kind).is_none()).collect();
        let sides: Vec<_> = able.iter().map(|kind| move |round| run(kind, round)).collect();
        let sides = sides.iter().map(|side| side as &dyn Fn(usize) -> f64);
        let sides: Vec<_> = limit.into_iter().chain(sides).collect();
        let turns = Turns::cold(self.options.rounds, &sides);
        let first = usize::from(limit.is_some());
        let figures = self.options.engines.iter().map(|kind| {
            let figure = match able.iter().position(|able| able.name == kind.name) {
                Some(at) => Ok(Figure {
                    value: turns.of(first + at),
                    ratio: limit.map(|_| turns.ratio(first + at, 0)),
                }),
                None => Err(why_not(kind).unwrap_or_default()),
            };
            (kind.name, figure)
        });
        let figures = figures.collect();
        let limit = limit.map(|_| turns.of(0));
        (self.show)(Row { name: name.to_owned(), unit, limit, figures, floor: floor(name) });
    }
}
