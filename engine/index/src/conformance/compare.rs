//! Two indexes that should be the same.

use annals_types::{Position, Version, category};

use super::{back, carriers, carriers_back, estimate, forward, names, ok, pair, stream_count};
use crate::{Index, StreamFilter, Term};

/// Looks at both in many ways at and between the positions `at`, at each version that the streams
/// have there if they are short, with each of `limits`, and for each of `terms`.
///
/// # Panics
/// Where they differ.
pub fn assert_same(
    one: &dyn Index,
    other: &dyn Index,
    at: &[Position],
    limits: &[usize],
    terms: &[Term],
) {
    for &up_to in at {
        let counts = (stream_count(one, up_to.get()), stream_count(other, up_to.get()));
        assert_eq!(counts.0, counts.1, "streams at {up_to}");
        let listed = assert_same_listing(one, other, &StreamFilter::All, up_to, limits);
        for name in &listed {
            let cut = name.char_indices().nth(name.chars().count() / 2).map_or(0, |(at, _)| at);
            for filter in [
                StreamFilter::Category(category(name).to_owned()),
                StreamFilter::Category(name.clone()),
                StreamFilter::Prefix(name.get(..cut).unwrap_or_default().to_owned()),
            ] {
                assert_same_listing(one, other, &filter, up_to, limits);
            }
            assert_same_stream(one, other, name, up_to, limits);
            for &after in at {
                assert_same_head(one, other, name, after, up_to);
            }
        }
        assert_same_stream(one, other, "nobody-wrote-this", up_to, limits);
        for &term in terms {
            for &from in at.iter().chain([&Position::START]) {
                assert_same_term(one, other, term, from.get(), up_to.get());
            }
        }
    }
}

fn assert_same_listing(
    one: &dyn Index,
    other: &dyn Index,
    filter: &StreamFilter,
    up_to: Position,
    limits: &[usize],
) -> Vec<String> {
    let all = names(one, filter, None, up_to.get(), usize::MAX);
    for limit in limits {
        for after in all.iter().map(|name| Some(name.as_str())).chain([None]) {
            let page = |index: &dyn Index| {
                let mut out = Vec::new();
                ok(index.streams(filter, after, up_to, *limit, &mut out));
                out
            };
            assert_eq!(page(one), page(other), "{filter:?} after {after:?} at {up_to}");
        }
    }
    assert_eq!(all, names(other, filter, None, up_to.get(), usize::MAX), "{filter:?} at {up_to}");
    all
}

fn assert_same_stream(
    one: &dyn Index,
    other: &dyn Index,
    name: &str,
    up_to: Position,
    limits: &[usize],
) {
    let head = assert_same_head(one, other, name, Position::START, up_to);
    let newest = head.map_or(0, |(version, _)| version);
    let few = (0..=newest.saturating_add(1)).take(20);
    let ends = [newest / 2, newest.saturating_sub(1), newest, Version::MAX.get()];
    for from in few.chain(ends) {
        for limit in limits {
            for read in [forward, back] {
                let answers = (
                    read(one, name, from, up_to.get(), *limit),
                    read(other, name, from, up_to.get(), *limit),
                );
                assert_eq!(answers.0, answers.1, "{name} from {from} at {up_to}, {limit} of it");
            }
        }
    }
}

fn assert_same_head(
    one: &dyn Index,
    other: &dyn Index,
    name: &str,
    after: Position,
    up_to: Position,
) -> Option<(u64, u64)> {
    let head = ok(one.head(name, after, up_to)).map(pair);
    let others = ok(other.head(name, after, up_to)).map(pair);
    assert_eq!(head, others, "{name} behind {after} at {up_to}");
    head
}

fn assert_same_term(one: &dyn Index, other: &dyn Index, term: Term, from: u64, to: u64) {
    let forward = carriers(one, term, from, to);
    // Lists may be long: say where they part, not all of them.
    let differs = |other: &[u64], all: &[u64]| {
        let at = all.iter().zip(other).position(|(one, other)| one != other);
        (all != other).then(|| at.unwrap_or(all.len().min(other.len())))
    };
    let others = carriers(other, term, from, to);
    assert_eq!(differs(&others, &forward), None, "{term:?} from {from} to {to}");
    for index in [one, other] {
        let mut back = carriers_back(index, term, from, to);
        back.reverse();
        assert_eq!(differs(&back, &forward), None, "{term:?} back from {to} to {from}");
        let about = estimate(index, term, from, to);
        assert!(about > 0 || forward.is_empty(), "{term:?} from {from} to {to}");
    }
}
