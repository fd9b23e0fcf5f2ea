//! One long stream, and many short ones.

use annals_types::{Position, Version};

use super::{back, entry, forward, head, names, ok, stream_count};
use crate::{Index, StreamFilter};

const EVENTS: u64 = 100_000;

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    a_long_stream(make);
    many_short_streams(make);
}

/// Where version n stands: now close together, now far apart.
fn place(version: u64) -> u64 {
    version + (version / 1000) * 400 + (version / 50_000) * 10_000_000
}

fn a_long_stream(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    index.apply(&mut (1..=EVENTS).map(|version| entry(place(version), "a", version, None)));
    assert_eq!(head(&*index, "a", u64::MAX), Some((EVENTS, place(EVENTS))));
    for version in (1..EVENTS).step_by(777) {
        let at = place(version);
        assert_eq!(head(&*index, "a", at), Some((version, at)));
        assert_eq!(head(&*index, "a", place(version + 1) - 1), Some((version, at)));
        assert_eq!(forward(&*index, "a", version, u64::MAX, 1), [at]);
        assert_eq!(back(&*index, "a", version, u64::MAX, 1), [at]);
        assert_eq!(forward(&*index, "a", version, at, 9), [at]);
        assert_eq!(back(&*index, "a", u64::MAX, at, 1), [at]);
    }
    let all: Vec<_> = (1..=EVENTS).map(place).collect();
    assert_eq!(forward(&*index, "a", 1, u64::MAX, usize::MAX), all);
    assert!(back(&*index, "a", EVENTS, u64::MAX, usize::MAX).iter().eq(all.iter().rev()));
    let mut pages = Vec::new();
    while let read = pages.len()
        && read < all.len()
    {
        ok(index.positions("a", Version::new(read as u64 + 1), Position::MAX, 999, &mut pages));
        assert!(pages.len() > read);
    }
    assert!(pages.iter().map(|position| position.get()).eq(all));
}

fn many_short_streams(make: &dyn Fn() -> Box<dyn Index>) {
    let named: Vec<_> = (1..=EVENTS).map(|n| format!("s-{}", n * 7919 % EVENTS)).collect();
    let index = make();
    let events = (1..).zip(&named).map(|(n, name)| entry(n, name, 1, None));
    index.apply(&mut events.into_iter());
    assert_eq!(stream_count(&*index, u64::MAX), EVENTS);
    assert_eq!(stream_count(&*index, EVENTS / 3), EVENTS / 3);
    for (n, name) in (1..).zip(&named) {
        assert_eq!(head(&*index, name, u64::MAX), Some((1, n)));
    }
    let mut sorted = named.clone();
    sorted.sort_unstable();
    assert_eq!(names(&*index, &StreamFilter::All, None, u64::MAX, usize::MAX), sorted);
    let old = names(&*index, &StreamFilter::Category("s".to_owned()), None, 10, usize::MAX);
    let mut first: Vec<_> = named.iter().take(10).cloned().collect();
    first.sort_unstable();
    assert_eq!(old, first);
}
