//! Where states are kept.

use annals_types::{Epoch, Place, Position, StoreId};

use super::{Folder, entry, ok};
use crate::{Covers, Index, Term};

const KEY: Term = Term::new(7);
const OTHER: Term = Term::new(8);

fn place(position: u64, k: u32) -> Place {
    Place { position: Position::new(position), k }
}

const LAST: Place = Place { position: Position::MAX, k: u32::MAX };

/// All places under a key, the newest first.
fn all(index: &dyn Index, key: Term) -> Vec<Place> {
    let mut all = Vec::new();
    let mut before = LAST;
    while let Some(place) = ok(index.kept(key, before)) {
        assert!(place < before, "{place} is not before {before}");
        all.push(place);
        before = place;
    }
    all
}

pub(super) fn check(make: &dyn Fn() -> Box<dyn Index>) {
    the_newest_before_a_place_is_found(make);
    what_was_superseded_is_not(make);
}

fn the_newest_before_a_place_is_found(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    assert_eq!(all(&*index, KEY), []);
    for (position, k) in [(0, 2), (9, 1), (9, 3), (1 << 40, 1)] {
        index.keep(KEY, place(position, k), &[]);
    }
    index.keep(OTHER, place(9, 2), &[]);
    assert_eq!(all(&*index, KEY), [place(1 << 40, 1), place(9, 3), place(9, 1), place(0, 2)]);
    assert_eq!(all(&*index, OTHER), [place(9, 2)]);
    assert_eq!(ok(index.kept(KEY, place(9, 3))), Some(place(9, 1)));
    assert_eq!(ok(index.kept(KEY, place(9, 0))), Some(place(0, 2)));
    assert_eq!(ok(index.kept(KEY, place(0, 2))), None);
}

fn what_was_superseded_is_not(make: &dyn Fn() -> Box<dyn Index>) {
    let index = make();
    for _ in 0..2 {
        // Told again, from the beginning.
        index.keep(KEY, place(1, 1), &[]);
        index.keep(KEY, place(2, 1), &[]);
        index.keep(KEY, place(3, 1), &[place(1, 1)]);
        index.keep(OTHER, place(3, 2), &[]);
        assert_eq!(all(&*index, KEY), [place(3, 1), place(2, 1)]);
    }
    index.keep(KEY, place(4, 1), &[place(2, 1), place(3, 1)]);
    assert_eq!(all(&*index, KEY), [place(4, 1)]);
    assert_eq!(ok(index.kept(KEY, place(4, 1))), None);
    assert_eq!(all(&*index, OTHER), [place(3, 2)]);
}

/// The same, saved as of any place on the way: what comes behind it is told again.
pub(super) fn check_saved(store: StoreId, make: &dyn Fn() -> Folder) {
    let story: [(Term, Place, &[Place]); 6] = [
        (KEY, place(0, 1), &[]),
        (OTHER, place(0, 2), &[]),
        (KEY, place(1, 1), &[]),
        (KEY, place(1, 2), &[place(0, 1)]),
        (OTHER, place(3, 1), &[place(0, 2)]),
        (KEY, place(3, 2), &[place(1, 1), place(1, 2)]),
    ];
    let tell = |index: &dyn Index, behind: Place, up_to: Place| {
        let events = (1..=3).map(|n| entry(n, "a", n, None));
        index.apply(&mut events.filter(|event| Place::event(event.position) <= up_to));
        let told = story.iter().filter(|it| behind < it.1 && it.1 <= up_to);
        told.for_each(|(key, place, superseded)| index.keep(*key, *place, superseded));
    };
    let expected = |up_to: Place, key: Term| {
        let told: Vec<_> = story.iter().filter(|it| it.1 <= up_to).collect();
        let gone: Vec<_> = told.iter().flat_map(|it| it.2).collect();
        let mut all: Vec<_> = told.iter().filter(|it| it.0 == key).map(|it| it.1).collect();
        all.retain(|place| !gone.contains(&place));
        all.reverse();
        all
    };
    let cuts = [place(0, 0), place(0, 1), place(1, 0), place(1, 1), place(1, 2), place(3, 1)];
    for cut in cuts.into_iter().chain([place(3, 2)]) {
        for ahead in [cut, place(3, 2)] {
            let open = make();
            let index = open();
            tell(&*index, Place::START, ahead);
            let covers = Covers { store, epoch: Epoch { number: 1, id: 1 }, place: cut };
            ok(index.save(covers));
            for key in [KEY, OTHER] {
                assert_eq!(all(&*index, key), expected(ahead, key), "saved as of {cut}");
            }
            drop(index);
            let index = open();
            for key in [KEY, OTHER] {
                assert_eq!(all(&*index, key), expected(cut, key), "{cut} of {ahead}");
            }
            tell(&*index, cut, place(3, 2));
            for key in [KEY, OTHER] {
                assert_eq!(all(&*index, key), expected(place(3, 2), key), "{cut} of {ahead}");
            }
            ok(index.save(Covers { place: place(3, 2), ..covers }));
            drop(index);
            let index = open();
            for key in [KEY, OTHER] {
                assert_eq!(all(&*index, key), expected(place(3, 2), key), "{cut} of {ahead}");
            }
        }
    }
}
