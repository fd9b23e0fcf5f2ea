//! Where an id may stand.

use annals_types::{EventId, Position};

use super::{entry, found, ok};
use crate::Index;

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    an_id_leads_to_its_event(make);
    an_id_that_was_used_again_leads_to_both(make);
}

fn an_id_leads_to_its_event(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    // Ids that differ in few bits, and every third event without one.
    let id = |n: u64| u128::from(n) << (n % 65);
    let events = (1..=5000).map(|n| entry(n, "a", n, (n % 3 != 0).then(|| id(n))));
    index.apply(&mut events.into_iter());
    for n in 1..=5000 {
        if n % 3 != 0 {
            assert!(found(&*index, id(n), 0).contains(&n));
        }
    }
    let strangers = (1..=1000).filter(|n| !found(&*index, (*n << 100) | 1, 0).is_empty()).count();
    assert!(strangers < 10, "{strangers} of 1000 ids that nobody used were found");
}

fn an_id_that_was_used_again_leads_to_both(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    let events = [(1, Some(9)), (2, Some(8)), (3, Some(9)), (4, None), (5, Some(9))];
    index.apply(&mut events.into_iter().map(|(n, id)| entry(n, "a", n, id)));
    assert_eq!(found(&*index, 9, 0), [1, 3, 5]);
    assert_eq!(found(&*index, 9, 1), [3, 5]);
    assert_eq!(found(&*index, 9, 4), [5]);
    assert_eq!(found(&*index, 9, 5), []);
    assert_eq!(found(&*index, 9, u64::MAX), []);
    let mut out = vec![Position::new(77)];
    ok(index.find_id(EventId::from_u128(8), Position::START, &mut out));
    assert_eq!(out, [77, 2].map(Position::new));
}
