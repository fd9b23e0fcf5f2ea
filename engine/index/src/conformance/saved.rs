//! What was saved is there again, and reading does not show where it ends.

use std::collections::BTreeMap;

use annals_types::{Epoch, Place, Position, StoreId};

use super::kept::Kept;
use super::{Folder, Model, assert_same, carrying, entry, found, ok};
use crate::{Covers, Entry, Index, Term};

/// How long the story is that is told here.
const EVENTS: usize = 1500;

pub(super) fn check(store: StoreId, make: &dyn Fn() -> Folder) {
    an_empty_folder_is_an_empty_index(make);
    half_of_it_saved(store, make);
    saved_in_many_pieces(store, make);
    super::check(&|| Box::new(Kept::half(store, make())));
    super::check(&|| Box::new(Kept::reopened(store, make())));
}

/// Busy streams and quiet ones, new ones all the time, lost events, ids that come again, terms of
/// all kinds.
struct Story {
    events: Vec<Event>,
}

struct Event {
    position: u64,
    stream: String,
    version: u64,
    id: Option<u128>,
    terms: Vec<Term>,
}

impl Story {
    fn new() -> Self {
        let mut versions = BTreeMap::new();
        let events = (1..=EVENTS as u64).map(|n| {
            let position = n + (n / 300) * 1000 + (n / 900) * (3 << 20);
            let stream = match n % 5 {
                0 => format!("new-{}", (n * n / 150) * 7919 % 2003 / 100),
                1 => format!("few-{}", n / 200),
                _ => format!("busy-{}", n % 3),
            };
            let version = versions.entry(stream.clone()).or_insert(0);
            *version += if n % 101 == 0 { 3 } else { 1 };
            let terms = [n % 2, 2 + n % 7, 20 + n / 400, 1000 + n * n % 1009].map(Term::new);
            let id = (n % 4 == 0).then(|| u128::from(n % 600));
            Event { position, stream, version: *version, id, terms: terms.to_vec() }
        });
        Self { events: events.collect() }
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.events.iter().map(|event| {
            let entry = entry(event.position, &event.stream, event.version, event.id);
            carrying(entry, &event.terms)
        })
    }

    /// The position of the n-th event; n = 0 is before the first.
    fn at(&self, n: usize) -> Position {
        let event = n.checked_sub(1).and_then(|before| self.events.get(before));
        event.map_or(Position::START, |event| Position::new(event.position))
    }

    fn told(&self) -> Model {
        let model = Model::new();
        model.apply(&mut self.entries());
        model
    }
}

pub(super) fn covers(store: StoreId, position: Position) -> Covers {
    Covers { store, epoch: Epoch { number: 3, id: 4 }, place: Place::event(position) }
}

/// Compares everything with the model at and around these positions.
fn assert_like(index: &dyn Index, model: &Model, at: &[Position]) {
    let terms = [0, 1, 2, 8, 20, 22, 24, 1000, 1001, 1005, 7777].map(Term::new);
    assert_same(index, model, at, &[2, usize::MAX], &terms);
    for id in (0..600).step_by(4) {
        for after in at.iter().chain([&Position::START]) {
            let ids = |index: &dyn Index| found(index, id, after.get());
            assert_eq!(ids(index), ids(model), "id {id} behind {after}");
        }
    }
}

fn an_empty_folder_is_an_empty_index(make: &dyn Fn() -> Folder) {
    let open = make();
    for _ in 0..2 {
        let index = open();
        assert_eq!(index.covers(), Position::START);
        assert_like(&*index, &Model::new(), &[Position::MAX]);
    }
}

fn half_of_it_saved(store: StoreId, make: &dyn Fn() -> Folder) {
    let story = Story::new();
    let whole = story.told();
    for half in [1, 2, 299, 300, 301, 1000, EVENTS - 1, EVENTS] {
        let cut = story.at(half);
        let open = make();
        let index = open();
        index.apply(&mut story.entries());
        ok(index.save(covers(store, cut)));
        let around = [cut.minus(1), cut, cut.plus(1), story.at(EVENTS), Position::MAX];
        assert_eq!(index.covers(), story.at(EVENTS));
        assert_like(&*index, &whole, &around);
        drop(index);

        let index = open();
        assert_eq!(index.covers(), cut);
        let part = Model::new();
        part.apply(&mut story.entries().take(half));
        assert_like(&*index, &part, &[cut.minus(1), cut, Position::MAX]);

        // It goes on from there, and what is told again changes nothing.
        index.apply(&mut story.entries());
        assert_like(&*index, &whole, &around);
        ok(index.save(covers(store, story.at(EVENTS))));
        assert_like(&*index, &whole, &around);
        drop(index);
        let index = open();
        assert_eq!(index.covers(), story.at(EVENTS));
        assert_like(&*index, &whole, &around);
    }
}

fn saved_in_many_pieces(store: StoreId, make: &dyn Fn() -> Folder) {
    let story = Story::new();
    let open = make();
    let mut index = open();
    let model = Model::new();
    let mut told = 0;
    for (round, size) in [1, 50, 3, 200, 5, 400, 90, 1, 700].into_iter().enumerate() {
        let lag = size / 3;
        index.apply(&mut story.entries().skip(told).take(size));
        model.apply(&mut story.entries().skip(told).take(size));
        told += size;
        let cut = story.at(told - lag);
        ok(index.save(covers(store, cut)));
        // Once more, with nothing new in it.
        ok(index.save(covers(store, cut)));
        assert_like(&*index, &model, &[story.at(told / 2), cut, story.at(told)]);
        if round % 3 == 2 {
            drop(index);
            index = open();
            assert_eq!(index.covers(), cut);
            told -= lag;
            index.apply(&mut story.entries().skip(told).take(lag));
            told += lag;
            assert_like(&*index, &model, &[story.at(told / 2), cut, story.at(told)]);
        }
    }
}
