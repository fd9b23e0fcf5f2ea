//! Files that live in memory and end with the value.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs::{Access, Entry, File, FileLock, Fs};
use crate::names::{Names, Node, key};
use crate::pages::Pages;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicBool, Ordering};

/// A file system in memory, as fast as memory is. Clones share the files; [`MemoryFs::fork`] copies
/// them. A sync does nothing.
#[derive(Clone)]
pub struct MemoryFs {
    names: Arc<RwLock<Names<Arc<Inode>>>>,
}

/// A file, whatever its name. It lives as long as a name or a handle leads to it.
#[derive(Default)]
struct Inode {
    pages: RwLock<Pages>,
    locked: AtomicBool,
}

impl Inode {
    fn new(pages: Pages) -> Arc<Self> {
        Arc::new(Self { pages: RwLock::new(pages), ..Self::default() })
    }
}

impl MemoryFs {
    /// A file system without files. Its root and its working folder are there.
    #[must_use]
    pub fn new() -> Self {
        Self { names: Arc::new(RwLock::new(Names::new())) }
    }

    /// A copy that shares nothing with this one: open files and locks stay behind.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut copy = Names::new();
        for (path, node) in self.names.read().iter() {
            let node = match node {
                Node::Folder => Node::Folder,
                Node::File(inode) => Node::File(Inode::new(inode.pages.read().clone())),
            };
            copy.set(path, Some(node));
        }
        Self { names: Arc::new(RwLock::new(copy)) }
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.names.read().files().map(|(path, _)| path.clone()).collect()
    }

    /// All bytes of a file.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let names = self.names.read();
        let inode = names.file(&key(path))?;
        Ok(inode.pages.read().to_vec())
    }

    /// Replaces all bytes of a file, also for those who have it open. What is missing of its path
    /// is made.
    ///
    /// # Errors
    /// Where the path cannot be made.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = key(path);
        let mut pages = Pages::default();
        pages.write(bytes, 0)?;
        let mut names = self.names.write();
        if let Ok(inode) = names.file(&path) {
            *inode.pages.write() = pages;
            return Ok(());
        }
        for folder in names.missing_folders(path.parent().unwrap_or(&path))? {
            names.set(&folder, Some(Node::Folder));
        }
        names.check_free(&path)?;
        names.set(&path, Some(Node::File(Inode::new(pages))));
        Ok(())
    }
}

impl Default for MemoryFs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFs").field("files", &self.files()).finish()
    }
}

impl Fs for MemoryFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut names = self.names.write();
        for folder in names.missing_folders(&key(dir))? {
            names.set(&folder, Some(Node::Folder));
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.names.read().list(&key(dir))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let path = key(path);
        let mut names = self.names.write();
        names.check_free(&path)?;
        let inode = Inode::new(Pages::default());
        names.set(&path, Some(Node::File(Arc::clone(&inode))));
        Ok(Arc::new(MemoryFile { inode, access: Access::ReadWrite }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let inode = Arc::clone(self.names.read().file(&key(path))?);
        Ok(Arc::new(MemoryFile { inode, access }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (key(from), key(to));
        let mut names = self.names.write();
        let inode = names.check_rename(&from, &to)?;
        names.set(&from, None);
        names.set(&to, Some(Node::File(inode)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = key(path);
        let mut names = self.names.write();
        names.file(&path)?;
        names.set(&path, None);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.names.read().check_folder(&key(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let path = key(path);
        let mut names = self.names.write();
        let inode = match names.get(&path) {
            Some(_) => Arc::clone(names.file(&path)?),
            None => {
                names.check_free(&path)?;
                let inode = Inode::new(Pages::default());
                names.set(&path, Some(Node::File(Arc::clone(&inode))));
                inode
            }
        };
        if inode.locked.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock { inode })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let names = self.names.read();
        match names.file(&key(path)) {
            Ok(inode) => Ok(inode.locked.load(Ordering::Acquire)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

struct MemoryFile {
    inode: Arc<Inode>,
    access: Access,
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFile").field("access", &self.access).finish_non_exhaustive()
    }
}

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.pages.read().len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.inode.pages.read().read(buf, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.inode.pages.write().write(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

struct MemoryLock {
    inode: Arc<Inode>,
}

impl fmt::Debug for MemoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLock").finish_non_exhaustive()
    }
}

impl FileLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.inode.locked.store(false, Ordering::Release);
    }
}
