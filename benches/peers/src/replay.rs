//! The rows of replay, over engines that hold the same history. Each checks what it is answered.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use annals::fold::ByType;
use annals::{
    Aggregates, Codec, Durability, ExpectedVersion, Fold, IndexKind, Loaded, Payloads, Projection,
    Projector, Stats, Store, Timestamp, TypedEvent, Version,
};
use annals_benches::folder;
use annals_benches::workload::{SEED, Tally};
use annals_env::SeededRandom;
use tempfile::TempDir;

use crate::account::{Account, Entry};
use crate::engine::{Append, Engine, Kind, Settings};
use crate::engines::{plain, sqlite};
use crate::history::{ACCOUNT_EVENTS, Answers, History, LONG, LONG_EVENTS, Written};

/// Accounts that one run loads; each run takes other ones, as far as there are any.
const LOADS: usize = 1_000;
/// Points in time at which one run loads the long account.
const POINTS: usize = 200;
/// Events between two snapshots of the long account.
const SPACING: usize = 100;

/// The engines, each with the history in it.
pub struct Replay {
    /// What they must answer.
    pub answers: Answers,
    /// The limit.
    pub plain: Box<dyn Engine>,
    /// Those beside Annals, by name.
    pub peers: Vec<(&'static str, Box<dyn Engine>)>,
    store: Store,
    accounts: Aggregates<Account>,
    /// When each event was recorded.
    stamps: Vec<Timestamp>,
    _folder: TempDir,
}

/// At which point the long account is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Now.
    Head,
    /// At random versions.
    Versions,
    /// At the versions with most events behind the snapshot before.
    Furthest,
    /// As of random moments.
    Moments,
}

impl At {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Head, Self::Versions, Self::Furthest, Self::Moments];

    /// What it is called.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Head => "load",
            Self::Versions => "load_at, random versions",
            Self::Furthest => "load_at, 99 events behind a snapshot",
            Self::Moments => "load_as_of, random moments",
        }
    }
}

/// What is asked of the long account.
#[derive(Clone, Copy, Debug)]
enum Point {
    Now,
    Version(u64),
    Moment(Timestamp),
}

/// Questions, each with the version that answers it.
#[derive(Debug)]
pub struct Points(Vec<(Point, usize)>);

impl Replay {
    /// Beside SQLite with a second copy of all events by stream.
    #[must_use]
    pub fn new(events: usize) -> Self {
        Self::beside(events, &[sqlite::CLUSTERED])
    }

    /// Writes so many events, and those of the long account, to every engine, and lets each answer
    /// everything once: what follows is read from memory.
    #[must_use]
    pub fn beside(events: usize, peers: &[Kind]) -> Self {
        let folder = folder::fresh();
        let history = History::new(events);
        let (store, stamps) = write(&folder.path().join("store"), &history);
        let load = |kind: &Kind| {
            let engine = (kind.open)(&folder.path().join(kind.name), &Settings::LOAD);
            engine.load(&mut history.events().map(|written| Append {
                stream: written.stream,
                version: written.version - 1,
                events: std::slice::from_ref(written.event),
            }));
            engine.settle();
            engine
        };
        let plain = load(&plain::KIND);
        let peers = peers.iter().map(|kind| (kind.name, load(kind))).collect();
        let accounts = accounts(&store);
        let answers = Answers::of(&history);
        let replay = Self { answers, plain, peers, store, accounts, stamps, _folder: folder };
        for run in 0..replay.answers.accounts.len().div_ceil(LOADS) {
            replay.load(run, |stream| folded(&*replay.plain, stream));
            replay.load(run, |stream| replay.annals(stream));
            for (_, peer) in &replay.peers {
                replay.load(run, |stream| folded(&**peer, stream));
            }
        }
        replay
    }

    /// What the store is made of.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store.stats().unwrap()
    }

    /// Loads accounts of 100 events; gives how many accounts.
    pub fn load(&self, run: usize, load: impl Fn(&str) -> Account) -> usize {
        let accounts = &self.answers.accounts;
        for number in run * LOADS..(run + 1) * LOADS {
            let (stream, wanted) = &accounts[number % accounts.len()];
            assert_eq!(load(stream), *wanted, "{stream}");
        }
        LOADS
    }

    /// An account of 100 events from Annals. It has no snapshot.
    #[must_use]
    pub fn annals(&self, stream: &str) -> Account {
        let loaded = self.accounts.load(stream).unwrap();
        assert_eq!(loaded.replayed.events, ACCOUNT_EVENTS as u64);
        loaded.state
    }

    /// The points of a run, which are others in each.
    #[must_use]
    pub fn points(&self, run: usize, at: At) -> Points {
        let random = SeededRandom::new(SEED ^ run as u64);
        let below = |bound: usize| random.below(bound as u64) as usize;
        let point = |_| match at {
            At::Head => (Point::Now, LONG_EVENTS),
            At::Versions => {
                let version = 1 + below(LONG_EVENTS);
                (Point::Version(version as u64), version)
            }
            At::Furthest => {
                let version = (1 + below(LONG_EVENTS / SPACING)) * SPACING - 1;
                (Point::Version(version as u64), version)
            }
            At::Moments => {
                let moment = self.stamps[below(self.stamps.len())];
                // Others may have been recorded at the same moment.
                let position = self.stamps.partition_point(|&stamp| stamp <= moment);
                (Point::Moment(moment), self.answers.long_version(position as u64))
            }
        };
        Points((0..POINTS).map(point).collect())
    }

    /// Loads the long account at each of these points; gives how many there are.
    pub fn long(&self, points: &Points) -> usize {
        for &(point, version) in &points.0 {
            let Loaded { state, replayed, .. } = match point {
                Point::Now => self.accounts.load(LONG),
                Point::Version(version) => self.accounts.load_at(LONG, Version::new(version)),
                Point::Moment(moment) => self.accounts.load_as_of(LONG, moment),
            }
            .unwrap();
            let wanted = version.checked_sub(1).map(|last| self.answers.long[last].1.clone());
            assert_eq!(state, wanted.unwrap_or_default(), "{point:?}");
            let snapshot = version / SPACING * SPACING;
            assert_eq!(replayed.snapshot.map_or(0, Version::get), snapshot as u64, "{point:?}");
        }
        points.0.len()
    }

    /// How many events a pass over all of them reads.
    #[must_use]
    pub fn events(&self) -> usize {
        self.answers.all.events as usize
    }

    /// Reads all events of the store, and looks at their data.
    pub fn scan(&self) {
        let mut tally = Tally::default();
        for event in self.store.read_all() {
            let event = event.unwrap();
            tally.add(event.version().get(), event.metadata(), event.data());
        }
        assert_eq!(tally, self.answers.all);
    }

    /// Folds the events by type from the first one on, keeping the state in the store.
    pub fn project_by_type(&self) {
        let mut projector = Projector::<ByType>::open(self.store.clone()).unwrap();
        projector.rebuild().unwrap();
        self.check(projector.state());
    }

    /// The same, keeping nothing.
    pub fn by_type(&self) {
        self.check(&ByType::over(&self.store).unwrap());
    }

    fn check(&self, folded: &ByType) {
        let wanted = self.answers.by_type.iter().map(|(name, events)| (name.as_str(), *events));
        assert!(folded.iter().eq(wanted), "{folded:?}");
    }

    /// Decodes all events and folds them into one account, keeping the state in the store.
    pub fn project_total(&self) {
        let payloads = Payloads::new(Codec::Postcard);
        let total = Fold::new("total", move |total: &mut Account, event| {
            total.post(payloads.decode(event)?);
            Ok(())
        });
        let mut projector = Projector::with(self.store.clone(), total).unwrap();
        projector.rebuild().unwrap();
        assert_eq!(*projector.state(), self.answers.total);
    }

    /// How another engine counts by type: all events read in order, with their data.
    pub fn peer_by_type(&self, peer: &dyn Engine) {
        let mut counts = BTreeMap::<String, u64>::new();
        peer.scan(&mut |seen| {
            black_box(seen.data.first_chunk::<8>());
            let event_type = str::from_utf8(seen.event_type).unwrap();
            match counts.get_mut(event_type) {
                Some(events) => *events += 1,
                None => drop(counts.insert(event_type.to_owned(), 1)),
            }
        });
        assert_eq!(counts, self.answers.by_type);
    }

    /// How another engine folds all into one account.
    pub fn peer_total(&self, peer: &dyn Engine) {
        let mut total = Account::default();
        peer.scan(&mut |seen| total.post(Entry::decode(seen.event_type, seen.data)));
        assert_eq!(black_box(total), self.answers.total);
    }
}

/// An account from the events of its stream in another engine, decoded by hand.
#[must_use]
pub fn folded(engine: &dyn Engine, stream: &str) -> Account {
    let mut account = Account::default();
    engine.stream(stream, 1, &mut |seen| {
        account.post(Entry::decode(seen.event_type, seen.data));
    });
    account
}

fn accounts(store: &Store) -> Aggregates<Account> {
    Aggregates::new(store.clone()).codec(Codec::Postcard)
}

/// Writes the history to a new store and opens it again; gives when each event was recorded. Only
/// the long account is written by decisions, and so gets snapshots.
fn write(path: &Path, history: &History) -> (Store, Vec<Timestamp>) {
    let options = Store::options().durability(Durability::Buffered).index(IndexKind::Memory);
    let store = options.open(path).unwrap();
    let accounts = accounts(&store);
    let append = |written: Written<'_>| {
        if written.stream != LONG {
            let event = std::slice::from_ref(written.event);
            let before = ExpectedVersion::at(written.version - 1);
            return store.append(written.stream, before, event).unwrap().recorded_at;
        }
        let decide = |_: &Loaded<Account>| {
            let metadata = written.event.metadata.clone();
            let event = TypedEvent::new(written.entry.clone()).metadata(metadata);
            Ok::<_, annals::Error>(vec![event])
        };
        let executed = accounts.execute(LONG, decide).unwrap();
        executed.snapshot.transpose().unwrap();
        executed.receipt.unwrap().recorded_at
    };
    let stamps = history.events().map(append).collect();
    drop(accounts);
    store.close().unwrap();
    (options.open(path).unwrap(), stamps)
}
