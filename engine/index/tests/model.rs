//! Random histories, told to the memory backend and to a model, with images in between.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::path::Path;
use std::sync::Arc;

use annals_env::{Fs, MemoryFs};
use annals_index::conformance::{Model, assert_same};
use annals_index::{Covers, Entry, Index, MemoryIndex, Term};
use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const STORE: StoreId = StoreId([3; 16]);

const NAMES: [&str; 16] = [
    "a", "a-", "a-1", "a-10", "a-1-x", "a!", "a.", "b", "b-1", "b-2", "ab", "", "-", "é-1", "ép",
    "日本",
];

/// An event carries those whose bit is set in a byte; the last one is never carried.
const TERMS: [Term; 9] = [
    Term::new(0),
    Term::new(1),
    Term::new(64),
    Term::new(65),
    Term::new(1 << 32),
    Term::new(1 << 63),
    Term::new(u64::MAX),
    Term::new(99),
    Term::new(100),
];

/// Something that happens to an index.
#[derive(Clone, Debug)]
enum Step {
    /// Events of one stream, one behind the other.
    Write { name: usize, events: u64, id: Option<u8>, terms: u8 },
    /// The log lost so many positions, and so many versions of the stream behind them.
    Lose { name: usize, positions: u64, versions: u64 },
    /// Every event is told once more.
    Repeat,
    /// An image of so many percent of the positions takes the index's place.
    Reload { percent: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    prop_oneof![
        12 => (name(), 1..4_u64, option::of(0..20_u8), any::<u8>())
            .prop_map(|(name, events, id, terms)| Step::Write { name, events, id, terms }),
        2 => (name(), 20..300_u64, Just(None), any::<u8>())
            .prop_map(|(name, events, id, terms)| Step::Write { name, events, id, terms }),
        1 => (name(), 1..1_000_000_u64, 0..3_u64)
            .prop_map(|(name, positions, versions)| Step::Lose { name, positions, versions }),
        1 => Just(Step::Repeat),
        1 => (0..=100_u64).prop_map(|percent| Step::Reload { percent }),
    ]
}

struct Event {
    position: u64,
    name: usize,
    version: u64,
    id: Option<u8>,
    terms: Vec<Term>,
}

/// Everything that was told so far.
#[derive(Default)]
struct History {
    last: u64,
    versions: [u64; NAMES.len()],
    events: Vec<Event>,
}

impl History {
    fn write(&mut self, name: usize, id: Option<u8>, terms: u8) {
        self.last += 1;
        self.versions[name] += 1;
        let terms = (0..8).filter(|bit| terms & (1 << bit) != 0).map(|bit| TERMS[bit]).collect();
        let (position, version) = (self.last, self.versions[name]);
        self.events.push(Event { position, name, version, id, terms });
    }

    fn tell(&self, index: &dyn Index, from: usize) {
        index.apply(&mut self.events[from..].iter().map(|event| Entry {
            position: Position::new(event.position),
            stream: NAMES[event.name],
            version: Version::new(event.version),
            id: event.id.map(|id| EventId::from_u128(id.into())),
            terms: &event.terms,
        }));
    }
}

/// The index that the image of `index` up to `cut` gives.
fn reloaded(fs: &Arc<dyn Fs>, index: &MemoryIndex, cut: Position) -> MemoryIndex {
    let place = Place { position: cut, k: 5 };
    let covers = Covers { store: STORE, epoch: Epoch { number: 1, id: 2 }, place };
    index.save(covers).unwrap();
    let loaded = MemoryIndex::load(Arc::clone(fs), Path::new(""), STORE).unwrap();
    let (loaded, found) = loaded.unwrap();
    assert_eq!(found, covers);
    assert_eq!(loaded.covers(), cut);
    loaded
}

fn assert_same_ids(one: &dyn Index, other: &dyn Index, up_to: Position) {
    for id in 0..21 {
        let found = |index: &dyn Index| {
            let mut out = Vec::new();
            index.find_id(EventId::from_u128(id), Position::START, &mut out).unwrap();
            out.retain(|position| *position <= up_to);
            out
        };
        assert_eq!(found(one), found(other));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn an_index_is_like_the_model(steps in vec(step(), 0..80), at in vec(0..=100_u64, 3)) {
        let model = Model::new();
        let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
        let mut index = MemoryIndex::in_folder(Arc::clone(&fs), "", STORE);
        let mut history = History::default();
        for step in steps {
            let told = history.events.len();
            match step {
                Step::Write { name, events, id, terms } => {
                    for _ in 0..events {
                        history.write(name, id, terms);
                    }
                    history.tell(&model, told);
                    history.tell(&index, told);
                }
                Step::Lose { name, positions, versions } => {
                    history.last += positions;
                    history.versions[name] += versions;
                }
                Step::Repeat => history.tell(&index, 0),
                Step::Reload { percent } => {
                    let cut = Position::new(index.covers().get() * percent / 100);
                    index = reloaded(&fs, &index, cut);
                    assert_same(&index, &model, &[cut], &[usize::MAX], &TERMS);
                    assert_same_ids(&index, &model, cut);
                    history.tell(&index, 0);
                }
            }
            prop_assert_eq!(index.covers(), model.covers());
            let count = |index: &dyn Index| index.stream_count(Position::MAX).unwrap();
            prop_assert_eq!(count(&index), count(&model));
        }
        let at = at.into_iter().map(|percent| Position::new(history.last * percent / 100));
        let at: Vec<_> = at.chain([Position::MAX]).collect();
        assert_same(&index, &model, &at, &[1, 5, usize::MAX], &TERMS);
        assert_same_ids(&index, &model, Position::MAX);
    }
}
