//! An index is only ever a help: whatever state its files are in beside the log, the store answers
//! as if it had been made anew. It may be behind the log, ahead of it because the log was put back
//! to an older copy, of a fork of the log's history, of another store, or gone. Only where it, or
//! the state page, proves that the log has lost its end may the store refuse to open.

use std::path::Path;

use annals::{Commit, Durability, ErrorKind, IndexKind, Position, QueryItem, Store};
use annals_env::RealFs;
use annals_tests::check::{self, Check};
use annals_tests::files::{self, Files};
use annals_tests::kinds;
use annals_tests::model::{Model, any};
use annals_tests::workload::seeded;
use annals_tests::world::{BEGINNING, World};

/// The state of a store that has nothing to do with the others.
const OTHER: &str = "another store";

/// A store's folder at some time, and what was in it.
struct State {
    name: &'static str,
    /// The states that it came from, itself last.
    past: Vec<&'static str>,
    files: Files,
    model: Model,
}

/// One store and what becomes of it.
struct History {
    folder: tempfile::TempDir,
    kind: IndexKind,
    durability: Durability,
    seed: u64,
    model: Model,
    past: Vec<&'static str>,
    states: Vec<State>,
}

impl History {
    fn new(kind: IndexKind, durability: Durability, seed: u64) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            kind,
            durability,
            seed: seed * 1_000_000,
            model: Model::new(),
            past: Vec::new(),
            states: Vec::new(),
        }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the store, commits so many times, and closes it. With a name for `killed`, its state in
    /// between is kept too, as if the process had died there.
    fn live(&mut self, commits: u64, killed: Option<&'static str>, closed: &'static str) {
        self.seed += 1_000;
        let world = World::new(RealFs, self.seed).with_root(self.root()).with_index(self.kind);
        let store = world.open(self.durability).unwrap();
        for number in 0..commits {
            if let Some(name) = killed.filter(|_| number == commits / 2) {
                self.keep(name);
            }
            let commit = commit(self.seed + number * 10);
            let receipt = store.commit(&commit).unwrap();
            check::accepted(&mut self.model, &commit, &receipt).unwrap();
            world.scheduler.run_until_idle();
        }
        store.close().unwrap();
        self.keep(closed);
    }

    fn keep(&mut self, name: &'static str) {
        self.past.push(name);
        let (past, model) = (self.past.clone(), self.model.clone());
        self.states.push(State { name, past, files: files::read(&RealFs, self.root()), model });
    }

    /// Goes on from an earlier state; what came after it is another history's.
    fn back_to(&mut self, name: &str) {
        let state = self.states.iter().find(|state| state.name == name).unwrap();
        self.model = state.model.clone();
        self.past = state.past.clone();
        files::replace(&RealFs, self.folder.path(), &state.files);
        self.seed += 500_000;
    }
}

/// Of one stream or of three, with tags that come again.
fn commit(seed: u64) -> Commit<'static> {
    let streams = ["order-1", "order-2", "cart-1"];
    let at = usize::try_from(seed / 10 % 3).unwrap();
    let commit = any(streams[at], seeded::events(seed, 1 + seed / 10 % 3, 300));
    if at > 0 {
        return commit;
    }
    let more = |commit: Commit<'static>, stream, seed| {
        commit.append(stream, annals::ExpectedVersion::Any, seeded::events(seed, 2, 80))
    };
    more(more(commit, "cart-2", seed + 3), "order-1", seed + 6)
}

/// A history with crashes between saved indexes, and forks of it.
fn states(kind: IndexKind, durability: Durability) -> Vec<State> {
    let mut history = History::new(kind, durability, 1);
    history.live(0, None, "new");
    history.live(9, None, "one");
    history.live(14, Some("two, killed"), "two");
    history.live(0, None, "three, empty");
    history.live(40, Some("four, killed"), "four");
    history.live(3, None, "five");
    // The same epoch number, another epoch.
    history.back_to("one");
    history.live(5, None, "fork two");
    history.live(5, None, "fork three");
    history.back_to("two, killed");
    history.live(8, Some("late fork, killed"), "late fork");
    let mut other = History::new(kind, durability, 7);
    other.live(12, None, OTHER);
    history.states.append(&mut other.states);
    history.states
}

fn part(files: &Files, name: &str) -> Files {
    let inside = files.iter().filter(|(path, _)| path.starts_with(name));
    inside.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}

/// What became of an opening.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    opened: u64,
    refused: u64,
    /// Of these, because of the index alone.
    by_index: u64,
}

/// The log of one state with the state page and the index of others.
struct Mix<'a> {
    log: &'a State,
    page: Option<&'a State>,
    index: Option<&'a State>,
}

impl Mix<'_> {
    fn name(&self) -> String {
        let name = |state: Option<&State>| state.map_or("nothing", |state| state.name);
        let (page, index) = (name(self.page), name(self.index));
        format!("the log of {}, the state page of {page}, the index of {index}", self.log.name)
    }

    /// Whether something says that the log was longer once, or had other ends: for the log alone, a
    /// fork's end is one that it has lost.
    fn tells_of_a_loss(&self) -> bool {
        let unknown = |state: &Option<&State>| {
            state.is_some_and(|it| it.name != OTHER && !self.log.past.contains(&it.name))
        };
        unknown(&self.page) || unknown(&self.index)
    }

    fn examine(&self, kind: IndexKind, durability: Durability, counts: &mut Counts) -> Check {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut files = part(&self.log.files, "log");
        files.extend(self.page.map(|page| part(&page.files, "state")).unwrap_or_default());
        files.extend(self.index.map(|index| part(&index.files, "index")).unwrap_or_default());
        files::replace(&RealFs, folder.path(), &files);
        let world =
            |seed| World::at(RealFs, seed, BEGINNING).with_root(folder.path()).with_index(kind);
        let model = &self.log.model;
        let reader = world(90).open_read_only().map_err(|error| format!("read-only: {error}"))?;
        let read_only = check::answers(&reader, model, model.head());
        let is_damaged = !reader.damage().is_empty();
        drop(reader);
        let store = match world(91).open(durability) {
            Ok(store) => store,
            Err(error)
                if matches!(error.kind(), ErrorKind::Damaged(_)) && self.tells_of_a_loss() =>
            {
                counts.refused += 1;
                let own = self.page.is_none_or(|page| page.name == self.log.name);
                counts.by_index += u64::from(own);
                return check::equal("whether a read-only opening tells", true, is_damaged);
            }
            Err(error) => return Err(format!("opening: {error} ({:?})", error.kind())),
        };
        counts.opened += 1;
        read_only.map_err(|error| format!("read-only: {error}"))?;
        check::answers(&store, model, model.head())?;
        let mut model = model.clone();
        go_on(&store, &mut model, &world(91))?;
        store.close().map_err(|error| format!("closing: {error}"))?;
        let store = world(92).open(durability).map_err(|error| format!("again: {error}"))?;
        check::answers(&store, &model, model.head()).map_err(|error| format!("again: {error}"))
    }
}

/// Versions, ids and conditions are decided right.
fn go_on(store: &Store, model: &mut Model, world: &World) -> Check {
    let now = world.now();
    let repeatable = |commit: &Commit<'_>| commit.ids().next().is_some();
    let old: Vec<Commit<'static>> = model.commits().map(|(commit, _)| commit.clone()).collect();
    for commit in old.iter().filter(|commit| repeatable(commit)).rev().take(4) {
        check::commit(store, model, commit, now)?;
    }
    let head = model.head();
    for after in [Position::START, head.minus(5), head] {
        let tagged = QueryItem::new().tag("tag0:1").event_type("Noted");
        for query in [tagged, QueryItem::new().category("cart")] {
            let version = model.version("order-1", Position::MAX);
            let seed = 50_000_000 + model.head().get() * 10;
            let commit = Commit::new()
                .append("order-1", version, seeded::events(seed, 1, 50))
                .append("new-1", annals::ExpectedVersion::Any, seeded::events(seed + 1, 1, 50))
                .fail_if(query, after);
            check::commit(store, model, &commit, now)?;
        }
    }
    check::answers(store, model, model.head())
}

fn every_mix(durability: Durability) {
    for kind in kinds() {
        let states = states(kind, durability);
        let mut counts = Counts::default();
        for log in states.iter().filter(|state| state.name != OTHER) {
            let others = || states.iter().map(Some).chain([None]);
            let rewound =
                others().flat_map(|index| [Some(log), None, index].map(|page| (page, index)));
            for (page, index) in rewound {
                let mix = Mix { log, page, index };
                mix.examine(kind, durability, &mut counts)
                    .unwrap_or_else(|error| panic!("{kind:?}, {}: {error}", mix.name()));
            }
        }
        println!("{kind:?}, {durability:?}: {counts:?}");
        assert!(counts.opened > 200 && counts.by_index > 0, "{counts:?}");
    }
}

#[test]
fn every_index_beside_every_log() {
    every_mix(Durability::Sync);
}

#[test]
fn every_index_beside_every_log_of_a_buffered_store() {
    every_mix(Durability::Buffered);
}

/// The canary: a log that is not the one expected is noticed.
#[test]
fn another_log_is_noticed() {
    let states = states(IndexKind::Memory, Durability::Sync);
    let find = |name| states.iter().find(|state| state.name == name).unwrap();
    let (one, two) = (find("fork two"), find("two, killed"));
    let log = State {
        name: "wrong",
        past: Vec::new(),
        files: one.files.clone(),
        model: two.model.clone(),
    };
    let mix = Mix { log: &log, page: Some(one), index: Some(one) };
    assert!(mix.examine(IndexKind::Memory, Durability::Sync, &mut Counts::default()).is_err());
}
