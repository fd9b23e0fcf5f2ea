//! The index while it is applied to, read and saved.

use std::path::Path;
use std::sync::Arc;

use annals::{EventId, Position, Version};
use annals_env::{Fs, MemoryFs};
use annals_index::{Covers, Entry, Index, MemoryIndex, StreamFilter, Term};
use annals_types::{Epoch, Place, StoreId};

use crate::rig::{explore, racers, together};

const STORE: StoreId = StoreId([3; 16]);
const DIR: &str = "index";
/// More than are taken in under one lock.
const EVENTS: u64 = 700;
const STREAMS: u64 = 5;
const TERMS: [Term; 2] = [Term::new(7), Term::new(8)];

fn name(position: u64) -> String {
    format!("s-{}", position % STREAMS)
}

fn apply(index: &MemoryIndex, from: u64, to: u64) {
    let names: Vec<String> = (from..=to).map(name).collect();
    let mut entries = names.iter().zip(from..).map(|(stream, position)| Entry {
        position: Position::new(position),
        stream,
        version: Version::new((position - 1) / STREAMS + 1),
        id: position.is_multiple_of(3).then(|| EventId::from_u128(position.into())),
        terms: if position.is_multiple_of(2) { &TERMS } else { &TERMS[..1] },
    });
    index.apply(&mut entries);
}

/// All answers at a position are those of a history of that length.
fn check(index: &dyn Index, up_to: u64) {
    let at = Position::new(up_to);
    let numbers = |positions: &[Position]| -> Vec<u64> {
        positions.iter().map(|position| position.get()).collect()
    };
    for stream in 1..=STREAMS.min(up_to) {
        let expected: Vec<u64> =
            (stream..=up_to).step_by(usize::try_from(STREAMS).unwrap()).collect();
        let head = index.head(&name(stream), Position::START, at).unwrap().unwrap();
        assert_eq!(head.version.get(), expected.len() as u64);
        assert_eq!(Some(&head.position.get()), expected.last());
        let mut out = Vec::new();
        index.positions(&name(stream), Version::new(1), at, usize::MAX, &mut out).unwrap();
        assert_eq!(numbers(&out), expected);
        out.clear();
        index.positions_back(&name(stream), Version::MAX, at, 3, &mut out).unwrap();
        assert!(numbers(&out).iter().eq(expected.iter().rev().take(3)));
    }
    let mut even = Vec::new();
    while even.len() as u64 * 2 < up_to / 2 * 2 {
        let from = Position::new(even.len() as u64 * 2 + 1);
        index.postings(TERMS[1], from, at, &mut even).unwrap();
    }
    assert!(numbers(&even).into_iter().eq((2..=up_to).step_by(2)));
    let mut listed = Vec::new();
    index.streams(&StreamFilter::All, None, at, 100, &mut listed).unwrap();
    assert_eq!(listed.len() as u64, STREAMS.min(up_to));
    let id = up_to / 3 * 3;
    let mut found = Vec::new();
    index.find_id(EventId::from_u128(id.into()), Position::START, &mut found).unwrap();
    assert_eq!(found.contains(&Position::new(id)), id > 0);
}

/// Readers at a position, and images of it, while entries are applied behind it.
#[test]
fn read_and_saved_while_it_grows() {
    explore(|| {
        let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
        let index = Arc::new(MemoryIndex::in_folder(Arc::clone(&fs), DIR, STORE));
        apply(&index, 1, EVENTS / 2);
        let shared = Arc::clone(&index);
        let disk = Arc::clone(&fs);
        let saved = together(racers(3, move |n| match n {
            0 => {
                apply(&shared, EVENTS / 2 + 1, EVENTS);
                EVENTS
            }
            1 => {
                let covered = shared.covers().get();
                assert!(covered >= EVENTS / 2);
                check(&*shared, covered);
                check(&*shared, EVENTS / 2);
                covered
            }
            _ => {
                let place = Place::event(shared.covers());
                let epoch = Epoch::default();
                shared.save(Covers { store: STORE, epoch, place }).unwrap();
                let (loaded, covers) =
                    MemoryIndex::load(Arc::clone(&disk), Path::new(DIR), STORE).unwrap().unwrap();
                assert_eq!(covers.place, place);
                check(&loaded, place.position.get());
                place.position.get()
            }
        }));
        assert!(saved.into_iter().all(|covered| covered <= EVENTS));
        check(&*index, EVENTS);
    });
}
