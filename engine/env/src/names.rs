//! The names of a file system in memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::{Component, Path, PathBuf};

use crate::fs::{Entry, EntryKind};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node<F> {
    Folder,
    File(F),
}

/// Names, each with its whole path as [`key`] writes it. The root and the working folder are always
/// there.
#[derive(Clone, Debug)]
pub(crate) struct Names<F> {
    nodes: BTreeMap<PathBuf, Node<F>>,
}

/// The one way to write a path: without `.` and `..` (there are no links).
pub(crate) fn key(path: &Path) -> PathBuf {
    let mut key = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                key.pop();
            }
            other => key.push(other),
        }
    }
    key
}

/// All that stands between a path's folder and the outermost folder, the nearest first.
fn folders_above(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().skip(1).filter(|path| !is_outermost(path))
}

fn is_outermost(path: &Path) -> bool {
    path.parent().is_none()
}

impl<F: Clone> Names<F> {
    pub(crate) const fn new() -> Self {
        Self { nodes: BTreeMap::new() }
    }

    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        is_outermost(path) || matches!(self.nodes.get(path), Some(Node::Folder))
    }

    /// Why there is nothing at `path`.
    fn missing(&self, path: &Path) -> io::Error {
        let blocked =
            folders_above(path).any(|folder| matches!(self.nodes.get(folder), Some(Node::File(_))));
        if blocked { io::ErrorKind::NotADirectory.into() } else { io::ErrorKind::NotFound.into() }
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&Node<F>> {
        self.nodes.get(path)
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &Path) -> io::Result<&F> {
        match self.nodes.get(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None if is_outermost(path) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(self.missing(path)),
        }
    }

    /// Fine where a file can be made at `path`.
    pub(crate) fn check_free(&self, path: &Path) -> io::Result<()> {
        if is_outermost(path) || self.nodes.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.check_folder(path.parent().unwrap_or(path))
    }

    /// Fine where `dir` is a folder.
    pub(crate) fn check_folder(&self, dir: &Path) -> io::Result<()> {
        match self.nodes.get(dir) {
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            _ if self.is_folder(dir) => Ok(()),
            _ => Err(self.missing(dir)),
        }
    }

    /// The file at `from`, where it can be given the name `to`.
    pub(crate) fn check_rename(&self, from: &Path, to: &Path) -> io::Result<F> {
        let file = self.file(from)?.clone();
        if self.is_folder(to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.check_folder(to.parent().unwrap_or(to))?;
        Ok(file)
    }

    /// The folders to be made so that `dir` is there, outermost first.
    pub(crate) fn missing_folders(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        if matches!(self.nodes.get(dir), Some(Node::File(_))) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut missing: Vec<PathBuf> = Vec::new();
        if !self.is_folder(dir) {
            missing.push(dir.to_path_buf());
        }
        for folder in folders_above(dir) {
            match self.nodes.get(folder) {
                Some(Node::Folder) => break,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => missing.push(folder.to_path_buf()),
            }
        }
        missing.reverse();
        Ok(missing)
    }

    /// Gives a name its meaning, or takes the name away.
    pub(crate) fn set(&mut self, path: &Path, node: Option<Node<F>>) {
        match node {
            Some(node) => self.nodes.insert(path.to_path_buf(), node),
            None => self.nodes.remove(path),
        };
    }

    /// The names in a folder, sorted.
    pub(crate) fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.check_folder(dir)?;
        let below = self.nodes.range::<Path, _>((Bound::Excluded(dir), Bound::Unbounded));
        let mut entries: Vec<Entry> = below
            .take_while(|(path, _)| path.starts_with(dir))
            .filter(|(path, _)| path.parent() == Some(dir))
            .filter_map(|(path, node)| {
                let kind = match node {
                    Node::Folder => EntryKind::Folder,
                    Node::File(_) => EntryKind::File,
                };
                Some(Entry { name: path.file_name()?.to_string_lossy().into_owned(), kind })
            })
            .collect();
        // The map is sorted by the system's bytes, which differ where a name is not UTF-8.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PathBuf, &Node<F>)> {
        self.nodes.iter()
    }

    /// All files by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&PathBuf, &F)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path, file)),
            Node::Folder => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_key() {
        for path in ["a/b", "./a/b", "a//b/", "a/./b", "a/c/../b"] {
            assert_eq!(key(Path::new(path)), Path::new("a/b"), "{path}");
        }
        assert_eq!(key(Path::new("/a/..")), Path::new("/"));
        assert_eq!(key(Path::new(".")), Path::new(""));
    }

    #[test]
    fn the_outermost_folders_are_there() {
        let names: Names<()> = Names::new();
        for dir in ["", "/"] {
            assert_eq!(names.list(Path::new(dir)).unwrap(), []);
            assert!(names.missing_folders(Path::new(dir)).unwrap().is_empty());
            assert!(names.check_free(Path::new(dir)).is_err());
        }
        assert_eq!(
            names.missing_folders(Path::new("/a/b")).unwrap(),
            [Path::new("/a"), Path::new("/a/b")]
        );
    }

    #[test]
    fn a_listing_does_not_reach_into_folders() {
        let mut names: Names<()> = Names::new();
        for (path, node) in [
            ("a", Node::Folder),
            ("a/x", Node::Folder),
            ("a/x/deep", Node::File(())),
            ("a/y", Node::File(())),
            ("a-b", Node::File(())),
        ] {
            names.set(Path::new(path), Some(node));
        }
        let listed = |dir: &str| -> Vec<String> {
            names.list(Path::new(dir)).unwrap().into_iter().map(|entry| entry.name).collect()
        };
        assert_eq!(listed(""), ["a", "a-b"]);
        assert_eq!(listed("a"), ["x", "y"]);
    }
}
