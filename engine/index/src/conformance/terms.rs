//! Where the events stand that carry a term, in both directions.

use annals_types::Position;

use super::{Model, assert_same, carriers, carriers_back, carrying, entry, estimate, ok, tell};
use crate::{Entry, Index, Term};

const END: u64 = u64::MAX;
/// On every event of the long story, on every second, on every 1000th, on most of the first half,
/// on the first event alone, on the last alone.
const DENSE: Term = Term::new(1);
const SECOND: Term = Term::new(u64::MAX);
const SPARSE: Term = Term::new(0);
const EARLY: Term = Term::new(1 << 63);
const FIRST: Term = Term::new(257);
const LAST: Term = Term::new(1 << 32);
const NEVER: Term = Term::new(77);
const ALL: [Term; 7] = [DENSE, SECOND, SPARSE, EARLY, FIRST, LAST, NEVER];

/// How long the long story is.
const EVENTS: u64 = 250_000;

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    a_term_that_nobody_carries(make);
    between_two_positions(make);
    a_term_twice_on_an_event_counts_once(make);
    what_is_in_the_list_stays_there(make);
    the_highest_numbers_are_numbers(make);
    long_lists(make);
    a_term_for_every_event(make);
    lost_positions(make);
    answers_do_not_change_later(make);
}

fn a_term_that_nobody_carries(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    for _ in 0..2 {
        assert_eq!(carriers(&*index, NEVER, 0, END), []);
        assert_eq!(carriers_back(&*index, NEVER, 0, END), []);
        assert_eq!(estimate(&*index, NEVER, 0, END), 0);
        tell(&*index, &["a", "b", "a"]);
    }
}

fn between_two_positions(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    let (a, b) = (Term::new(10), Term::new(11));
    let terms: [&[Term]; 7] = [&[a], &[b], &[b, a], &[a], &[], &[b], &[a, b]];
    let events = (1..).zip(terms).map(|(at, terms)| carrying(entry(at, "s", at, None), terms));
    index.apply(&mut events.into_iter());
    let read = |term, from, to| {
        let forward = carriers(&*index, term, from, to);
        let mut back = carriers_back(&*index, term, from, to);
        back.reverse();
        assert_eq!(forward, back, "{term:?} between {from} and {to}");
        forward
    };
    assert_eq!(read(a, 0, END), [1, 3, 4, 7]);
    assert_eq!(read(b, 0, END), [2, 3, 6, 7]);
    assert_eq!(read(a, 1, 7), [1, 3, 4, 7]);
    assert_eq!(read(a, 2, 6), [3, 4]);
    assert_eq!(read(a, 3, 4), [3, 4]);
    assert_eq!(read(a, 4, 4), [4]);
    assert_eq!(read(a, 5, 6), []);
    assert_eq!(read(a, 7, END), [7]);
    assert_eq!(read(a, 8, END), []);
    assert_eq!(read(a, END, END), []);
    assert_eq!(read(a, 0, 0), []);
    assert_eq!(read(a, 0, 1), [1]);
    assert_eq!(read(a, 4, 3), []);
    assert_eq!(read(a, END, 0), []);
    for (from, to) in [(1, 1), (3, 3), (0, END), (4, 7)] {
        assert!(estimate(&*index, a, from, to) > 0);
    }
}

fn a_term_twice_on_an_event_counts_once(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    let (a, b) = (Term::new(3), Term::new(4));
    let terms: [&[Term]; 3] = [&[a, a], &[a, b, a, b], &[b, b, b]];
    let events = (1..).zip(terms).map(|(at, terms)| carrying(entry(at, "s", at, None), terms));
    index.apply(&mut events.into_iter());
    assert_eq!(index.covers(), Position::new(3));
    assert_eq!(carriers(&*index, a, 0, END), [1, 2]);
    assert_eq!(carriers_back(&*index, b, 0, END), [3, 2]);
}

fn what_is_in_the_list_stays_there(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    let events = (1..=3).map(|at| carrying(entry(at, "s", at, None), &[DENSE]));
    index.apply(&mut events.into_iter());
    let mut out = vec![Position::new(77)];
    ok(index.postings(DENSE, Position::new(3), Position::MAX, &mut out));
    ok(index.postings_back(DENSE, Position::new(3), Position::MAX, &mut out));
    assert_eq!(out, [77, 3, 3].map(Position::new));
}

fn the_highest_numbers_are_numbers(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    let events = [1, 1 << 40, END - 1, END];
    let events = (1..).zip(events).map(|(n, at)| carrying(entry(at, "s", n, None), &[SECOND]));
    index.apply(&mut events.into_iter());
    assert_eq!(carriers(&*index, SECOND, 0, END), [1, 1 << 40, END - 1, END]);
    assert_eq!(carriers_back(&*index, SECOND, 0, END), [END, END - 1, 1 << 40, 1]);
    assert_eq!(carriers(&*index, SECOND, END, END), [END]);
    assert_eq!(carriers_back(&*index, SECOND, 2, END - 1), [END - 1, 1 << 40]);
    assert!(estimate(&*index, SECOND, END, END) > 0);
}

/// Which of the terms the n-th event of the long story carries.
fn carried(n: u64) -> Vec<Term> {
    let wanted = [
        (DENSE, true),
        (SECOND, n.is_multiple_of(2)),
        (SPARSE, n.is_multiple_of(1000)),
        (EARLY, n < EVENTS / 2 && n % 7 < 5),
        (FIRST, n == 1),
        (LAST, n == EVENTS),
    ];
    wanted.into_iter().filter(|(_, carried)| *carried).map(|(term, _)| term).collect()
}

fn long_lists(make: &dyn Fn() -> Box<dyn Index>) {
    let terms: Vec<_> = (1..=EVENTS).map(carried).collect();
    let story = || {
        let events = (1..).zip(&terms);
        events.map(|(n, terms)| carrying(entry(n, "s", n, None), terms))
    };
    let (index, model) = (make(), Model::new());
    index.apply(&mut story());
    model.apply(&mut story());
    let ends = [1, 2, 4095, 4096, 4097, 99_999, EVENTS / 2, 200_000, EVENTS - 1, EVENTS, END];
    for term in ALL {
        for (from, to) in ends.iter().flat_map(|from| ends.map(|to| (*from, to))) {
            // The ends of the answer are where it goes wrong; all of it is read once.
            let first = |index: &dyn Index| {
                let (from, to) = (Position::new(from), Position::new(to));
                let (mut forward, mut back) = (Vec::new(), Vec::new());
                ok(index.postings(term, from, to, &mut forward));
                ok(index.postings_back(term, from, to, &mut back));
                (forward.first().copied(), back.first().copied())
            };
            let wanted = first(&model);
            assert_eq!(first(&*index), wanted, "{term:?} from {from} to {to}");
            let about = estimate(&*index, term, from, to);
            assert!(about > 0 || wanted.0.is_none(), "{term:?} from {from} to {to}");
        }
        assert_same(&*index, &model, &[Position::new(EVENTS / 3)], &[1], &[term]);
    }
    assert_same(&*index, &model, &[Position::new(70_001), Position::MAX], &[1], &ALL);
    estimates_of_even_lists(&*index);
}

fn estimates_of_even_lists(index: &dyn Index) {
    for (term, each) in [(DENSE, 1), (SECOND, 2), (SPARSE, 1000)] {
        for (from, to) in
            [(0, END), (1, EVENTS), (1, 100_000), (EVENTS / 2, EVENTS), (90_000, 180_000)]
        {
            let there = (to.min(EVENTS) - from) / each;
            let about = estimate(index, term, from, to);
            let right = there / 4..=there * 4;
            assert!(right.contains(&about), "{term:?} from {from} to {to}: {about} for {there}");
        }
        assert_eq!(estimate(index, NEVER, 0, END), 0);
    }
}

fn a_term_for_every_event(make: &dyn Fn() -> Box<dyn Index>) {
    let terms: Vec<_> = (1..=50_000_u64).map(|n| Term::new(n.wrapping_mul(1 << 40 | 1))).collect();
    let index = make();
    let events = (1..).zip(terms.chunks(1));
    index.apply(&mut events.map(|(n, terms)| carrying(entry(n, "s", n, None), terms)));
    for (n, &term) in (1..).zip(&terms).step_by(7) {
        assert_eq!(carriers(&*index, term, 0, END), [n]);
        assert_eq!(carriers_back(&*index, term, n, n), [n]);
        assert_eq!(carriers(&*index, term, n + 1, END), []);
    }
}

fn lost_positions(make: &dyn Fn() -> Box<dyn Index>) {
    let all = [DENSE, SECOND];
    let events: Vec<Entry<'_>> = (1..3000_u64)
        .map(|n| {
            // Now close together, now far apart, now behind a million lost ones.
            let at = n + (n / 100) * 5000 + (n / 1000) * 3_000_000;
            let terms = if n % 3 == 0 { all.as_slice() } else { &[DENSE] };
            carrying(entry(at, "s", n + n / 50, None), terms)
        })
        .collect();
    let (index, model) = (make(), Model::new());
    index.apply(&mut events.iter().copied());
    model.apply(&mut events.iter().copied());
    let at = [1, 99, 100, 4000, 5100, 5101, 2_000_000, 3_050_999, 3_051_000, 6_100_000, END];
    assert_same(&*index, &model, &at.map(Position::new), &[usize::MAX], &[DENSE, SECOND, NEVER]);
}

fn answers_do_not_change_later(make: &dyn Fn() -> Box<dyn Index>) {
    let (index, mut last) = (make(), 0);
    let mut go_on = |terms: &[Term]| {
        last += 1;
        index.apply(&mut [carrying(entry(last, "s", last, None), terms)].into_iter());
    };
    for terms in [&[DENSE] as &[Term], &[SECOND], &[DENSE, SECOND], &[]] {
        go_on(terms);
    }
    for n in 0..1000 {
        go_on(&[DENSE]);
        go_on(if n % 5 == 0 { &[SECOND] } else { &[SPARSE] });
        assert_eq!(carriers(&*index, DENSE, 0, 4), [1, 3]);
        assert_eq!(carriers_back(&*index, DENSE, 0, 4), [3, 1]);
        assert_eq!(carriers(&*index, SECOND, 0, 4), [2, 3]);
        assert_eq!(carriers(&*index, SPARSE, 0, 4), []);
    }
}
