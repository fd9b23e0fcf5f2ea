//! Commits that have their positions but are not visible yet. Decisions count them in; the index
//! takes them in once the log publishes them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use annals_index::{Entry, Index};
use annals_log::Publish;
use annals_types::{EventId, NewEvent, Place, Position, Version};
use hashbrown::HashMap;

/// What the log's lock protects for the store.
pub(crate) struct Pending {
    index: Arc<dyn Index>,
    /// In the order of the log.
    commits: VecDeque<Commit>,
    /// Commits are published under the very lock that appended them: nobody ever meets one here.
    at_once: bool,
    /// The streams of these commits: version and position of the last event.
    heads: HashMap<Arc<str>, (Version, Position)>,
    /// The ids that their callers set.
    ids: HashMap<EventId, Position>,
}

struct Commit {
    stream: Arc<str>,
    first_version: Version,
    first: Position,
    last: Position,
    /// One for each event, or none where no caller set any.
    ids: Vec<Option<EventId>>,
}

impl Pending {
    pub(crate) fn new(index: Arc<dyn Index>, at_once: bool) -> Self {
        let (heads, ids) = (HashMap::new(), HashMap::new());
        Self { index, commits: VecDeque::new(), at_once, heads, ids }
    }

    /// The stream's version and newest position among the commits in flight.
    pub(crate) fn head(&self, stream: &str) -> Option<(Version, Position)> {
        if self.at_once { None } else { self.heads.get(stream).copied() }
    }

    /// Where an event in flight has this id.
    pub(crate) fn find_id(&self, id: EventId) -> Option<Position> {
        self.ids.get(&id).copied()
    }

    /// Takes in a commit that was given its positions.
    pub(crate) fn push(
        &mut self,
        stream: &str,
        first_version: Version,
        first: Position,
        events: &[NewEvent],
    ) {
        let after_first = (events.len() as u64).saturating_sub(1);
        let (last, stream) = (first.plus(after_first), Arc::<str>::from(stream));
        let has_ids = events.iter().any(|event| event.id.is_some());
        let ids = if has_ids { events.iter().map(|event| event.id).collect() } else { Vec::new() };
        if !self.at_once {
            for (id, position) in ids.iter().zip(first.get()..) {
                self.ids.extend(id.map(|id| (id, Position::new(position))));
            }
            self.heads.insert(Arc::clone(&stream), (first_version.plus(after_first), last));
        }
        self.commits.push_back(Commit { stream, first_version, first, last, ids });
    }
}

impl Publish for Pending {
    fn publish(&mut self, visible: Place) -> io::Result<()> {
        while let Some(commit) = self.commits.pop_front_if(|next| next.last <= visible.position) {
            let count = commit.last.get() - commit.first.get() + 1;
            self.index.apply(&mut (0..count).map(|n| Entry {
                position: commit.first.plus(n),
                stream: &commit.stream,
                version: commit.first_version.plus(n),
                id: usize::try_from(n).ok().and_then(|n| commit.ids.get(n).copied().flatten()),
            }));
            if self.index.covers() != commit.last {
                let message = format!("the index takes no more at event {}", commit.last);
                return Err(io::Error::other(message));
            }
            if self.at_once {
                continue;
            }
            if self.heads.get(&commit.stream).is_some_and(|head| head.1 == commit.last) {
                self.heads.remove(&commit.stream);
            }
            for id in commit.ids.into_iter().flatten() {
                self.ids.remove(&id);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("commits", &self.commits.len()).finish_non_exhaustive()
    }
}
