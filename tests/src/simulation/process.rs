//! A process on the simulated machine: it can die while the machine and other processes go on, and
//! what it reads is counted.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use annals_env::{Access, Entry, FaultyFs, File, FileLock, Fs};

/// The disk as one process sees it. Clones are the same process.
#[derive(Clone, Debug)]
pub struct Process {
    disk: FaultyFs,
    fate: Arc<Fate>,
}

#[derive(Debug)]
struct Fate {
    dead: AtomicBool,
    /// Operations that change something and that it still lives to do.
    left: AtomicU64,
    reads: AtomicU64,
}

impl Process {
    /// One that has just begun.
    #[must_use]
    pub fn new(disk: FaultyFs) -> Self {
        let (dead, left) = (AtomicBool::new(false), AtomicU64::new(u64::MAX));
        let fate = Fate { dead, left, reads: AtomicU64::new(0) };
        Self { disk, fate: Arc::new(fate) }
    }

    /// It dies before the operation that comes behind so many.
    pub fn die_behind(&self, operations: u64) {
        self.fate.left.store(operations, Ordering::Relaxed);
    }

    /// Whether it has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.fate.dead.load(Ordering::Relaxed)
    }

    /// How often it has read from files.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.fate.reads.load(Ordering::Relaxed)
    }
}

impl Fate {
    fn read(&self) -> io::Result<()> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(io::Error::other("the process is dead"));
        }
        Ok(())
    }

    fn change(&self) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(1) {
            Some(left) => self.left.store(left, Ordering::Relaxed),
            None => self.dead.store(true, Ordering::Relaxed),
        }
        self.read()
    }
}

impl Fs for Process {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.fate.change()?;
        self.disk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.fate.read()?;
        self.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.fate.change()?;
        self.file(self.disk.create(path))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        self.fate.read()?;
        self.file(self.disk.open(path, access))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fate.change()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fate.change()?;
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.fate.change()?;
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.fate.read()?;
        self.disk.lock(path)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.fate.read()?;
        self.disk.is_locked(path)
    }
}

impl Process {
    fn file(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(ProcessFile { file: file?, fate: Arc::clone(&self.fate) }))
    }
}

#[derive(Debug)]
struct ProcessFile {
    file: Arc<dyn File>,
    fate: Arc<Fate>,
}

impl File for ProcessFile {
    fn len(&self) -> io::Result<u64> {
        self.fate.read()?;
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fate.read()?;
        self.fate.reads.fetch_add(1, Ordering::Relaxed);
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.fate.change()?;
        self.file.write_at(bytes, offset)
    }

    fn append_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.fate.change()?;
        self.file.append_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.fate.change()?;
        self.file.sync()
    }
}
