//! Kept states while they are kept, superseded, saved and looked for.

use std::path::Path;

use annals::{
    Checkpoint, Commit, ContentKind, Durability, EventReader, ExpectedVersion, NewState, Place,
    StateKey, StateRole, Store, Version,
};
use annals_env::MemoryFs;
use annals_index::{Covers, Index, MemoryIndex, Term};
use annals_types::{Epoch, StoreId};

use crate::rig::{DURABILITIES, Machine, event, explore};

const KEEPS: u64 = 3;

fn key(name: &str) -> StateKey {
    StateKey { role: StateRole::Projection, name: name.to_owned(), fold: String::new() }
}

/// Keeps states, each in the place of the one before.
fn keep(store: &Store, name: &str) {
    let mut before: Option<Place> = None;
    for n in 0..KEEPS {
        let state = NewState {
            key: key(name),
            schema: 1,
            version: Version::NONE,
            checkpoint: Checkpoint::START,
            content: ContentKind::Text,
            data: n.to_string().into(),
        };
        let superseded: Vec<Place> = before.into_iter().collect();
        let place = store.keep_state(&state, &superseded).unwrap();
        let found = store.kept_state(&state.key, None).unwrap().unwrap();
        assert_eq!((found.place, &found.state), (place, &state), "what was acknowledged is found");
        assert!(before < Some(place));
        before = Some(place);
    }
}

/// Who keeps, who appends, who saves the index and who looks: each finds what was acknowledged to it,
/// no one ever finds an older state than before, and the next opening finds the newest.
#[test]
fn a_state_is_there_from_its_acknowledgement_on() {
    for durability in DURABILITIES {
        explore(move || {
            let machine = Machine::new(durability);
            let store = machine.open();
            let mut work: Vec<_> = ["one", "other"]
                .map(|name| {
                    let store = store.clone();
                    shuttle::thread::spawn(move || keep(&store, name))
                })
                .into();
            work.push(shuttle::thread::spawn({
                let store = store.clone();
                move || {
                    let commit = Commit::new().append("s", ExpectedVersion::Any, vec![event(1, 1)]);
                    store.commit(&commit).unwrap();
                    store.save_index().unwrap();
                }
            }));
            work.push(shuttle::thread::spawn({
                let store = store.clone();
                move || {
                    let mut before = None;
                    for _ in 0..KEEPS {
                        let found = store.kept_state(&key("one"), None).unwrap();
                        let place = found.map(|kept| kept.place);
                        assert!(place >= before, "{place:?} is found behind {before:?}");
                        before = place;
                    }
                }
            }));
            work.into_iter().for_each(|thread| thread.join().unwrap());
            store.close().unwrap();
            let store = machine.open();
            for name in ["one", "other"] {
                let found = store.kept_state(&key(name), None).unwrap().unwrap();
                assert_eq!(found.state.data, (KEEPS - 1).to_string());
            }
            assert!(store.verify_deep(&mut |_, _| {}).unwrap().index_faults.is_empty());
            store.close().unwrap();
        });
    }
    assert_eq!(DURABILITIES, [Durability::Sync, Durability::Buffered]);
}

/// An index saved while states are kept has those up to its place, whichever came meanwhile.
#[test]
fn a_saved_index_has_the_states_up_to_its_place() {
    const STORE: StoreId = StoreId([3; 16]);
    const KEY: Term = Term::new(7);
    explore(|| {
        let fs = MemoryFs::new();
        let index = MemoryIndex::in_folder(std::sync::Arc::new(fs.clone()), "index", STORE);
        let index = std::sync::Arc::new(index);
        let place = |k| Place { k, ..Place::START };
        index.keep(KEY, place(1), &[]);
        let keeper = std::sync::Arc::clone(&index);
        let work = shuttle::thread::spawn(move || {
            keeper.keep(KEY, place(2), &[place(1)]);
            keeper.keep(KEY, place(3), &[place(2)]);
        });
        let covers = Covers { store: STORE, epoch: Epoch::default(), place: place(1) };
        index.save(covers).unwrap();
        work.join().unwrap();
        assert_eq!(index.kept(KEY, place(9)).unwrap(), Some(place(3)));
        let loaded = MemoryIndex::load(std::sync::Arc::new(fs), Path::new("index"), STORE);
        let (loaded, _) = loaded.unwrap().unwrap();
        assert_eq!(loaded.kept(KEY, place(9)).unwrap(), Some(place(1)));
    });
}
