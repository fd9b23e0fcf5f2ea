//! What every backend of the index is held to: the same answers, told in small stories, and a slow,
//! obvious [`Model`] to compare with after any other story.

mod compare;
mod heads;
mod ids;
mod large;
mod listing;
mod lost;
mod model;
mod positions;
mod writing;

use std::collections::BTreeMap;

use annals_types::{EventId, Position, Version};

pub use self::compare::assert_same;
pub use self::model::Model;
use crate::{Entry, Index, StreamFilter, StreamHead};

/// Runs all tests, each on empty indexes that `make` gives.
///
/// # Panics
/// Where the backend answers otherwise.
pub fn check(make: &dyn Fn() -> Box<dyn Index>) {
    writing::check(make);
    heads::check(make);
    positions::check(make);
    lost::check(make);
    ids::check(make);
    listing::check(make);
    large::check(make);
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
            index.head(stream, Position::MAX).map_or(Version::NONE, |head| head.version)
        });
        *version = version.plus(1);
        position = position.plus(1);
        Entry { position, stream, version: *version, id: None }
    });
    let entries: Vec<_> = entries.collect();
    index.apply(&mut entries.into_iter());
}

fn entry(position: u64, stream: &str, version: u64, id: Option<u128>) -> Entry<'_> {
    let (position, version) = (Position::new(position), Version::new(version));
    Entry { position, stream, version, id: id.map(EventId::from_u128) }
}

/// Version and position of the stream's head at `up_to`.
fn head(index: &dyn Index, stream: &str, up_to: u64) -> Option<(u64, u64)> {
    index.head(stream, Position::new(up_to)).map(pair)
}

fn pair(head: StreamHead) -> (u64, u64) {
    (head.version.get(), head.position.get())
}

fn forward(index: &dyn Index, stream: &str, from: u64, up_to: u64, limit: usize) -> Vec<u64> {
    let mut out = Vec::new();
    index.positions(stream, Version::new(from), Position::new(up_to), limit, &mut out);
    out.into_iter().map(Position::get).collect()
}

fn back(index: &dyn Index, stream: &str, from: u64, up_to: u64, limit: usize) -> Vec<u64> {
    let mut out = Vec::new();
    index.positions_back(stream, Version::new(from), Position::new(up_to), limit, &mut out);
    out.into_iter().map(Position::get).collect()
}

fn found(index: &dyn Index, id: u128) -> Vec<u64> {
    let mut out = Vec::new();
    index.find_id(EventId::from_u128(id), &mut out);
    out.into_iter().map(Position::get).collect()
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
    index.streams(filter, after, Position::new(up_to), limit, &mut out);
    out.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_keeps_the_contract() {
        check(&|| Box::new(Model::new()));
    }
}
