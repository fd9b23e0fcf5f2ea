//! Readers and savers at the side of the thread that applies.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use annals_env::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use annals_env::{Fs, MemoryFs};
use annals_index::{Covers, Entry, Index, MemoryIndex, StreamFilter, Term};
use annals_types::{Epoch, EventId, Place, Position, StoreId, Version};

const STORE: StoreId = StoreId([3; 16]);
const EVENTS: u64 = 40_000;
const DIR: &str = "index";
/// Each event carries one of these by its position, and all carry the last.
const TERMS: [Term; 4] = [Term::new(0), Term::new(1), Term::new(2), Term::new(3)];

/// A history that can be asked in any order.
struct History {
    /// Each stream's positions; streams in the order of their first events.
    streams: Vec<(String, Vec<u64>)>,
    /// Stream and version of each event.
    events: Vec<(usize, u64)>,
}

impl History {
    /// Busy streams, quiet ones, and all the time new ones.
    fn new() -> Self {
        let mut history = Self { streams: Vec::new(), events: Vec::new() };
        for position in 1..=EVENTS {
            let noise = position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let known = history.streams.len();
            let stream = match noise % 8 {
                0 => known,
                1..4 => usize::try_from(noise / 8).unwrap() % known.max(1),
                _ => usize::try_from(noise / 8).unwrap() % known.clamp(1, 3),
            };
            if stream == known {
                history.streams.push((format!("s-{noise}-{position}"), Vec::new()));
            }
            let positions = &mut history.streams[stream].1;
            positions.push(position);
            history.events.push((stream, positions.len() as u64));
        }
        history
    }

    fn entries(&self, positions: Range<u64>) -> impl Iterator<Item = Entry<'_>> {
        positions.map(|position| {
            let (stream, version) = self.events[usize::try_from(position).unwrap() - 1];
            Entry {
                position: Position::new(position),
                stream: &self.streams[stream].0,
                version: Version::new(version),
                id: (position % 3 == 0).then(|| EventId::from_u128(position.into())),
                terms: terms_at(position),
            }
        })
    }

    /// Compares all answers about every `step`th stream.
    fn check(&self, index: &MemoryIndex, up_to: u64, step: usize) {
        let at = Position::new(up_to);
        for (name, all) in self.streams.iter().step_by(step) {
            let there = &all[..all.partition_point(|position| *position <= up_to)];
            let head = index.head(name, Position::START, at).unwrap();
            let head = head.map(|head| (head.version.get(), head.position.get()));
            assert_eq!(head, there.last().map(|last| (there.len() as u64, *last)));
            let mut out = Vec::new();
            index.positions(name, Version::new(1), at, usize::MAX, &mut out).unwrap();
            assert!(out.iter().map(|position| position.get()).eq(there.iter().copied()));
            out.clear();
            index.positions_back(name, Version::MAX, at, 10, &mut out).unwrap();
            assert!(out.iter().map(|it| it.get()).eq(there.iter().rev().take(10).copied()));
        }
    }

    /// Compares some pages of each term's list.
    fn check_terms(&self, index: &MemoryIndex, up_to: u64) {
        for (number, &term) in TERMS.iter().enumerate() {
            let carries = |position: &u64| terms_at(*position).contains(&TERMS[number]);
            for from in [1, up_to / 2, up_to.saturating_sub(3)] {
                let (mut page, mut back) = (Vec::new(), Vec::new());
                let (from, to) = (Position::new(from), Position::new(up_to));
                index.postings(term, from, to, &mut page).unwrap();
                index.postings_back(term, from, to, &mut back).unwrap();
                let all = || (from.get()..=up_to).filter(carries);
                assert!(page.iter().map(|it| it.get()).eq(all().take(page.len())));
                assert!(back.iter().map(|it| it.get()).eq(all().rev().take(back.len())));
                let count = all().filter(|position| *position > 0).count() as u64;
                assert_eq!(index.estimate(term, from, to).unwrap(), count);
                assert_eq!((page.is_empty(), back.is_empty()), (count == 0, count == 0));
            }
        }
    }

    fn check_listing(&self, index: &MemoryIndex, up_to: u64) {
        let begun = self.streams.iter().filter(|(_, all)| all[0] <= up_to);
        let mut names: Vec<_> = begun.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        let mut pages = Vec::new();
        loop {
            let (before, after) = (pages.len(), pages.last().map(|(name, _): &(String, _)| name));
            let (after, at) = (after.cloned(), Position::new(up_to));
            index.streams(&StreamFilter::All, after.as_deref(), at, 500, &mut pages).unwrap();
            if pages.len() == before {
                break;
            }
        }
        assert!(pages.into_iter().map(|(name, _)| name).eq(names));
    }
}

fn terms_at(position: u64) -> &'static [Term] {
    match position % 7 {
        0 if position > 0 => &[TERMS[0], TERMS[3]],
        1..4 => &[TERMS[1], TERMS[3]],
        4..7 => &[TERMS[2], TERMS[3]],
        _ => &[],
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "real threads are what is tested")]
fn answers_up_to_a_position_do_not_change() {
    let history = History::new();
    let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
    let index = MemoryIndex::in_folder(Arc::clone(&fs), DIR, STORE);
    let done = AtomicBool::new(false);
    let checks = AtomicU64::new(0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut position = 1;
            while position <= EVENTS {
                let next = (position + 1 + position % 700).min(EVENTS + 1);
                index.apply(&mut history.entries(position..next));
                position = next;
                // Slow enough for the others to see many states, and in the midst of their work.
                let seen = checks.load(Ordering::Relaxed);
                while checks.load(Ordering::Relaxed) == seen {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        for reader in 0..2 {
            let (history, index, done, checks) = (&history, &index, &done, &checks);
            threads.spawn(move || {
                let mut seen = vec![0];
                while !done.load(Ordering::Relaxed) {
                    seen.push(index.covers().get());
                    for up_to in [seen[seen.len() / 2], seen[seen.len() - 1]] {
                        history.check(index, up_to, 37 + reader);
                        history.check_terms(index, up_to);
                        if reader == 0 {
                            history.check_listing(index, up_to);
                        }
                        checks.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                save_and_check(&history, &index, &fs, index.covers().get());
                save_and_check(&history, &index, &fs, index.covers().get() / 3);
            }
        });
    });
    save_and_check(&history, &index, &fs, EVENTS);
}

/// An image holds what there was at its place, whatever has come since.
fn save_and_check(history: &History, index: &MemoryIndex, fs: &Arc<dyn Fs>, cut: u64) {
    let place = Place::event(Position::new(cut));
    let covers = Covers { store: STORE, epoch: Epoch { number: 1, id: 1 }, place };
    index.save(covers).unwrap();
    let loaded = MemoryIndex::load(Arc::clone(fs), Path::new(DIR), STORE).unwrap();
    let (loaded, found) = loaded.unwrap();
    assert_eq!((found, loaded.covers()), (covers, place.position));
    let begun = history.streams.iter().filter(|(_, all)| all[0] <= cut);
    assert_eq!(loaded.stream_count(Position::MAX).unwrap(), begun.count() as u64);
    history.check(&loaded, cut, 1);
    history.check_terms(&loaded, cut);
    let everything = loaded.estimate(TERMS[3], Position::START, Position::MAX).unwrap();
    assert_eq!(everything, cut);
    for (name, all) in &history.streams {
        let there = all.partition_point(|position| *position <= cut) as u64;
        let head = loaded.head(name, Position::START, Position::MAX).unwrap();
        let version = head.map_or(0, |head| head.version.get());
        assert_eq!(version, there);
    }
    for position in (3..=EVENTS).step_by(99) {
        let mut out = Vec::new();
        loaded.find_id(EventId::from_u128(position.into()), Position::START, &mut out).unwrap();
        assert_eq!(!out.is_empty(), position <= cut, "{position}");
    }
    history.check_listing(&loaded, cut);
}
