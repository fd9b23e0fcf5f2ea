//! Two indexes that should be the same.

use annals_types::{Position, Version, category};

use super::{back, forward, names, pair};
use crate::{Index, StreamFilter};

/// Looks at both in many ways at the positions `at`, at each version that the streams have there
/// if they are short, and with each of `limits`.
///
/// # Panics
/// Where they differ.
pub fn assert_same(one: &dyn Index, other: &dyn Index, at: &[Position], limits: &[usize]) {
    for &up_to in at {
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
        }
        assert_same_stream(one, other, "nobody-wrote-this", up_to, limits);
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
                index.streams(filter, after, up_to, *limit, &mut out);
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
    let head = one.head(name, up_to).map(pair);
    assert_eq!(head, other.head(name, up_to).map(pair), "{name} at {up_to}");
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
