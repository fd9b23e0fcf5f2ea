//! Random histories, told to the memory backend and to a model, with images in between.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::path::Path;

use annals_env::MemoryFs;
use annals_index::conformance::{Model, assert_same};
use annals_index::{Covers, Entry, Index, MemoryIndex};
use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const STORE: StoreId = StoreId([3; 16]);

const NAMES: [&str; 16] = [
    "a", "a-", "a-1", "a-10", "a-1-x", "a!", "a.", "b", "b-1", "b-2", "ab", "", "-", "é-1", "ép",
    "日本",
];

/// Something that happens to an index.
#[derive(Clone, Debug)]
enum Step {
    /// Events of one stream, one behind the other.
    Write { name: usize, events: u64, id: Option<u8> },
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
        12 => (name(), 1..4_u64, option::of(0..20_u8))
            .prop_map(|(name, events, id)| Step::Write { name, events, id }),
        2 => (name(), 20..300_u64, Just(None))
            .prop_map(|(name, events, id)| Step::Write { name, events, id }),
        1 => (name(), 1..1_000_000_u64, 0..3_u64)
            .prop_map(|(name, positions, versions)| Step::Lose { name, positions, versions }),
        1 => Just(Step::Repeat),
        1 => (0..=100_u64).prop_map(|percent| Step::Reload { percent }),
    ]
}

/// Everything that was told so far.
#[derive(Default)]
struct History {
    last: u64,
    versions: [u64; NAMES.len()],
    events: Vec<(u64, usize, u64, Option<u8>)>,
}

impl History {
    fn write(&mut self, name: usize, id: Option<u8>) {
        self.last += 1;
        self.versions[name] += 1;
        self.events.push((self.last, name, self.versions[name], id));
    }

    fn tell(&self, index: &dyn Index, from: usize) {
        index.apply(&mut self.events[from..].iter().map(|(position, name, version, id)| Entry {
            position: Position::new(*position),
            stream: NAMES[*name],
            version: Version::new(*version),
            id: id.map(|id| EventId::from_u128(id.into())),
        }));
    }
}

/// The index that the image of `index` up to `cut` gives.
fn reloaded(index: &MemoryIndex, cut: Position) -> MemoryIndex {
    let fs = MemoryFs::new();
    let place = Place { position: cut, k: 5 };
    let covers = Covers { store: STORE, epoch: Epoch { number: 1, id: 2 }, place };
    index.save(&fs, Path::new(""), covers).unwrap();
    let (loaded, found) = MemoryIndex::load(&fs, Path::new(""), STORE).unwrap().unwrap();
    assert_eq!(found, covers);
    assert_eq!(loaded.covers(), cut);
    loaded
}

fn assert_same_ids(one: &dyn Index, other: &dyn Index, up_to: Position) {
    for id in 0..21 {
        let found = |index: &dyn Index| {
            let mut out = Vec::new();
            index.find_id(EventId::from_u128(id), &mut out);
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
        let mut index = MemoryIndex::new(STORE);
        let mut history = History::default();
        for step in steps {
            let told = history.events.len();
            match step {
                Step::Write { name, events, id } => {
                    for _ in 0..events {
                        history.write(name, id);
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
                    index = reloaded(&index, cut);
                    assert_same(&index, &model, &[cut], &[usize::MAX]);
                    assert_same_ids(&index, &model, cut);
                    history.tell(&index, 0);
                }
            }
            prop_assert_eq!(index.covers(), model.covers());
            prop_assert_eq!(index.stream_count(), model.stream_count());
        }
        let at = at.into_iter().map(|percent| Position::new(history.last * percent / 100));
        let at: Vec<_> = at.chain([Position::MAX]).collect();
        assert_same(&index, &model, &at, &[1, 5, usize::MAX]);
        assert_same_ids(&index, &model, Position::MAX);
    }
}
