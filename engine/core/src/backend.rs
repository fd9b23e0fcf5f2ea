//! Which index a store has, and getting it ready.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_env::{Env, Fs};
#[cfg(feature = "rocksdb")]
use annals_index::RocksIndex;
use annals_index::{Covers, Index, MemoryIndex};
use annals_types::{Place, StoreId};

use crate::error::Result;
use crate::folder::index_folder;
use crate::options::IndexKind;

/// The index as it was saved.
pub(crate) struct Saved {
    fs: Arc<dyn Fs>,
    folder: PathBuf,
    store: StoreId,
    kind: IndexKind,
    index: Arc<dyn Index>,
    /// What it says of itself; `None` where nothing was saved that can be used.
    covers: Option<Covers>,
}

impl Saved {
    /// Opens what was saved. What cannot be used is as good as none: the log has everything.
    pub(crate) fn open(env: &Env, root: &Path, store: StoreId, wanted: IndexKind) -> Result<Self> {
        match kind_here(env, wanted) {
            IndexKind::Memory => Ok(Self::memory(env, root, store)),
            #[cfg(feature = "rocksdb")]
            IndexKind::RocksDb => {
                let folder = index_folder(root, IndexKind::RocksDb);
                let opened = RocksIndex::open(&folder, store)?;
                Ok(Self {
                    fs: Arc::clone(&env.fs),
                    folder,
                    store,
                    kind: IndexKind::RocksDb,
                    index: Arc::new(opened.index),
                    covers: opened.covers,
                })
            }
        }
    }

    /// The same for reading only: changes nothing, and may be one that a process writes to now.
    pub(crate) fn open_read_only(env: &Env, root: &Path, store: StoreId) -> Self {
        #[cfg(feature = "rocksdb")]
        if kind_here(env, IndexKind::RocksDb) == IndexKind::RocksDb {
            let folder = index_folder(root, IndexKind::RocksDb);
            if let Ok(Some((index, covers))) = RocksIndex::open_read_only(&folder, store) {
                return Self {
                    fs: Arc::clone(&env.fs),
                    folder,
                    store,
                    kind: IndexKind::RocksDb,
                    index: Arc::new(index),
                    covers: Some(covers),
                };
            }
        }
        Self::memory(env, root, store)
    }

    fn memory(env: &Env, root: &Path, store: StoreId) -> Self {
        let (fs, folder) = (Arc::clone(&env.fs), index_folder(root, IndexKind::Memory));
        let loaded = MemoryIndex::load(Arc::clone(&fs), &folder, store).ok().flatten();
        let (index, covers) = match loaded {
            Some((index, covers)) => (index, Some(covers)),
            None => (MemoryIndex::in_folder(Arc::clone(&fs), folder.clone(), store), None),
        };
        Self { fs, folder, store, kind: IndexKind::Memory, index: Arc::new(index), covers }
    }

    /// What it says of itself: evidence of what was durable in the log.
    pub(crate) fn covers(&self) -> Option<&Covers> {
        self.covers.as_ref()
    }

    /// Whether it is one of the history that `knows` tells of, and not ahead of the log.
    pub(crate) fn is_of(&self, last: Place, knows: impl FnOnce(&Covers) -> bool) -> bool {
        self.covers.as_ref().is_some_and(|covers| covers.place <= last && knows(covers))
    }

    /// The index as it was saved, and the place up to which it was.
    pub(crate) fn into_index(self) -> (Arc<dyn Index>, Place) {
        let place = self.covers.map_or(Place::START, |covers| covers.place);
        (self.index, place)
    }

    /// An empty index in the place of what was saved, and the place before the first.
    pub(crate) fn emptied(self) -> Result<(Arc<dyn Index>, Place)> {
        let index: Arc<dyn Index> = match self.kind {
            IndexKind::Memory => Arc::new(MemoryIndex::in_folder(self.fs, self.folder, self.store)),
            #[cfg(feature = "rocksdb")]
            IndexKind::RocksDb => {
                // One folder is open at a time.
                drop(self.index);
                Arc::new(RocksIndex::open_empty(&self.folder, self.store)?)
            }
        };
        Ok((index, Place::START))
    }
}

/// The kind of index that a store gets here: RocksDB needs the machine's own files.
fn kind_here(env: &Env, wanted: IndexKind) -> IndexKind {
    if env.fs.is_real() { wanted } else { IndexKind::Memory }
}
