//! The names of the faulty disk, and what a power cut can make of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::choices::{Choices, pick};
use super::state::FileId;
use crate::names::{Names, Node};

/// A name and what it stands for from now on.
pub(super) type NewMeaning = (PathBuf, Option<Node<FileId>>);

/// The names that everyone sees, and the changes that are not durable.
#[derive(Clone)]
pub(super) struct Folders {
    live: Names<FileId>,
    durable: Names<FileId>,
    /// What happened to `durable` since, in order. The first is never a settled one.
    changes: Vec<Change>,
}

/// What one operation does to names, all or nothing.
#[derive(Clone)]
struct Change {
    meanings: Vec<NewMeaning>,
    /// The folders that are still to be synced; without any the change is settled.
    unsynced: BTreeSet<PathBuf>,
    /// A sync of one of its folders failed, so no other will settle it.
    doubtful: bool,
}

impl Change {
    fn is_settled(&self) -> bool {
        self.unsynced.is_empty()
    }

    /// Gives the names their new meanings; a folder that was lost has no names.
    fn apply(&self, names: &mut Names<FileId>) {
        for (path, node) in &self.meanings {
            if path.parent().is_none_or(|folder| names.is_folder(folder)) {
                names.set(path, node.clone());
            }
        }
    }

    /// Whether it makes a difference to these names.
    fn matters(&self, names: &Names<FileId>) -> bool {
        self.meanings.iter().any(|(path, node)| {
            names.get(path) != node.as_ref()
                && path.parent().is_none_or(|folder| names.is_folder(folder))
        })
    }
}

impl Folders {
    /// Names that are all durable.
    pub(super) fn durable(names: Names<FileId>) -> Self {
        Self { live: names.clone(), durable: names, changes: Vec::new() }
    }

    pub(super) const fn names(&self) -> &Names<FileId> {
        &self.live
    }

    /// A change that a power cut may keep or lose.
    pub(super) fn change(&mut self, meanings: Vec<NewMeaning>) {
        let folders = meanings.iter().filter_map(|(path, _)| path.parent());
        let unsynced = folders.map(Path::to_path_buf).collect();
        self.push(Change { meanings, unsynced, doubtful: false });
    }

    /// A change that is durable at once.
    pub(super) fn change_durably(&mut self, meanings: Vec<NewMeaning>) {
        self.push(Change { meanings, unsynced: BTreeSet::new(), doubtful: false });
        self.settle();
    }

    fn push(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.changes.push(change);
    }

    /// The changes in `dir` become durable.
    pub(super) fn sync(&mut self, dir: &Path) {
        for change in self.changes.iter_mut().filter(|change| !change.doubtful) {
            change.unsynced.remove(dir);
        }
        self.settle();
    }

    /// No later sync makes the changes in `dir` durable.
    pub(super) fn fail_sync(&mut self, dir: &Path) {
        for change in &mut self.changes {
            change.doubtful |= change.unsynced.contains(dir);
        }
    }

    /// Moves the settled changes that no open one precedes.
    fn settle(&mut self) {
        let open = self.changes.iter().position(|change| !change.is_settled());
        for change in self.changes.drain(..open.unwrap_or(self.changes.len())) {
            change.apply(&mut self.durable);
        }
    }

    /// What a power cut leaves.
    pub(super) fn power_cut(&self, choices: &mut dyn Choices) -> Names<FileId> {
        let mut names = self.durable.clone();
        for change in &self.changes {
            let kept = change.is_settled()
                || change.matters(&names) && pick(choices, vec![false, true]) == Some(true);
            if kept {
                change.apply(&mut names);
            }
        }
        names
    }

    /// Every file that has a name, had one durably, or may get one back.
    pub(super) fn reachable(&self) -> BTreeSet<FileId> {
        let named = self.live.files().chain(self.durable.files()).map(|(_, id)| *id);
        let changed = self.changes.iter().flat_map(|change| &change.meanings);
        let changed = changed.filter_map(|(_, node)| match node {
            Some(Node::File(id)) => Some(*id),
            Some(Node::Folder) | None => None,
        });
        named.chain(changed).collect()
    }
}
