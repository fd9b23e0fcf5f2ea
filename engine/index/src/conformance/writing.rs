//! What applying does, and does not do.

use annals_types::Position;

use super::{
    Model, assert_same, back, carriers, carrying, entry, forward, found, head, names, stream_count,
    tell, told,
};
use crate::{Index, StreamFilter, Term};

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    an_empty_index_answers_nothing(make);
    applying_again_changes_nothing(make);
    batches_of_any_size_are_the_same(make);
    what_is_out_of_order_ends_the_call(make);
}

fn an_empty_index_answers_nothing(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    index.apply(&mut std::iter::empty());
    assert_eq!(index.covers(), Position::START);
    assert_eq!(stream_count(&*index, u64::MAX), 0);
    assert_eq!(head(&*index, "order-1", u64::MAX), None);
    assert_eq!(forward(&*index, "order-1", 0, u64::MAX, usize::MAX), []);
    assert_eq!(back(&*index, "order-1", u64::MAX, u64::MAX, usize::MAX), []);
    assert_eq!(found(&*index, 7, 0), []);
    let all = StreamFilter::All;
    assert_eq!(names(&*index, &all, None, u64::MAX, usize::MAX), Vec::<String>::new());
}

fn applying_again_changes_nothing(make: &dyn Fn() -> Box<dyn Index>) {
    let term = Term::new(5);
    let terms = [term];
    let events = [
        entry(1, "a", 1, Some(1)),
        entry(2, "b", 1, None),
        carrying(entry(3, "a", 2, Some(2)), &terms),
        entry(4, "c", 1, None),
    ];
    let index = make();
    index.apply(&mut events.into_iter().take(3));
    index.apply(&mut events.into_iter().take(2));
    index.apply(&mut events.into_iter());
    index.apply(&mut events.into_iter());
    assert_eq!(index.covers(), Position::new(4));
    assert_eq!(stream_count(&*index, u64::MAX), 3);
    assert_eq!(forward(&*index, "a", 1, 4, usize::MAX), [1, 3]);
    assert_eq!(carriers(&*index, term, 0, u64::MAX), [3]);
    assert_eq!(found(&*index, 1, 0), [1]);
    assert_eq!(found(&*index, 2, 0), [3]);
}

fn batches_of_any_size_are_the_same(make: &dyn Fn() -> Box<dyn Index>) {
    let streams: Vec<_> = (0..1500).map(|n: usize| format!("s-{}", n * n % 37)).collect();
    let streams: Vec<_> = streams.iter().map(String::as_str).collect();
    let at_once = told(make, &streams);
    let model = Model::new();
    tell(&model, &streams);
    assert_same(&*at_once, &model, &[Position::new(700), Position::MAX], &[3, usize::MAX], &[]);
    for size in [1, 2, 255, 256, 257] {
        let piecewise = make();
        for streams in streams.chunks(size) {
            tell(&*piecewise, streams);
        }
        assert_same(&*piecewise, &model, &[Position::new(1500)], &[usize::MAX], &[]);
    }
}

fn what_is_out_of_order_ends_the_call(make: &dyn Fn() -> Box<dyn Index>) {
    for wrong in [entry(3, "a", 1, None), entry(3, "a", 0, None), entry(3, "c", 0, None)] {
        let index = told(make, &["a", "b"]);
        index.apply(&mut [wrong, entry(4, "b", 2, None)].into_iter());
        assert_eq!(index.covers(), Position::new(2));
        assert_eq!(stream_count(&*index, u64::MAX), 2);
        assert_eq!(forward(&*index, "a", 1, u64::MAX, usize::MAX), [1]);
        assert_eq!(forward(&*index, "b", 1, u64::MAX, usize::MAX), [2]);
        index.apply(&mut [entry(3, "a", 2, None)].into_iter());
        assert_eq!(forward(&*index, "a", 1, u64::MAX, usize::MAX), [1, 3]);
    }
}
