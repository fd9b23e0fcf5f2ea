//! Which streams there are.

use annals_types::Position;

use super::{Model, assert_same, names, ok, pair, stream_count, tell, told};
use crate::{Index, StreamFilter};

/// In the order of their names.
const NAMES: [&str; 20] = [
    " ", "-", "-1", "a", "a-", "a-1", "a-1-", "a-1-x", "a-10", "a-2", "a.1", "ab", "order",
    "order!x", "order-", "order-1", "order.1", "orders-1", "é", "日本-1",
];

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    all_streams_in_order(make);
    by_category(make);
    by_prefix(make);
    page_by_page(make);
    at_an_older_position(make);
    what_is_in_the_list_stays_there(make);
    all_of_it_like_the_model(make);
}

/// All of [`NAMES`], neither in order nor in its reverse.
fn shuffled() -> Vec<&'static str> {
    let (first, second) = NAMES.split_at(NAMES.len() / 2);
    first.iter().rev().zip(second).flat_map(|(one, other)| [*other, *one]).collect()
}

fn list(index: &dyn Index, filter: &StreamFilter) -> Vec<String> {
    names(index, filter, None, u64::MAX, usize::MAX)
}

fn all_streams_in_order(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &shuffled());
    assert_eq!(stream_count(&*index, u64::MAX), NAMES.len() as u64);
    assert_eq!(list(&*index, &StreamFilter::All), NAMES);
    tell(&*index, &["b", "a", "b"]);
    let mut more = NAMES.to_vec();
    more.push("b");
    more.sort_unstable();
    assert_eq!(list(&*index, &StreamFilter::All), more);
}

fn by_category(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &shuffled());
    let of = |category: &str| list(&*index, &StreamFilter::Category(category.to_owned()));
    assert_eq!(of("order"), ["order", "order-", "order-1"]);
    assert_eq!(of("a"), ["a", "a-", "a-1", "a-1-", "a-1-x", "a-10", "a-2"]);
    assert_eq!(of("orders"), ["orders-1"]);
    assert_eq!(of("日本"), ["日本-1"]);
    assert_eq!(of(""), ["-", "-1"]);
    for nobody in ["a-1", "order-", "orde", "z", "-"] {
        assert_eq!(of(nobody), Vec::<String>::new(), "{nobody}");
    }
}

fn by_prefix(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &shuffled());
    let of = |prefix: &str| list(&*index, &StreamFilter::Prefix(prefix.to_owned()));
    assert_eq!(of(""), NAMES);
    assert_eq!(of("a-1"), ["a-1", "a-1-", "a-1-x", "a-10"]);
    assert_eq!(of("order"), ["order", "order!x", "order-", "order-1", "order.1", "orders-1"]);
    assert_eq!(of("日"), ["日本-1"]);
    for nobody in ["b", "order-1-", "zzz", "\u{10ffff}"] {
        assert_eq!(of(nobody), Vec::<String>::new(), "{nobody}");
    }
}

fn page_by_page(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &shuffled());
    let category = StreamFilter::Category("a".to_owned());
    for filter in [StreamFilter::All, StreamFilter::Prefix("order".to_owned()), category] {
        let all = list(&*index, &filter);
        for limit in 1..=all.len() + 1 {
            let mut pages: Vec<String> = Vec::new();
            loop {
                let after = pages.last().map(String::as_str);
                let page = names(&*index, &filter, after, u64::MAX, limit);
                assert!(page.len() <= limit);
                if page.is_empty() {
                    break;
                }
                pages.extend(page);
            }
            assert_eq!(pages, all, "{filter:?}, {limit} a page");
        }
    }
    let all = StreamFilter::All;
    assert_eq!(names(&*index, &all, None, u64::MAX, 0), Vec::<String>::new());
    assert_eq!(names(&*index, &all, Some("order!z"), u64::MAX, 2), ["order-", "order-1"]);
    assert_eq!(names(&*index, &all, Some("\u{10ffff}"), u64::MAX, 2), Vec::<String>::new());
    let orders = StreamFilter::Category("order".to_owned());
    assert_eq!(names(&*index, &orders, Some("a"), u64::MAX, 1), ["order"]);
    assert_eq!(names(&*index, &orders, Some("order!z"), u64::MAX, 9), ["order-", "order-1"]);
    assert_eq!(names(&*index, &orders, Some("p"), u64::MAX, 9), Vec::<String>::new());
}

fn at_an_older_position(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["b", "a", "b", "c", "a"]);
    let listed = |up_to| {
        let mut out = Vec::new();
        ok(index.streams(&StreamFilter::All, None, Position::new(up_to), usize::MAX, &mut out));
        out.into_iter().map(|(name, head)| (name, pair(head))).collect::<Vec<_>>()
    };
    let expected = |streams: &[(&str, (u64, u64))]| {
        streams.iter().map(|(name, head)| ((*name).to_owned(), *head)).collect::<Vec<_>>()
    };
    assert_eq!(listed(0), []);
    assert_eq!(listed(1), expected(&[("b", (1, 1))]));
    assert_eq!(listed(2), expected(&[("a", (1, 2)), ("b", (1, 1))]));
    assert_eq!(listed(3), expected(&[("a", (1, 2)), ("b", (2, 3))]));
    assert_eq!(listed(9), expected(&[("a", (2, 5)), ("b", (2, 3)), ("c", (1, 4))]));
    assert_eq!([0, 1, 2, 3, 4, 9].map(|up_to| stream_count(&*index, up_to)), [0, 1, 2, 2, 3, 3]);
    // What comes later does not change it.
    tell(&*index, &["0", "bb", "c", "d"]);
    assert_eq!(listed(5), expected(&[("a", (2, 5)), ("b", (2, 3)), ("c", (1, 4))]));
    assert_eq!(names(&*index, &StreamFilter::All, None, 3, 1), ["a"]);
    assert_eq!(stream_count(&*index, 3), 2);
}

fn what_is_in_the_list_stays_there(make: &dyn Fn() -> Box<dyn Index>) {
    let index = told(make, &["a"]);
    let mut out = Vec::new();
    for _ in 0..2 {
        ok(index.streams(&StreamFilter::All, None, Position::MAX, 1, &mut out));
    }
    assert_eq!(out.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "a"]);
}

fn all_of_it_like_the_model(make: &dyn Fn() -> Box<dyn Index>) {
    let story: Vec<_> = shuffled().into_iter().chain(NAMES).chain(shuffled()).collect();
    let (index, model) = (told(make, &story), Model::new());
    tell(&model, &story);
    let at = [0, 1, 7, 20, 33, 60].map(Position::new);
    assert_same(&*index, &model, &at, &[1, 4, usize::MAX], &[]);
}
