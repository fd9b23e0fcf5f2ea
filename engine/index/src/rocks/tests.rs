//! Long lists, compactions, readers at the side, saves that fail; and how fast it is.

mod opening;
mod speed;

use std::path::Path;

use annals_env::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use annals_env::{Fs, RealFs, SeededRandom};
use annals_types::{Epoch, Place};
use tempfile::TempDir;

use super::*;

const STORE: StoreId = StoreId([5; 16]);
const TERMS: u64 = 40;

fn covers(position: Position) -> Covers {
    Covers { store: STORE, epoch: Epoch { number: 1, id: 2 }, place: Place::event(position) }
}

fn open(dir: &Path) -> RocksIndex {
    RocksIndex::open(dir, STORE).unwrap().index
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// An event that can be lent.
struct Event {
    position: u64,
    stream: String,
    version: u64,
    id: Option<u128>,
    terms: Vec<Term>,
}

impl Event {
    fn entry(&self) -> Entry<'_> {
        Entry {
            position: Position::new(self.position),
            stream: &self.stream,
            version: Version::new(self.version),
            id: self.id.map(EventId::from_u128),
            terms: &self.terms,
        }
    }
}

/// Events behind `after`: of busy streams and quiet ones, now and then with a gap.
struct Story {
    position: u64,
    versions: std::collections::BTreeMap<u64, u64>,
}

impl Story {
    fn tell(&mut self, random: &SeededRandom, events: u64) -> Vec<Event> {
        let mut told = Vec::new();
        for _ in 0..events {
            self.position += match random.below(4000) {
                0 => random.below(3 << keys::BLOCK_BITS),
                1..20 => 1 + random.below(9),
                _ => 1,
            };
            let stream = match random.below(10) {
                0..6 => 0,
                6 | 7 => 1 + random.below(20),
                _ => 100 + random.below(2000),
            };
            let version = self.versions.entry(stream).or_default();
            *version += if random.below(500) == 0 { 1 + random.below(5) } else { 1 };
            let mut terms = vec![Term::new(0)];
            let more = 1 + random.below(TERMS - 1);
            terms.push(Term::new(if random.below(2) == 0 { 1 } else { more.max(2) }));
            told.push(Event {
                position: self.position,
                stream: format!("s-{stream}"),
                version: *version,
                id: (random.below(3) == 0).then(|| random.below(50_000).into()),
                terms,
            });
        }
        told
    }
}

/// Asks both the same at random, about what is up to a tenth above `newest`.
fn compare(one: &dyn Index, other: &dyn Index, random: &SeededRandom, newest: u64, times: u32) {
    let end = newest + newest / 10 + 2;
    let position = || Position::new(random.below(end));
    for _ in 0..times {
        let stream = match random.below(3) {
            0 => "s-0".to_owned(),
            1 => format!("s-{}", random.below(25)),
            _ => format!("s-{}", 100 + random.below(2010)),
        };
        let (after, up_to) = (position(), position());
        let (a, b) = (one.head(&stream, after, up_to), other.head(&stream, after, up_to));
        assert_eq!(a.unwrap(), b.unwrap(), "{stream} between {after} and {up_to}");

        let version = other.head(&stream, Position::START, Position::MAX).unwrap();
        let version = version.map_or(3, |head| head.version.get());
        let from = Version::new(random.below(version + 3));
        let limit = [1, 7, 3000, usize::MAX][size(random.below(4))];
        let (mut a, mut b) = (Vec::new(), Vec::new());
        one.positions(&stream, from, up_to, limit, &mut a).unwrap();
        other.positions(&stream, from, up_to, limit, &mut b).unwrap();
        assert_eq!(a, b, "{stream} from {from} up to {up_to}, {limit}");
        let (mut a, mut b) = (Vec::new(), Vec::new());
        one.positions_back(&stream, from, up_to, limit, &mut a).unwrap();
        other.positions_back(&stream, from, up_to, limit, &mut b).unwrap();
        assert_eq!(a, b, "{stream} back from {from} up to {up_to}, {limit}");

        let term = Term::new(random.below(TERMS + 1));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        one.postings(term, after, up_to, &mut a).unwrap();
        other.postings(term, after, up_to, &mut b).unwrap();
        let shorter = a.len().min(b.len());
        assert_eq!(a.is_empty(), b.is_empty(), "{term:?} between {after} and {up_to}");
        assert_eq!(a[..shorter], b[..shorter], "{term:?} between {after} and {up_to}");
        let (mut a, mut b) = (Vec::new(), Vec::new());
        one.postings_back(term, after, up_to, &mut a).unwrap();
        other.postings_back(term, after, up_to, &mut b).unwrap();
        let shorter = a.len().min(b.len());
        assert_eq!(a.is_empty(), b.is_empty(), "{term:?} back between {after} and {up_to}");
        assert_eq!(a[..shorter], b[..shorter], "{term:?} back between {after} and {up_to}");
        let guess = one.estimate(term, after, up_to).unwrap();
        let exact = other.estimate(term, after, up_to).unwrap();
        assert_eq!(guess == 0, exact == 0, "{guess} for {exact}");

        let id = EventId::from_u128(random.below(50_000).into());
        let (mut a, mut b) = (Vec::new(), Vec::new());
        one.find_id(id, after, &mut a).unwrap();
        other.find_id(id, after, &mut b).unwrap();
        a.retain(|position| position.get() < end);
        b.retain(|position| position.get() < end);
        assert_eq!(a, b);
        assert_eq!(one.stream_count(up_to).unwrap(), other.stream_count(up_to).unwrap());
    }
    for _ in 0..times / 50 {
        let up_to = position();
        let after = format!("s-{}", random.below(2500));
        let filter = StreamFilter::Prefix("s-1".to_owned());
        for (filter, limit) in [(&filter, usize::MAX), (&StreamFilter::All, 10)] {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            one.streams(filter, Some(&after), up_to, limit, &mut a).unwrap();
            other.streams(filter, Some(&after), up_to, limit, &mut b).unwrap();
            assert_eq!(a, b);
        }
    }
}

#[test]
fn long_lists_are_read_as_from_memory() {
    for seed in 0..4 {
        let random = SeededRandom::new(seed);
        let dir = TempDir::new().unwrap();
        let mut index = open(dir.path());
        let memory = crate::MemoryIndex::new(STORE);
        let mut story = Story { position: 0, versions: Default::default() };
        for round in 0..12 {
            let events = story.tell(&random, 1 + random.below([300, 30_000][round % 2]));
            memory.apply(&mut events.iter().map(Event::entry));
            index.apply(&mut events.iter().map(Event::entry));
            let cut = events[size(random.below(events.len() as u64))].position;
            index.save(covers(Position::new(cut))).unwrap();
            if round % 3 == 2 {
                index.db().unwrap().compact();
            }
            if round % 5 == 4 {
                drop(index);
                index = open(dir.path());
                assert_eq!(index.covers().get(), cut);
                index.apply(&mut events.iter().map(Event::entry));
            }
            compare(&index, &memory, &random, story.position, 200);
        }
        index.save(covers(index.covers())).unwrap();
        drop(index);
        compare(&open(dir.path()), &memory, &random, story.position, 2000);
    }
}

/// Ends the others too where one of them fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "real threads are what is tested")]
fn answers_do_not_change_while_others_apply_and_save() {
    const PARTS: u64 = 40;
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    let whole = crate::MemoryIndex::new(STORE);
    let random = SeededRandom::new(17);
    let mut story = Story { position: 0, versions: Default::default() };
    let parts: Vec<_> = (0..PARTS).map(|_| story.tell(&random, 1 + random.below(3000))).collect();
    for events in &parts {
        whole.apply(&mut events.iter().map(Event::entry));
    }
    let done = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    // Readers look at what is there; at first that is nothing.
    index.apply(&mut parts[0].iter().map(Event::entry));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let _done = Ending(&done);
            for events in &parts {
                index.apply(&mut events.iter().map(Event::entry));
                let seen = rounds.load(Ordering::Relaxed);
                while rounds.load(Ordering::Relaxed) < seen + 2 && !done.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
            }
        });
        threads.spawn(|| {
            let _done = Ending(&done);
            while !done.load(Ordering::Relaxed) {
                let lag = random.below(2000);
                index.save(covers(index.covers().minus(lag))).unwrap();
            }
        });
        for seed in 0..2 {
            let (index, whole, done, rounds) = (&index, &whole, &done, &rounds);
            threads.spawn(move || {
                let _done = Ending(done);
                let random = SeededRandom::new(seed);
                while !done.load(Ordering::Relaxed) {
                    let newest = (index.covers().get() / 11 * 10).saturating_sub(2);
                    compare(index, whole, &random, newest, 50);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    compare(&index, &whole, &random, story.position, 500);
}

#[test]
fn a_reader_at_the_side_keeps_its_picture() {
    let random = SeededRandom::new(9);
    let dir = TempDir::new().unwrap();
    assert!(RocksIndex::open_read_only(dir.path(), STORE).unwrap().is_none());
    assert!(RocksIndex::open_read_only(&dir.path().join("none"), STORE).unwrap().is_none());
    assert!(!dir.path().join("none").exists());
    let index = open(dir.path());
    assert!(RocksIndex::open_read_only(dir.path(), STORE).unwrap().is_none());

    let mut story = Story { position: 0, versions: Default::default() };
    let mut readers = Vec::new();
    let whole = crate::MemoryIndex::new(STORE);
    for _ in 0..6 {
        let events = story.tell(&random, 5000);
        index.apply(&mut events.iter().map(Event::entry));
        whole.apply(&mut events.iter().map(Event::entry));
        index.save(covers(index.covers())).unwrap();
        let names = || RealFs.list(dir.path()).unwrap();
        let before = names();
        let (reader, found) = RocksIndex::open_read_only(dir.path(), STORE).unwrap().unwrap();
        assert_eq!(names(), before);
        assert_eq!(found, covers(index.covers()));
        // Saving it does nothing.
        reader.save(covers(Position::new(1))).unwrap();
        index.db().unwrap().compact();
        readers.push((reader, index.covers()));
    }
    for (reader, covers) in readers {
        assert_eq!(reader.covers(), covers);
        // Up to its position, so that `whole` has nothing more.
        for stream in 0..2100 {
            let name = format!("s-{stream}");
            let (mut a, mut b) = (Vec::new(), Vec::new());
            reader.positions(&name, Version::NONE, Position::MAX, 9000, &mut a).unwrap();
            whole.positions(&name, Version::NONE, covers, 9000, &mut b).unwrap();
            assert_eq!(a, b);
        }
        // What it did not see is applied to it.
        let mut all = Story { position: 0, versions: Default::default() };
        let again = SeededRandom::new(9);
        for _ in 0..6 {
            reader.apply(&mut all.tell(&again, 5000).iter().map(Event::entry));
        }
        compare(&reader, &whole, &random, story.position, 100);
    }
    assert!(RocksIndex::open_read_only(dir.path(), StoreId([6; 16])).unwrap().is_none());
}

#[test]
fn the_newest_is_answered_from_memory() {
    let random = SeededRandom::new(4);
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    let mut story = Story { position: 0, versions: Default::default() };
    for _ in 0..3 {
        index.apply(&mut story.tell(&random, 3000).iter().map(Event::entry));
        index.save(covers(index.covers())).unwrap();
    }
    let saved = index.covers();
    index.apply(&mut story.tell(&random, 500).iter().map(Event::entry));
    let asked = index.db().unwrap().asked.load(Ordering::Relaxed);
    let newest = Position::MAX;
    let mut out = Vec::new();
    for n in 0..2100 {
        let name = format!("s-{n}");
        if let Some(head) = index.head(&name, saved, newest).unwrap() {
            index.positions(&name, head.version, newest, 9, &mut out).unwrap();
            index.positions_back(&name, Version::MAX, newest, 1, &mut out).unwrap();
        }
        let term = Term::new(n);
        index.postings(term, saved.plus(1), newest, &mut out).unwrap();
        index.postings_back(term, saved.plus(1), newest, &mut out).unwrap();
        index.estimate(term, saved.plus(1), newest).unwrap();
        index.find_id(EventId::from_u128(n.into()), saved, &mut out).unwrap();
    }
    index.stream_count(newest).unwrap();
    // Busy streams, and those of the last save.
    index.head("s-0", Position::START, newest).unwrap();
    assert_eq!(index.db().unwrap().asked.load(Ordering::Relaxed), asked);
    index.head("none", Position::START, newest).unwrap();
    assert_ne!(index.db().unwrap().asked.load(Ordering::Relaxed), asked);
}

#[test]
fn a_stream_is_looked_up_once_until_what_is_saved_changes() {
    let dir = TempDir::new().unwrap();
    let index = open(dir.path());
    let newest = Position::MAX;
    let (mut position, mut versions) = (0, std::collections::BTreeMap::new());
    let mut append = |stream: &str| {
        let version: &mut u64 = versions.entry(stream.to_owned()).or_default();
        let head = index.head(stream, Position::START, newest).unwrap();
        assert_eq!(head.map_or(0, |head| head.version.get()), *version, "{stream}");
        (position, *version) = (position + 1, *version + 1);
        let (stream, terms) = (stream.to_owned(), Vec::new());
        let event = Event { position, stream, version: *version, id: None, terms };
        index.apply(&mut std::iter::once(event.entry()));
        assert_eq!(index.covers().get(), position);
        position
    };
    let save = |position| index.save(covers(Position::new(position))).unwrap();
    // What a round found of a stream is not what the next one finds, nor that there was none.
    for round in 0..20 {
        append(&format!("new-{round}"));
        // Three saves: what the first one saved is in no window any more.
        save(append("old"));
        save(append("other"));
        save(append("another"));
        let asked = || index.db().unwrap().asked.load(Ordering::Relaxed);
        let before = asked();
        append("old");
        append(&format!("new-{round}"));
        append(&format!("new-{}", round + 1));
        assert_eq!(asked(), before + 3);
    }
    assert_eq!(index.stream_count(newest).unwrap(), 24);
}

#[test]
fn a_save_that_fails_loses_nothing() {
    let random = SeededRandom::new(3);
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("index");
    let index = open(&path);
    let memory = crate::MemoryIndex::new(STORE);
    let mut story = Story { position: 0, versions: Default::default() };
    let mut tell = |events| {
        let events = story.tell(&random, events);
        memory.apply(&mut events.iter().map(Event::entry));
        index.apply(&mut events.iter().map(Event::entry));
        story.position
    };
    tell(3000);
    index.save(covers(index.covers())).unwrap();
    tell(3000);
    // The files that are open stay readable, but no new ones can be made.
    let away = dir.path().join("away");
    RealFs.rename(&path, &away).unwrap();
    for _ in 0..20 {
        let newest = tell(100);
        assert!(index.save(covers(index.covers())).is_err());
        compare(&index, &memory, &random, newest, 20);
    }
    assert!(index.windows().iter().count() <= 4);
    drop(index);
    let index = open(&away);
    assert_eq!(index.stream_count(Position::MAX).unwrap(), {
        memory.stream_count(index.covers()).unwrap()
    });
}
