//! What is drawn: events, commits, queries and readings that lie near the store's state.

use annals::{
    Commit, EventId, ExpectedVersion, NewEvent, Position, Query, QueryItem, Read, Timestamp,
    Version, category,
};

use super::counting::COUNTERS;
use super::dice::Dice;
use crate::counter;
use crate::model::Model;
use crate::workload::random::STREAMS;
use crate::workload::seeded;

/// As the seeded events have them.
const TYPES: [&str; 3] = ["Noted", "Measured", "OrderPlaced"];
const TAG_KINDS: u64 = 3;
const TAG_VALUES: u64 = 7;
/// Ids that several commits use.
const SHARED_IDS: u64 = 30;

/// Draws what is near `model`.
pub(super) struct Draws<'a> {
    pub(super) dice: &'a Dice,
    pub(super) model: &'a Model,
    pub(super) now: Timestamp,
}

impl Draws<'_> {
    /// A commit. The seeds of its events begin with `first`.
    pub(super) fn commit(&self, first: &mut u64) -> Commit<'static> {
        let dice = self.dice;
        let mut commit = Commit::new();
        let parts = if dice.chance(75) { 1 } else { dice.between(2, 4) };
        for _ in 0..parts {
            if dice.chance(12) {
                let (stream, _) = *dice.pick(&COUNTERS);
                let numbers = (0..dice.between(1, 3)).map(|_| dice.below(1_000));
                commit = commit.append(stream, self.expected(stream), counter::events(numbers));
                continue;
            }
            let stream = *dice.pick(&STREAMS);
            commit = commit.append(stream, self.expected(stream), self.events(first));
        }
        if dice.chance(12) {
            let stream = *dice.pick(&STREAMS);
            commit = commit.expect(stream, self.expected(stream));
        }
        while dice.chance(20) {
            let head = self.model.head();
            let after = match dice.below(16) {
                0 => head.plus(1),
                1 => Position::START,
                2..8 => head.minus(dice.below(10)),
                _ => head,
            };
            commit = commit.fail_if(self.query(), after);
        }
        if dice.chance(6) {
            commit = commit.recorded_at(self.stamp());
        }
        if dice.chance(25) { commit.durable() } else { commit }
    }

    fn expected(&self, stream: &str) -> ExpectedVersion {
        let version = self.model.version(stream, Position::MAX);
        match self.dice.below(20) {
            0..8 => ExpectedVersion::Any,
            8..16 => version.into(),
            16 => ExpectedVersion::Exists,
            17 => ExpectedVersion::NoStream,
            18 => version.plus(self.dice.between(1, 2)).into(),
            _ => version.minus(1).into(),
        }
    }

    fn events(&self, first: &mut u64) -> Vec<NewEvent> {
        let dice = self.dice;
        let count = match dice.below(20) {
            0..12 => 1,
            12..19 => dice.between(2, 4),
            _ => dice.between(5, 12),
        };
        (0..count)
            .map(|_| {
                *first += 1;
                let mut event = seeded::event(*first, self.bytes());
                if dice.chance(3) {
                    event.id = Some(EventId::from_u128(u128::from(dice.below(SHARED_IDS))));
                } else if dice.chance(1) {
                    event.id = self.derived_id();
                }
                event
            })
            .collect()
    }

    /// Most fit into a sector, some fill a page.
    fn bytes(&self) -> usize {
        let dice = self.dice;
        let bytes = match dice.below(40) {
            0..22 => dice.below(120),
            22..34 => dice.between(200, 700),
            34..39 => dice.between(700, 2_200),
            _ => dice.between(3_000, 6_000),
        };
        usize::try_from(bytes).unwrap_or(0)
    }

    /// An id that the store gave by itself.
    fn derived_id(&self) -> Option<EventId> {
        let position = Position::new(self.dice.between(1, self.model.head().get().max(1)));
        self.model.event(position).and_then(|event| event.derived_id)
    }

    /// Near the newest stamp or the clock.
    fn stamp(&self) -> Timestamp {
        let newest = self.model.newest_stamp().unwrap_or(self.now);
        let near = if self.dice.chance(50) { newest } else { self.now };
        self.beside(near)
    }

    fn beside(&self, moment: Timestamp) -> Timestamp {
        let by = i64::try_from(self.dice.below(5)).unwrap_or(0) - 2;
        Timestamp::from_micros(moment.as_micros() + by)
    }

    /// A query that often names something.
    pub(super) fn query(&self) -> Query {
        let dice = self.dice;
        let item = || {
            let mut item = QueryItem::new();
            if dice.chance(40) {
                item = item.event_type(*dice.pick(&TYPES));
            }
            if dice.chance(20) {
                item = item.category(category(STREAMS[dice.index(STREAMS.len())]));
            }
            if dice.chance(10) {
                let position = Position::new(dice.between(1, self.model.head().get().max(1)));
                let event = self.model.event(position);
                if let Some(id) = event.and_then(|event| event.event.correlation_id) {
                    item = item.correlation_id(id);
                }
            }
            while dice.chance(40) || item == QueryItem::new() {
                let (kind, value) = (dice.below(TAG_KINDS), dice.below(TAG_VALUES));
                item = item.tag(format!("tag{kind}:{value}"));
            }
            item
        };
        match dice.below(12) {
            0 => Query::all(),
            1..4 => Query::any([item(), item()]),
            _ => item().into(),
        }
    }

    /// A reading. `timed`: all stamps are known, so that it may be bounded by them.
    pub(super) fn read(&self, timed: bool) -> Read {
        let dice = self.dice;
        let mut read = Read::all();
        if dice.chance(40) {
            let stream = *dice.pick(&STREAMS);
            read = Read::stream(stream);
            if dice.chance(25) {
                let version = self.model.version(stream, Position::MAX).get();
                read = read.from_version(Version::new(dice.below(version + 3)));
            }
        }
        if dice.chance(50) {
            read = read.matching(self.query());
        }
        let position = || Position::new(dice.below(self.model.head().get() + 3));
        if dice.chance(25) {
            read = read.from(position());
        }
        if dice.chance(15) {
            read = read.after(position());
        }
        if timed && dice.chance(20) {
            read = read.since(self.moment());
        }
        if timed && dice.chance(20) {
            read = read.until(self.moment());
        }
        if dice.chance(40) {
            read = read.limit(dice.below(12));
        }
        if dice.chance(40) { read.backward() } else { read }
    }

    /// A moment near the stamp of some event.
    pub(super) fn moment(&self) -> Timestamp {
        let position = Position::new(self.dice.between(1, self.model.head().get().max(1)));
        let stamp = self.model.event(position).and_then(|event| event.recorded_at);
        self.beside(stamp.unwrap_or(self.now))
    }
}
