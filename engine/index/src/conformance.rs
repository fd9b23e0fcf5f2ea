//! What every backend of the index is held to: the same answers, told in small stories, and a slow,
//! obvious [`Model`] to compare with after any other story.

mod compare;
mod heads;
mod ids;
mod kept;
mod large;
mod listing;
mod lost;
mod model;
mod positions;
mod saved;
mod states;
mod terms;
mod writing;

use std::collections::BTreeMap;

use annals_types::{EventId, Position, StoreId, Version};

pub use self::compare::assert_same;
pub use self::model::Model;
use crate::{Entry, Index, Result, StreamFilter, StreamHead, Term};

/// Most positions of a term that a backend may give at once.
const PAGE_MAX: usize = 10_000;

/// Runs all tests, each on empty indexes that `make` gives.
///
/// # Panics
/// Where the backend answers otherwise.
pub fn check(make: &dyn Fn() -> Box<dyn Index>) {
    writing::check(make);
    heads::check(make);
    positions::check(make);
    lost::check(make);
    terms::check(make);
    ids::check(make);
    states::check(make);
    listing::check(make);
    large::check(make);
}

/// Opens the index that was last saved in some folder, or an empty one. Whatever it gave before is
/// dropped by then.
pub type Folder = Box<dyn Fn() -> Box<dyn Index> + Send + Sync>;

/// Runs all tests of what is kept, each on empty folders that `make` gives, and all those of
/// [`check`] on indexes of which now and then a part is saved. `store` is that of the indexes.
///
/// # Panics
/// Where the backend answers otherwise.
pub fn check_saved(store: StoreId, make: &dyn Fn() -> Folder) {
    saved::check(store, make);
    states::check_saved(store, make);
}

/// The answer of a backend, which must have one.
#[expect(clippy::expect_used, reason = "who checks a backend wants to see why it cannot answer")]
fn ok<T>(answer: Result<T>) -> T {
    answer.expect("the backend answers")
}

/// An empty index to which one event of each of these streams was applied, in this order.
fn told(make: &dyn Fn() -> Box<dyn Index>, streams: &[&str]) -> Box<dyn Index> {
    let index = make();
    tell(&*index, streams);
    index
}

/// Applies one more event of each of these streams, in this order.
fn tell(index: &dyn Index, streams: &[&str]) {
    let mut versions = BTreeMap::new();
    let mut position = index.covers();
    let entries = streams.iter().map(|&stream| {
        let version = versions.entry(stream).or_insert_with(|| {
            let head = ok(index.head(stream, Position::START, Position::MAX));
            head.map_or(Version::NONE, |head| head.version)
        });
        *version = version.plus(1);
        position = position.plus(1);
        Entry { position, stream, version: *version, id: None, terms: &[] }
    });
    let entries: Vec<_> = entries.collect();
    index.apply(&mut entries.into_iter());
}

fn entry(position: u64, stream: &str, version: u64, id: Option<u128>) -> Entry<'_> {
    let (position, version) = (Position::new(position), Version::new(version));
    Entry { position, stream, version, id: id.map(EventId::from_u128), terms: &[] }
}

/// The entry of an event that carries these terms.
fn carrying<'a>(entry: Entry<'a>, terms: &'a [Term]) -> Entry<'a> {
    Entry { terms, ..entry }
}

/// Version and position of the stream's head at `up_to`.
fn head(index: &dyn Index, stream: &str, up_to: u64) -> Option<(u64, u64)> {
    ok(index.head(stream, Position::START, Position::new(up_to))).map(pair)
}

fn pair(head: StreamHead) -> (u64, u64) {
    (head.version.get(), head.position.get())
}

fn forward(index: &dyn Index, stream: &str, from: u64, up_to: u64, limit: usize) -> Vec<u64> {
    let mut out = Vec::new();
    ok(index.positions(stream, Version::new(from), Position::new(up_to), limit, &mut out));
    out.into_iter().map(Position::get).collect()
}

fn back(index: &dyn Index, stream: &str, from: u64, up_to: u64, limit: usize) -> Vec<u64> {
    let mut out = Vec::new();
    ok(index.positions_back(stream, Version::new(from), Position::new(up_to), limit, &mut out));
    out.into_iter().map(Position::get).collect()
}

/// Where the id may stand, behind `after`.
fn found(index: &dyn Index, id: u128, after: u64) -> Vec<u64> {
    let mut out = Vec::new();
    ok(index.find_id(EventId::from_u128(id), Position::new(after), &mut out));
    out.into_iter().map(Position::get).collect()
}

/// Where the term stands between `from` and `to`, page by page.
fn carriers(index: &dyn Index, term: Term, mut from: u64, to: u64) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let mut page = Vec::new();
        ok(index.postings(term, Position::new(from), Position::new(to), &mut page));
        assert!(page.len() <= PAGE_MAX, "{} at once", page.len());
        for at in page.iter().map(|position| position.get()) {
            assert!(from <= at && at <= to, "{at} is not between {from} and {to}");
            all.push(at);
            // Behind the last number there is nothing to ask for.
            match at.checked_add(1) {
                Some(next) => from = next,
                None => return all,
            }
        }
        if page.is_empty() {
            return all;
        }
    }
}

/// The same from the other end.
fn carriers_back(index: &dyn Index, term: Term, from: u64, mut to: u64) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let mut page = Vec::new();
        ok(index.postings_back(term, Position::new(from), Position::new(to), &mut page));
        assert!(page.len() <= PAGE_MAX, "{} at once", page.len());
        for at in page.iter().map(|position| position.get()) {
            assert!(from <= at && at <= to, "{at} is not between {from} and {to}");
            all.push(at);
            match at.checked_sub(1) {
                Some(next) => to = next,
                None => return all,
            }
        }
        if page.is_empty() {
            return all;
        }
    }
}

fn estimate(index: &dyn Index, term: Term, from: u64, to: u64) -> u64 {
    ok(index.estimate(term, Position::new(from), Position::new(to)))
}

fn stream_count(index: &dyn Index, up_to: u64) -> u64 {
    ok(index.stream_count(Position::new(up_to)))
}

/// The names of the streams.
fn names(
    index: &dyn Index,
    filter: &StreamFilter,
    after: Option<&str>,
    up_to: u64,
    limit: usize,
) -> Vec<String> {
    let mut out = Vec::new();
    ok(index.streams(filter, after, Position::new(up_to), limit, &mut out));
    out.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_keeps_the_contract() {
        check(&|| Box::new(Model::new()));
    }

    #[test]
    fn the_model_keeps_what_is_saved() {
        check_saved(StoreId([0; 16]), &|| {
            let model = Model::new();
            Box::new(move || Box::new(model.reopened()))
        });
    }
}
