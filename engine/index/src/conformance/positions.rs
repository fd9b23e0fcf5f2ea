//! Where the events of a stream stand, in both directions.

use annals_types::{Position, Version};

use super::{Model, assert_same, back, forward, ok, tell, told};
use crate::Index;

const ALL: usize = usize::MAX;
const END: u64 = u64::MAX;

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    forward_from_a_version(make);
    back_from_a_version(make);
    what_is_in_the_list_stays_there(make);
    interleaved_streams_keep_apart(make);
}

fn forward_from_a_version(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["a", "b", "a", "a", "b", "a"]);
    let read = |from, up_to, limit| forward(&*index, "a", from, up_to, limit);
    assert_eq!(read(1, END, ALL), [1, 3, 4, 6]);
    assert_eq!(read(0, END, ALL), [1, 3, 4, 6]);
    assert_eq!(read(2, END, ALL), [3, 4, 6]);
    assert_eq!(read(4, END, ALL), [6]);
    assert_eq!(read(5, END, ALL), []);
    assert_eq!(read(END, END, ALL), []);
    assert_eq!(read(1, 5, ALL), [1, 3, 4]);
    assert_eq!(read(1, 0, ALL), []);
    assert_eq!(read(3, 3, ALL), []);
    assert_eq!(read(1, END, 0), []);
    assert_eq!(read(1, END, 1), [1]);
    assert_eq!(read(2, 5, 1), [3]);
    assert_eq!(read(2, 5, 2), [3, 4]);
    assert_eq!(read(2, 5, 3), [3, 4]);
}

fn back_from_a_version(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["a", "b", "a", "a", "b", "a"]);
    let read = |from, up_to, limit| back(&*index, "a", from, up_to, limit);
    assert_eq!(read(END, END, ALL), [6, 4, 3, 1]);
    assert_eq!(read(4, END, ALL), [6, 4, 3, 1]);
    assert_eq!(read(3, END, ALL), [4, 3, 1]);
    assert_eq!(read(1, END, ALL), [1]);
    assert_eq!(read(0, END, ALL), []);
    assert_eq!(read(4, 5, ALL), [4, 3, 1]);
    assert_eq!(read(END, 3, ALL), [3, 1]);
    assert_eq!(read(2, 5, ALL), [3, 1]);
    assert_eq!(read(END, 0, ALL), []);
    assert_eq!(read(END, END, 0), []);
    assert_eq!(read(END, END, 1), [6]);
    assert_eq!(read(END, 5, 2), [4, 3]);
    assert_eq!(read(2, END, 1), [3]);
}

fn what_is_in_the_list_stays_there(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["a", "a", "a"]);
    let mut out = vec![Position::new(77)];
    ok(index.positions("a", Version::new(2), Position::MAX, 1, &mut out));
    ok(index.positions_back("a", Version::new(3), Position::MAX, 2, &mut out));
    assert_eq!(out, [77, 2, 3, 2].map(Position::new));
}

fn interleaved_streams_keep_apart(make: &dyn Fn() -> Box<dyn Index>) {
    let names: Vec<_> = (0..30).map(|n| format!("thing-{n}")).collect();
    // Stream n gets about every n-th event: dense, sparse and everything between.
    let story: Vec<_> = (1..2000_usize)
        .filter_map(|event| {
            let number = (1..names.len()).rev().find(|n| event % n == 0)?;
            names.get(number).map(String::as_str)
        })
        .collect();
    let index = told(make, &story);
    let model = Model::new();
    tell(&model, &story);
    let at = [0, 1, 2, 500, 1000, 1998, 1999, END].map(Position::new);
    assert_same(&*index, &model, &at, &[0, 1, 7, ALL], &[]);
}
