//! Streams of which the log lost events.

use annals_types::Position;

use super::{Model, assert_same, back, entry, forward, head};
use crate::{Entry, Index};

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    versions_and_positions_are_what_the_log_says(make);
    many_losses_are_like_one(make);
    the_highest_numbers_are_numbers(make);
}

fn versions_and_positions_are_what_the_log_says(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    index.apply(
        &mut [
            entry(2, "late", 3, None),
            entry(3, "late", 4, None),
            entry(4, "holes", 1, None),
            entry(8, "holes", 4, None),
            entry(9, "holes", 5, None),
            entry(20, "holes", 9, None),
        ]
        .into_iter(),
    );
    assert_eq!(index.covers(), Position::new(20));
    assert_eq!(head(&*index, "late", 1), None);
    assert_eq!(head(&*index, "late", 2), Some((3, 2)));
    assert_eq!(head(&*index, "late", 9), Some((4, 3)));
    assert_eq!(forward(&*index, "late", 0, 20, 9), [2, 3]);
    assert_eq!(forward(&*index, "late", 4, 20, 9), [3]);
    assert_eq!(back(&*index, "late", 3, 20, 9), [2]);
    assert_eq!(back(&*index, "late", 2, 20, 9), []);
    assert_eq!(head(&*index, "holes", 7), Some((1, 4)));
    assert_eq!(head(&*index, "holes", 19), Some((5, 9)));
    assert_eq!(forward(&*index, "holes", 2, 20, 9), [8, 9, 20]);
    assert_eq!(forward(&*index, "holes", 6, 20, 9), [20]);
    assert_eq!(back(&*index, "holes", 8, 20, 9), [9, 8, 4]);
    assert_eq!(back(&*index, "holes", 3, 20, 9), [4]);
}

fn many_losses_are_like_one(make: &dyn Fn() -> Box<dyn Index>) {
    let events: Vec<Entry<'_>> = (1..600_u64)
        .flat_map(|n| {
            let often = (n % 3 != 0).then(|| entry(n * 10, "often", n, None));
            let blocks = (n % 100 > 5).then(|| entry(n * 10 + 1, "blocks", n, None));
            [often, blocks]
        })
        .flatten()
        .collect();
    let (index, model) = (make(), Model::new());
    index.apply(&mut events.iter().copied());
    model.apply(&mut events.iter().copied());
    let at = [0, 10, 31, 999, 1001, 3000, 5990, u64::MAX].map(Position::new);
    assert_same(&*index, &model, &at, &[1, 5, usize::MAX], &[]);
}

fn the_highest_numbers_are_numbers(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    let last = u64::MAX;
    index.apply(
        &mut [entry(1 << 60, "a", last - 1, None), entry(last, "a", last, None)].into_iter(),
    );
    assert_eq!(head(&*index, "a", last), Some((last, last)));
    assert_eq!(head(&*index, "a", last - 1), Some((last - 1, 1 << 60)));
    assert_eq!(forward(&*index, "a", last, last, 9), [last]);
    assert_eq!(back(&*index, "a", last, last, 9), [last, 1 << 60]);
}
