//! The ways to open a store on the machine's own files: each kind of index that this build has, in
//! each durability.

use std::path::PathBuf;

use annals::{Durability, IndexKind, Options, Store};
use tempfile::TempDir;

use crate::kinds;

/// Both durabilities.
pub const DURABILITIES: [Durability; 2] = [Durability::Sync, Durability::Buffered];

/// A way to open a store, and a folder for it that ends with this value.
#[derive(Debug)]
pub struct Setting {
    /// The index.
    pub index: IndexKind,
    /// The durability.
    pub durability: Durability,
    folder: TempDir,
}

impl Setting {
    /// This way, in a folder of its own.
    ///
    /// # Panics
    /// Where no folder can be made.
    #[must_use]
    pub fn new(index: IndexKind, durability: Durability) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the store");
        Self { index, durability, folder }
    }

    /// The store's folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The options that open it so, with segments so small that a test fills several.
    #[must_use]
    pub fn options(&self) -> Options {
        let options = Store::options().index(self.index).durability(self.durability);
        options.segment_bytes(Options::SEGMENT_BYTES_MIN * 4)
    }

    /// Opens the store for writing.
    ///
    /// # Panics
    /// Where it does not open.
    #[must_use]
    pub fn open(&self) -> Store {
        self.options().open(self.path()).expect("the store opens")
    }
}

/// Runs `test` with each kind of index in each durability.
pub fn each_setting(test: impl Fn(&Setting)) {
    for index in kinds() {
        for durability in DURABILITIES {
            test(&Setting::new(index, durability));
        }
    }
}

/// Runs `test` with each kind of index, each commit synced.
pub fn each_kind(test: impl Fn(&Setting)) {
    for index in kinds() {
        test(&Setting::new(index, Durability::Sync));
    }
}

/// How a process is told which index to use.
#[must_use]
pub fn index_name(index: IndexKind) -> String {
    format!("{index:?}")
}

/// The index with this name.
///
/// # Panics
/// Where this build has none such.
#[must_use]
pub fn index_named(name: &str) -> IndexKind {
    let mut kinds = kinds().into_iter();
    kinds.find(|kind| index_name(*kind) == name).unwrap_or_else(|| panic!("no index {name:?} here"))
}
