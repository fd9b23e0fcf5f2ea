//! The newest events, in memory, in windows: each is what came between two saves.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_env::sync::RwLock;
use annals_types::{Position, StoreId, Version};

use super::row::Stream;
use crate::memory::MemoryIndex;
use crate::{Entry, Index, Result, StreamHead};

/// The events behind one position, up to another where the next window begins. The newest window
/// grows; the others no longer change.
pub(super) struct Window {
    /// Behind this position.
    pub(super) after: u64,
    pub(super) index: MemoryIndex,
    origins: RwLock<Origins>,
}

/// Where streams come from.
#[derive(Default)]
struct Origins {
    /// The very first event of each stream that is here, by the stream's number.
    first: Vec<StreamHead>,
    /// The positions of those that are here.
    begun: Vec<u64>,
}

impl Window {
    /// The empty window behind a position.
    pub(super) fn new(store: StoreId, after: u64) -> Self {
        let index = MemoryIndex::behind(store, after);
        Self { after, index, origins: RwLock::default() }
    }

    /// The position of its last event.
    pub(super) fn covers(&self) -> u64 {
        self.index.covers().get()
    }

    /// Takes in entries, as [`Index::apply`] does. `before` says where a stream stood before the
    /// window. Gives whether all were in order.
    pub(super) fn take(
        &self,
        entries: &[Entry<'_>],
        before: &dyn Fn(&str) -> Result<Option<Stream>>,
    ) -> Result<bool> {
        if let Some(sound) = self.index.take_known(entries) {
            return Ok(sound);
        }
        let covers = self.index.covers();
        let known = entries.iter().take_while(|entry| entry.position <= covers).count();
        let new = entries.get(known..).unwrap_or_default();
        let mut firsts = Vec::new();
        let mut begun = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut sound = 0;
        let mut last: Option<&str> = None;
        for entry in new {
            // The entries of one commit are often of one stream, and have the very same text.
            let again = last.is_some_and(|last| std::ptr::eq(last, entry.stream));
            if !again && self.index.number(entry.stream).is_none() && !seen.contains(entry.stream) {
                let before = before(entry.stream)?;
                if before.is_some_and(|before| entry.version <= before.newest.version) {
                    break;
                }
                let this = StreamHead { version: entry.version, position: entry.position };
                firsts.push(before.map_or(this, |before| before.first));
                begun.extend(before.is_none().then_some(entry.position.get()));
                seen.insert(entry.stream);
            }
            last = Some(entry.stream);
            sound += 1;
        }
        // Before the events are seen: answers up to what is covered do not change.
        if !firsts.is_empty() {
            let mut origins = self.origins.write();
            origins.first.extend(firsts);
            origins.begun.extend(begun);
        }
        let taken = new.get(..sound).unwrap_or_default();
        self.index.take_in(taken);
        let covers = self.index.covers();
        let all = taken.last().is_none_or(|last| last.position <= covers);
        if !all {
            let there = self.index.stream_count(Position::MAX)?;
            let mut kept = self.origins.write();
            kept.first.truncate(usize::try_from(there).unwrap_or(usize::MAX));
            kept.begun.retain(|position| *position <= covers.get());
        }
        Ok(all && sound == new.len())
    }

    /// First and newest event of a stream that is here.
    pub(super) fn stream(&self, name: &str) -> Result<Option<Stream>> {
        let newest = self.index.head(name, Position::START, Position::MAX)?;
        Ok(newest.zip(self.first(name)).map(|(newest, first)| Stream { first, newest }))
    }

    /// The lowest version of a stream's events that are here.
    pub(super) fn oldest(&self, name: &str) -> Option<Version> {
        self.index.oldest(name)
    }

    /// The very first event of a stream that is here.
    pub(super) fn first(&self, name: &str) -> Option<StreamHead> {
        self.first_of(self.index.number(name)?)
    }

    /// The same, of the stream with this number.
    pub(super) fn first_of(&self, number: u32) -> Option<StreamHead> {
        self.origins.read().first.get(number as usize).copied()
    }

    /// How many streams begin in it at or before this position.
    pub(super) fn begun_at(&self, up_to: u64) -> u64 {
        self.origins.read().begun.partition_point(|position| *position <= up_to) as u64
    }

    /// The positions at which streams begin in it, behind `after` and not behind `up_to`.
    pub(super) fn begun(&self, after: u64, up_to: u64) -> Vec<u64> {
        let origins = self.origins.read();
        let between = |position: &&u64| **position > after && **position <= up_to;
        origins.begun.iter().filter(between).copied().collect()
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        let origins = self.origins.read();
        let firsts = origins.first.capacity() * size_of::<StreamHead>();
        let begun = origins.begun.capacity() * size_of::<u64>();
        self.index.memory_bytes() + (firsts + begun) as u64
    }
}

/// What is in memory, at one moment: nothing is missing and nothing twice if a reader takes what is
/// behind [`Windows::after`] from here and the rest from the database.
#[derive(Clone)]
pub(super) struct Windows {
    /// The oldest first; the newest grows.
    all: Arc<[Arc<Window>]>,
    /// Everything up to here is in the database, and safe on the disk.
    pub(super) after: u64,
    /// How many streams begin up to there.
    streams: u64,
}

impl Windows {
    /// An empty one behind what is saved.
    pub(super) fn new(store: StoreId, after: u64, streams: u64) -> Self {
        Self { all: Arc::new([Arc::new(Window::new(store, after))]), after, streams }
    }

    /// The windows, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Window>> {
        self.all.iter()
    }

    /// The window that grows.
    pub(super) fn newest(&self) -> Option<&Arc<Window>> {
        self.all.last()
    }

    /// The position of the last event.
    pub(super) fn covers(&self) -> u64 {
        self.newest().map_or(self.after, |newest| newest.covers())
    }

    /// How many streams begin at or before a position that is not before [`Windows::after`].
    pub(super) fn streams_at(&self, up_to: u64) -> u64 {
        self.streams + self.iter().map(|window| window.begun_at(up_to)).sum::<u64>()
    }

    /// First and newest event of a stream that is in one of them but the one that grows.
    pub(super) fn stream_before_newest(&self, name: &str) -> Result<Option<Stream>> {
        for window in self.iter().rev().skip(1) {
            if let Some(stream) = window.stream(name)? {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }

    /// The very first event of a stream that is in one of them.
    pub(super) fn first(&self, name: &str) -> Option<StreamHead> {
        self.iter().rev().find_map(|window| window.first(name))
    }

    /// These and a new one behind them, which grows from now on.
    pub(super) fn and_new(&self, store: StoreId) -> Self {
        let new = Arc::new(Window::new(store, self.covers()));
        Self { all: self.iter().cloned().chain([new]).collect(), ..*self }
    }

    /// These without those of which all is saved up to this position.
    pub(super) fn without(&self, saved: u64) -> Self {
        let last = self.all.len().saturating_sub(1);
        let old = self.iter().take(last).take_while(|window| window.covers() <= saved).count();
        let all: Arc<[_]> = self.iter().skip(old).cloned().collect();
        let dropped = self.iter().take(old);
        let after = all.first().map_or(self.after, |oldest| oldest.after);
        let streams = dropped.map(|window| window.begun_at(u64::MAX)).sum::<u64>();
        Self { all, after, streams: self.streams + streams }
    }
}
