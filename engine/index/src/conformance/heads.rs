//! Where streams stand, now and then.

use annals_types::Position;

use super::{head, ok, pair, tell, told};
use crate::Index;

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    a_head_is_the_newest_event_up_to_a_position(make);
    a_head_does_not_change_later(make);
    a_head_stands_behind_a_position(make);
}

fn a_head_is_the_newest_event_up_to_a_position(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["a", "b", "a", "a", "c", "a"]);
    let heads = |stream| (0..8).map(|at| head(&*index, stream, at)).collect::<Vec<_>>();
    let (one, two, three, four) = (Some((1, 1)), Some((2, 3)), Some((3, 4)), Some((4, 6)));
    assert_eq!(heads("a"), [None, one, one, two, three, three, four, four]);
    let b = Some((1, 2));
    assert_eq!(heads("b"), [None, None, b, b, b, b, b, b]);
    let c = Some((1, 5));
    assert_eq!(heads("c"), [None, None, None, None, None, c, c, c]);
    assert_eq!(heads("d"), [None; 8]);
    assert_eq!(heads(""), [None; 8]);
    assert_eq!(head(&*index, "a", u64::MAX), four);
}

fn a_head_does_not_change_later(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["a", "b", "a"]);
    for _ in 0..1000 {
        tell(&*index, &["a", "a", "c", "b"]);
        assert_eq!(head(&*index, "a", 3), Some((2, 3)));
        assert_eq!(head(&*index, "b", 3), Some((1, 2)));
        assert_eq!(head(&*index, "c", 3), None);
    }
}

fn a_head_stands_behind_a_position(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["a", "b", "a", "c", "a"]);
    let behind = |stream, after, up_to| {
        ok(index.head(stream, Position::new(after), Position::new(up_to))).map(pair)
    };
    assert_eq!(behind("a", 0, 5), Some((3, 5)));
    assert_eq!(behind("a", 4, 5), Some((3, 5)));
    assert_eq!(behind("a", 5, 5), None);
    assert_eq!(behind("a", 5, u64::MAX), None);
    assert_eq!(behind("a", u64::MAX, u64::MAX), None);
    assert_eq!(behind("a", 2, 4), Some((2, 3)));
    assert_eq!(behind("a", 3, 4), None);
    assert_eq!(behind("a", 4, 3), None);
    assert_eq!(behind("b", 1, 5), Some((1, 2)));
    assert_eq!(behind("b", 2, 5), None);
    assert_eq!(behind("d", 0, 5), None);
}
