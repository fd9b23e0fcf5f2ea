//! Commits that have their positions but are not visible yet. Decisions count them in; the index
//! takes them in once the log publishes them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use annals_index::{Index, Term};
use annals_log::Publish;
use annals_types::{EventId, Place, Position, Version};
use hashbrown::HashMap;

use crate::lookup::Lookup;
use crate::prepared::Prepared;

/// What the log's lock protects for the store.
pub(crate) struct Pending {
    index: Arc<dyn Index>,
    /// In the order of the log.
    commits: VecDeque<InFlight>,
    /// States that are kept once the log shows their places, in the order of the log.
    kept: VecDeque<(Place, Term, Vec<Place>)>,
    /// Commits are published under the very lock that appended them: the index is told at once, and
    /// nobody ever meets one here.
    at_once: bool,
    /// Up to here the index should have come.
    applied: Position,
    /// The streams of these commits: version and position of the last event.
    heads: HashMap<Arc<str>, (Version, Position)>,
    /// The ids that their callers set.
    ids: HashMap<EventId, Position>,
    terms: InFlightTerms,
}

/// How many of the terms in flight fall on each slot: with none on its slot a term is not in flight,
/// and no commit need be looked at for it.
struct InFlightTerms(Box<[u32; Self::SLOTS]>);

impl InFlightTerms {
    const SLOTS: usize = 4096;

    fn new() -> Self {
        Self(Box::new([0; Self::SLOTS]))
    }

    fn slot(&mut self, term: Term) -> Option<&mut u32> {
        let [low, high, ..] = term.get().to_le_bytes();
        self.0.get_mut(usize::from(u16::from_le_bytes([low, high])) % Self::SLOTS)
    }

    fn add(&mut self, prepared: &Prepared<Arc<str>>) {
        for &term in prepared.each_terms().flatten() {
            if let Some(slot) = self.slot(term) {
                *slot = slot.saturating_add(1);
            }
        }
    }

    fn remove(&mut self, prepared: &Prepared<Arc<str>>) {
        for &term in prepared.each_terms().flatten() {
            if let Some(slot) = self.slot(term) {
                *slot = slot.saturating_sub(1);
            }
        }
    }

    fn may_have(&mut self, term: Term) -> bool {
        self.slot(term).is_some_and(|slot| *slot > 0)
    }
}

struct InFlight {
    first: Position,
    last: Position,
    prepared: Prepared<Arc<str>>,
}

impl Pending {
    pub(crate) fn new(index: Arc<dyn Index>, at_once: bool) -> Self {
        let (heads, ids) = (HashMap::new(), HashMap::new());
        let applied = index.covers();
        let terms = InFlightTerms::new();
        Self {
            index,
            commits: VecDeque::new(),
            kept: VecDeque::new(),
            at_once,
            applied,
            heads,
            ids,
            terms,
        }
    }

    /// The stream's version and newest position among the commits in flight.
    pub(crate) fn head(&self, stream: &str) -> Option<(Version, Position)> {
        if self.heads.is_empty() { None } else { self.heads.get(stream).copied() }
    }

    /// Where an event in flight has this id.
    pub(crate) fn find_id(&self, id: EventId) -> Option<Position> {
        self.ids.get(&id).copied()
    }

    /// The last position of the newest commit in flight with an event that may be looked for.
    pub(crate) fn find(&mut self, lookup: &Lookup) -> Option<Position> {
        if self.commits.is_empty() || !lookup.may_be_among(|term| self.terms.may_have(term)) {
            return None;
        }
        let found = self
            .commits
            .iter()
            .rev()
            .find(|commit| commit.prepared.each_terms().any(|terms| lookup.may_match(terms)));
        found.map(|commit| commit.last)
    }

    /// Takes in a commit whose first event was given this position, or what is told of it.
    pub(crate) fn push(&mut self, first: Position, prepared: &mut Prepared<&str>) {
        let last = first.plus(prepared.len()).minus(1);
        if self.at_once {
            prepared.tell(&*self.index, first);
            self.applied = last;
            return;
        }
        let prepared = prepared.take();
        self.ids.extend(prepared.ids().map(|(id, number)| (id, first.plus(number))));
        for stream in &prepared.streams {
            let version = stream.first_version.plus(stream.events).minus(1);
            let head = (version, first.plus(stream.last));
            self.heads.insert(Arc::clone(&stream.name), head);
        }
        self.terms.add(&prepared);
        self.commits.push_back(InFlight { first, last, prepared });
    }

    /// Takes in a state that was given this place, with what it takes the place of.
    pub(crate) fn keep(&mut self, place: Place, key: Term, superseded: Vec<Place>) {
        self.kept.push_back((place, key, superseded));
    }
}

impl Publish for Pending {
    fn publish(&mut self, visible: Place) -> io::Result<()> {
        while let Some(commit) = self.commits.pop_front_if(|next| next.last <= visible.position) {
            commit.prepared.tell(&*self.index, commit.first);
            self.applied = commit.last;
            self.terms.remove(&commit.prepared);
            for stream in &commit.prepared.streams {
                let head = commit.first.plus(stream.last);
                if self.heads.get(&stream.name).is_some_and(|newest| newest.1 == head) {
                    self.heads.remove(&stream.name);
                }
            }
            for (id, _) in commit.prepared.ids() {
                self.ids.remove(&id);
            }
        }
        while let Some((place, key, old)) = self.kept.pop_front_if(|next| next.0 <= visible) {
            self.index.keep(key, place, &old);
        }
        if self.index.covers() != self.applied {
            let message = format!("the index takes no more up to event {}", self.applied);
            return Err(io::Error::other(message));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("commits", &self.commits.len()).finish_non_exhaustive()
    }
}
